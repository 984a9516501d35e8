"""The nodes that say what an edit does to attention, as values for the nodes that edit."""
