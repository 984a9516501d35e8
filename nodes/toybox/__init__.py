"""The toybox's nodes."""
