"""The memory of attention edits: how much they may take, where it lies and in which precision."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import comfy.model_management
import torch
from comfy_api.latest import io

from ...inversion_core.attention.budget import Memory
from ...inversion_core.attention.kept import PRECISIONS
from ..kit.inputs import all_edits
from ..kit.schema import choice, number, schema, socket
from ..sockets import AttentionEditSocket
from .attention_edits import Plans

Tell: TypeAlias = Callable[[str], None]
"""Hears a line that a node shows."""
AUTOMATIC, MODELS = "automatic", "the model's"
CALLED = {"recorded": "as recorded", "half if needed": "half if it must be"}
CHOICES = {CALLED.get(name, name): storage for name, storage in PRECISIONS.items()}
"""The precisions as the node calls them."""
DEVICES: dict[str, Callable[[], torch.device | None]] = {
    AUTOMATIC: lambda: None,
    MODELS: comfy.model_management.get_torch_device,
    "cpu": lambda: torch.device("cpu"),
}


class InversionAttentionMemory(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionAttentionMemory",
            display_name="Attention Memory",
            category="inversion/edit",
            description="Sets where and how an attention edit keeps the attention of the source, one step at a time. Without this "
            "node, an edit may use all free memory of the graphics card and moves to the CPU when that is not enough. After the "
            "first step, a sampler says how much an edit keeps, and where.",
            search_aliases=["out of memory", "vram", "attention bank"],
            inputs=[
                socket(AttentionEditSocket, "attention_edit").about("Attention edits to set the memory for."),
                number("budget_gb", 0.0, 0.0, 1024.0, step=0.1).about(
                    "Gigabytes of graphics card memory that recorded attention may use. 0 uses what is free."
                ),
                choice("precision", CHOICES, default="as recorded").about(
                    "Precision of recorded attention. 'as recorded' keeps every bit; the others need half or a quarter of "
                    "the memory and change the edit a little. 'half if it must be' lowers the precision only beyond the budget."
                ),
                choice("device", DEVICES, default=AUTOMATIC).about(
                    "Where recorded attention is kept. 'automatic' moves to the CPU beyond the budget, which is slower and changes "
                    "nothing in the edit."
                ),
            ],
            outputs=[all_edits()],
        )

    @classmethod
    def execute(cls, attention_edit, budget_gb, precision, device) -> io.NodeOutput:
        storage = replace(CHOICES[precision], device=DEVICES[device](), budget=int(1e9 * budget_gb) or None)
        return io.NodeOutput(replace(attention_edit, storage=storage))


def unheard(line: str) -> None:
    """Nobody is told."""


def memory_of(plans: Plans, tell: Tell) -> Memory:
    """How the banks of these edits are kept; what they keep goes to `tell` and to ComfyUI's log."""

    def tell_and_log(line: str) -> None:
        logging.info("[Latent Inversion] %s", line)
        tell(line)

    return Memory(plans.storage, free_of, tell_and_log)


def free_of(device: torch.device) -> int:
    """What ComfyUI knows to be free on a device, without what PyTorch holds ready for the network."""
    free, held = comfy.model_management.get_free_memory(device, torch_free_too=True)
    return int(free if device.type in ("cpu", "mps") else free - held)
