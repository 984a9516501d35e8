"""Trajectories and null-text results as files."""
