"""Picture files, clips, and pictures that are drawn: sheets, figures, curves."""
