"""How the toybox's models were trained, and are measured."""
