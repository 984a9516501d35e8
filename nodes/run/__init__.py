"""One run of a model for a node: prompts in, progress out."""
