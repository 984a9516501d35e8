"""Attention techniques, one published method per file."""
