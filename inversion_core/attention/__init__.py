"""Attention edits: what they see, where they leave things, and one technique per file."""
