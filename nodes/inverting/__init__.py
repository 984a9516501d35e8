"""The nodes from a picture to its trajectory, and back to a picture."""
