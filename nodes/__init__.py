"""The pack's ComfyUI nodes. Importing this package needs no ComfyUI; `node_list` does."""


def node_list() -> list[type]:
    """Every node class, in the order of the menus."""
    from .attention_edit import InversionAttentionEdit
    from .decode import InversionDecode
    from .edit_sampler import InversionEditSampler
    from .encode import InversionEncode
    from .files import InversionLoadTrajectory, InversionSaveTrajectory
    from .invert import InversionDDIMInvert
    from .null_text import InversionNullTextOptimize
    from .report import InversionReport
    from .toybox import InversionToyboxLoader, InversionToyboxScene

    return [
        InversionEncode,
        InversionDDIMInvert,
        InversionNullTextOptimize,
        InversionAttentionEdit,
        InversionEditSampler,
        InversionDecode,
        InversionReport,
        InversionSaveTrajectory,
        InversionLoadTrajectory,
        InversionToyboxLoader,
        InversionToyboxScene,
    ]
