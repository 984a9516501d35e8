"""ComfyUI as a host of the library."""
