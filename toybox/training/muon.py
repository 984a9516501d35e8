"""Muon: gradient steps with orthogonalised momentum for matrices and convolutions, AdamW for all the rest.

Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks" (kellerjordan.github.io/posts/muon).
"""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # the quintic of the source


def orthogonalised(matrices: Tensor, *, rounds: int = 5) -> Tensor:
    """Return about the nearest semi-orthogonal matrices to [n, rows, columns], by Newton-Schulz rounds."""
    a, b, c = NEWTON_SCHULZ
    x = matrices.transpose(1, 2) if matrices.shape[1] > matrices.shape[2] else matrices
    x = x.bfloat16()
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    for _ in range(rounds):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    x = x.to(matrices.dtype)
    return x.transpose(1, 2) if matrices.shape[1] > matrices.shape[2] else x


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised per matrix; a convolution counts as a matrix [out, in * height * width]."""

    def __init__(self, parameters: Iterable[nn.Parameter], *, lr: float, momentum: float = 0.95):
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            by_shape = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape[(parameter.shape[0], parameter[0].numel())].append(parameter)
            for (rows, columns), parameters in by_shape.items():
                wanted = [self._momentum(parameter, group["momentum"]) for parameter in parameters]
                turned = orthogonalised(torch.stack([one.reshape(rows, columns) for one in wanted]))
                scale = max(1.0, rows / columns) ** 0.5
                for parameter, change in zip(parameters, turned, strict=True):
                    parameter.add_(change.reshape(parameter.shape), alpha=-group["lr"] * scale)

    def _momentum(self, parameter: nn.Parameter, momentum: float) -> Tensor:
        state = self.state[parameter]
        if "velocity" not in state:
            state["velocity"] = torch.zeros_like(parameter, memory_format=torch.contiguous_format)
        state["velocity"].lerp_(parameter.grad, 1 - momentum)
        return parameter.grad.lerp(state["velocity"], momentum)


def optimizers(
    module: nn.Module, *, matrix_lr: float, lr: float, plain: tuple[str, ...] = ()
) -> list[torch.optim.Optimizer]:
    """Return Muon for the weight matrices and AdamW for the rest; names that contain a `plain` word are the rest."""
    matrices, rest = [], []
    for name, parameter in module.named_parameters():
        is_matrix = parameter.ndim >= 2 and not any(word in name for word in plain)
        (matrices if is_matrix else rest).append(parameter)
    return [Muon(matrices, lr=matrix_lr), torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.98), weight_decay=0.0)]
