"""Diffusion inversion and inversion-based editing in sigma space, on any host that can predict a clean latent."""
