"""The pack's ComfyUI nodes. Importing this package needs no ComfyUI; `node_list` does."""


def node_list() -> list[type]:
    """Every node class, in the order of the menus."""
    from .attention_edit import InversionAttentionEdit
    from .compare import InversionCompare
    from .decode import InversionDecode
    from .edit_sampler import InversionEditSampler
    from .encode import InversionEncode
    from .files import InversionLoadTrajectory, InversionSaveTrajectory
    from .invert import InversionDDIMInvert
    from .invert_methods import (
        InversionExactInvert,
        InversionFixedPointInvert,
        InversionRFInvert,
        InversionStochasticInvert,
    )
    from .method_edit import (
        InversionAnchoredEdit,
        InversionExactEdit,
        InversionFlowControlEdit,
        InversionFreeEdit,
        InversionGuidanceEdit,
        InversionStochasticEdit,
    )
    from .null_text import InversionNullTextOptimize
    from .report import InversionReport
    from .toybox import InversionToyboxLoader, InversionToyboxScene

    return [
        InversionEncode,
        InversionDDIMInvert,
        InversionFixedPointInvert,
        InversionExactInvert,
        InversionStochasticInvert,
        InversionRFInvert,
        InversionNullTextOptimize,
        InversionAttentionEdit,
        InversionEditSampler,
        InversionAnchoredEdit,
        InversionGuidanceEdit,
        InversionExactEdit,
        InversionStochasticEdit,
        InversionFlowControlEdit,
        InversionFreeEdit,
        InversionCompare,
        InversionDecode,
        InversionReport,
        InversionSaveTrajectory,
        InversionLoadTrajectory,
        InversionToyboxLoader,
        InversionToyboxScene,
    ]
