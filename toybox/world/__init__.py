"""The toybox world: portraits of animals with captions, and the true picture of every edit.

Everything that uses the world imports it from here. It needs torch, nothing else.
"""

from .captions import caption, world_words
from .draw import SIZE, render
from .edits import COLOURS, KINDS, Edit, edit_mask, held_out_edits, visible_attributes
from .scene import ATTRIBUTES, HELD_OUT, HELD_OUT_SEEDS, Scene, held_out_scenes, is_held_out, training_scene
from .video import Correspondence, render_video, true_correspondence, video_scenes

__all__ = [
    "ATTRIBUTES",
    "COLOURS",
    "HELD_OUT",
    "HELD_OUT_SEEDS",
    "KINDS",
    "SIZE",
    "Correspondence",
    "Edit",
    "Scene",
    "caption",
    "edit_mask",
    "held_out_edits",
    "held_out_scenes",
    "is_held_out",
    "render",
    "render_video",
    "training_scene",
    "true_correspondence",
    "video_scenes",
    "visible_attributes",
    "world_words",
]
