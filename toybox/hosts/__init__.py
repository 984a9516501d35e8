"""The toybox's models as ComfyUI's own."""
