"""The pack's ComfyUI nodes. Importing this package needs no ComfyUI; `node_list` does."""

from importlib import import_module

NODES = {
    "inverting.encode": ("InversionEncode",),
    "inverting.ddim_invert": ("InversionDDIMInvert",),
    "inverting.invert_methods": (
        "InversionFixedPointInvert",
        "InversionExactInvert",
        "InversionStochasticInvert",
        "InversionRFInvert",
    ),
    "inverting.null_text": ("InversionNullTextOptimize",),
    "attention.attention_edit": ("InversionAttentionEdit",),
    "attention.plug_and_play": ("InversionPlugAndPlay",),
    "attention.mutual_attention": ("InversionMutualAttention",),
    "attention.kv_injection": ("InversionKVInjection",),
    "attention.kv_edit": ("InversionKVEdit",),
    "editing.edit_mask": ("InversionEditMask",),
    "attention.style_reference": ("InversionStyleReference",),
    "attention.garment": ("InversionGarmentPlace", "InversionGarmentReference"),
    "attention.bank_memory": ("InversionAttentionMemory",),
    "editing.edit_sampler": ("InversionEditSampler",),
    "editing.method_edit": (
        "InversionAnchoredEdit",
        "InversionGuidanceEdit",
        "InversionExactEdit",
        "InversionStochasticEdit",
        "InversionFlowControlEdit",
    ),
    "editing.free_edit": ("InversionFreeEdit",),
    "editing.video": ("InversionVideoInvert", "InversionVideoEdit"),
    "editing.compare": ("InversionCompare",),
    "inverting.decode": ("InversionDecode",),
    "looking.attention_view": ("InversionAttentionView",),
    "looking.trajectory_view": ("InversionTrajectoryView",),
    "looking.before_after": ("InversionBeforeAfter",),
    "looking.report": ("InversionReport",),
    "files.save_and_load": ("InversionSaveTrajectory", "InversionLoadTrajectory"),
    "toybox.loader": ("InversionToyboxLoader", "InversionToyboxScene"),
    "toybox.pair": ("InversionToyboxPair",),
    "toybox.video": ("InversionToyboxVideo",),
    "toybox.control": ("InversionToyboxControlNet", "InversionEdges"),
}
"""The node classes by module, in the order of the menus."""


def node_list() -> list[type]:
    """Every node class, in the order of the menus."""
    guarded = import_module(".kit.guard", __name__).guarded
    modules = ((import_module(f".{module}", __name__), names) for module, names in NODES.items())
    return [guarded(getattr(module, name)) for module, names in modules for name in names]
