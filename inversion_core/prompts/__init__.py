"""Prompts as tokens and words, in every script."""
