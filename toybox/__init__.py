"""The toybox: a small drawn world with captions and true edits, and tiny diffusion models trained on it."""
