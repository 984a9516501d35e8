"""Published methods that edit a picture, one per file."""
