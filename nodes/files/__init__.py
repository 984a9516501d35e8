"""Trajectories as files: the nodes, the folder, the cards in the browser."""
