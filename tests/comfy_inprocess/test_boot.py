"""The process is what the other tests here take it for."""

import os
from pathlib import Path


def test_comfy_is_the_checkouts_and_on_the_cpu() -> None:
    import comfy.model_management as management

    assert Path(management.__file__).is_relative_to(Path(os.environ["COMFYUI_CHECKOUT"]).resolve())
    assert management.get_torch_device().type == "cpu"


def test_every_node_has_a_valid_schema() -> None:
    from latent_inversion.nodes import node_list

    schemas = [node.GET_SCHEMA() for node in node_list()]
    assert all(schema.node_id.startswith("Inversion") for schema in schemas)
    assert all(schema.category.startswith("inversion/") for schema in schemas)
    fields = [field for schema in schemas for field in (*schema.inputs, *schema.outputs)]
    assert not [field for field in fields if not field.tooltip]
