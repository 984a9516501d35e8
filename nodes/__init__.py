"""The pack's ComfyUI nodes. Importing this package needs no ComfyUI; `node_list` does."""

from importlib import import_module

NODES = {
    "encode": ("InversionEncode",),
    "invert": ("InversionDDIMInvert",),
    "invert_methods": (
        "InversionFixedPointInvert",
        "InversionExactInvert",
        "InversionStochasticInvert",
        "InversionRFInvert",
    ),
    "null_text": ("InversionNullTextOptimize",),
    "attention_edit": ("InversionAttentionEdit",),
    "plug_and_play": ("InversionPlugAndPlay",),
    "attention_share": ("InversionMutualAttention", "InversionKVInjection"),
    "kv_edit": ("InversionKVEdit",),
    "edit_mask": ("InversionEditMask",),
    "style_reference": ("InversionStyleReference",),
    "garment": ("InversionGarmentPlace", "InversionGarmentReference"),
    "memory": ("InversionAttentionMemory",),
    "edit_sampler": ("InversionEditSampler",),
    "method_edit": (
        "InversionAnchoredEdit",
        "InversionGuidanceEdit",
        "InversionExactEdit",
        "InversionStochasticEdit",
        "InversionFlowControlEdit",
    ),
    "free_edit": ("InversionFreeEdit",),
    "video": ("InversionVideoInvert", "InversionVideoEdit"),
    "compare": ("InversionCompare",),
    "decode": ("InversionDecode",),
    "attention_view": ("InversionAttentionView",),
    "trajectory_view": ("InversionTrajectoryView",),
    "before_after": ("InversionBeforeAfter",),
    "report": ("InversionReport",),
    "files": ("InversionSaveTrajectory", "InversionLoadTrajectory"),
    "toybox": ("InversionToyboxLoader", "InversionToyboxScene"),
    "toybox_pair": ("InversionToyboxPair",),
    "toybox_video": ("InversionToyboxVideo",),
    "toybox_control": ("InversionToyboxControlNet", "InversionEdges"),
}
"""The node classes by module, in the order of the menus."""


def node_list() -> list[type]:
    """Every node class, in the order of the menus."""
    guarded = import_module(".guard", __name__).guarded
    modules = ((import_module(f".{module}", __name__), names) for module, names in NODES.items())
    return [guarded(getattr(module, name)) for module, names in modules for name in names]
