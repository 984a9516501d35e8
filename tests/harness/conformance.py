"""What every backend must do, whatever its host: one function per promise. `x` is a batch of two or more."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from latent_inversion.inversion_core.attention.site import AttentionEdit, Site, UnmatchedEdit
from latent_inversion.inversion_core.types import Cond, EditableDenoiser

Snapshot = Callable[[], Mapping[str, Any]]


def pass_on(where: Callable[[Site], bool] = lambda site: True, seen: list[Site] | None = None) -> AttentionEdit:
    """An edit that calls the host's attention as it is and notes the sites."""

    def apply(attend, q, k, v, site):
        if seen is not None:
            seen.append(site)
        return attend(q, k, v)

    return AttentionEdit("pass on", where, apply)


def doubled(where: Callable[[Site], bool] = lambda site: True) -> AttentionEdit:
    """An edit that must change the result."""
    return AttentionEdit("doubled", where, lambda attend, q, k, v, site: attend(q, k, 2 * v))


def check_shape_dtype(denoiser: EditableDenoiser, x: Tensor, sigma: Tensor, cond: Cond) -> None:
    """A call gives back the shape and precision of `x`, finite, for single and double precision."""
    for dtype in (torch.float32, torch.float64):
        x0 = denoiser(x.to(dtype), sigma, cond)
        assert x0.shape == x.shape and x0.dtype == dtype
        assert bool(torch.isfinite(x0).all())
        assert not x0.requires_grad


def check_deterministic(denoiser: EditableDenoiser, x: Tensor, sigma: Tensor, cond: Cond) -> None:
    """The same call twice gives the same bits, and leaves its input as it was."""
    before = x.clone()
    assert torch.equal(denoiser(x, sigma, cond), denoiser(x, sigma, cond))
    assert torch.equal(x, before)


def check_batch_is_stack(
    denoiser: EditableDenoiser, x: Tensor, sigma: Tensor, cond: Cond, *, tolerance: float = 1e-4
) -> None:
    """A batch is predicted as its pictures one by one."""
    stack = torch.cat([denoiser(one, sigma, cond) for one in x.split(1)])
    torch.testing.assert_close(denoiser(x, sigma, cond), stack, rtol=tolerance, atol=tolerance)


def check_edited_leaves_model_untouched(
    denoiser: EditableDenoiser, x: Tensor, sigma: Tensor, cond: Cond, snapshot: Snapshot
) -> None:
    """After edited calls, also failed ones, the model's `snapshot()` is the same and so are its predictions."""

    def failing(attend, q, k, v, site):
        raise KeyboardInterrupt

    before, plain = dict(snapshot()), denoiser(x, sigma, cond)
    assert not torch.equal(denoiser.edited(doubled())(x, sigma, cond), plain), "the edit changed nothing"
    with pytest.raises(KeyboardInterrupt):
        denoiser.edited(AttentionEdit("failing", lambda site: True, failing))(x, sigma, cond)
    after = snapshot()
    assert before.keys() == after.keys()
    for name, value in before.items():
        same = torch.equal(value, after[name]) if isinstance(value, Tensor) else value == after[name]
        assert same, f"{name} changed"
    assert torch.equal(denoiser(x, sigma, cond), plain)


def check_noop_edit_bit_identical(denoiser: EditableDenoiser, x: Tensor, sigma: Tensor, cond: Cond) -> None:
    """An edit that passes every call on, whole or branch by branch, changes no bit; sites are told truly."""
    plain, seen = denoiser(x, sigma, cond), []
    assert torch.equal(denoiser.edited()(x, sigma, cond), plain)
    assert torch.equal(denoiser.edited(pass_on(seen=seen), pass_on())(x, sigma, cond), plain)
    assert {site.branch for site in seen} == ({"cond", "uncond"} if cond.guided else {"cond"})
    assert {site.kind for site in seen} >= {"self", "cross"}
    assert {site.sigma for site in seen} == {float(sigma)}
    assert max(site.tokens for site in seen) <= x.shape[-2] * x.shape[-1]
    for site in seen:
        assert bool(site.text) == (site.kind == "cross")


def check_unmatched_edit_raises(denoiser: EditableDenoiser, x: Tensor, sigma: Tensor, cond: Cond) -> None:
    """An edit that meets no attention call is an error that names it and the calls there were."""
    with pytest.raises(UnmatchedEdit, match=r"pass on.*Calls seen: cross"):
        denoiser.edited(pass_on(where=lambda site: False))(x, sigma, cond)


CHECKS = (
    check_shape_dtype,
    check_deterministic,
    check_batch_is_stack,
    check_noop_edit_bit_identical,
    check_unmatched_edit_raises,
)
"""The promises that need no look inside the host; `check_edited_leaves_model_untouched` also wants a snapshot of it."""
