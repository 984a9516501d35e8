"""Hosts whose networks the library can use."""
