"""Tests here may `import comfy...`: they run with one ComfyUI on sys.path (COMFYUI_CHECKOUT), on the CPU.

By hand: COMFYUI_CHECKOUT=~/comfy/ComfyUI python -m pytest tests/comfy_inprocess
"""

import os
from pathlib import Path

from harness.inprocess import boot

boot(Path(os.environ["COMFYUI_CHECKOUT"]).expanduser().resolve())
