"""The toybox's UNet seen as an epsilon network: the same weights, the other parametrisation."""

from typing import Any

from torch import Tensor, nn

from .models import signal_and_noise


class EpsilonUNet(nn.Module):
    """Wraps a v-predicting UNet2DConditionModel: eps = alpha v + sigma x, with x = alpha x0 + sigma noise."""

    def __init__(self, unet: nn.Module):
        super().__init__()
        self.unet = unet
        alpha, sigma = signal_and_noise()
        self.register_buffer("alpha", alpha, persistent=False)
        self.register_buffer("sigma", sigma, persistent=False)

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float | int,
        encoder_hidden_states: Tensor,
        class_labels: Tensor | None = None,
        timestep_cond: Tensor | None = None,
        attention_mask: Tensor | None = None,
        cross_attention_kwargs: dict[str, Any] | None = None,
        added_cond_kwargs: dict[str, Tensor] | None = None,
        down_block_additional_residuals: tuple[Tensor, ...] | None = None,
        mid_block_additional_residual: Tensor | None = None,
        down_intrablock_additional_residuals: tuple[Tensor, ...] | None = None,
        encoder_attention_mask: Tensor | None = None,
        return_dict: bool = True,
    ):
        """Take what UNet2DConditionModel takes and return its output with `sample` = eps."""
        output = self.unet(
            sample, timestep, encoder_hidden_states, class_labels, timestep_cond, attention_mask,
            cross_attention_kwargs, added_cond_kwargs, down_block_additional_residuals, mid_block_additional_residual,
            down_intrablock_additional_residuals, encoder_attention_mask,
        )  # fmt: skip
        alpha, sigma = self._at(self.alpha, timestep), self._at(self.sigma, timestep)
        eps = alpha * output.sample + sigma * sample
        return type(output)(sample=eps) if return_dict else (eps,)

    def _at(self, table: Tensor, timestep: Tensor | float | int) -> Tensor:
        """Return the table at (fractional) time steps, linear in between, as [n, 1, 1, 1]."""
        import torch

        t = torch.as_tensor(timestep, dtype=torch.float64, device=table.device).reshape(-1, 1, 1, 1)
        low = t.floor().long().clamp(0, len(table) - 1)
        high = (low + 1).clamp(max=len(table) - 1)
        return torch.lerp(table[low].double(), table[high].double(), t - low).to(table.dtype)

    def __getattr__(self, name: str) -> Any:
        """Return what else is asked of it from the wrapped UNet: `config`, `dtype`, `device`."""
        return super().__getattr__(name) if name in ("unet", "alpha", "sigma") else getattr(self.unet, name)
