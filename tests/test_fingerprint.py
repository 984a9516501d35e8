"""The fingerprint of a model's weights."""

import pytest
import torch

from latent_inversion.inversion_core.fingerprint import fingerprint


def weights(seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for shape in ((4, 6), (8, 3, 3, 3), (5,), (7, 2))]


def test_order_layout_precision_and_biases_do_not_count() -> None:
    one = weights()
    other = [t.half() for t in reversed(one) if t.ndim > 1]
    other[-1] = other[-1].reshape(4, 6, 1, 1)
    assert fingerprint(one) == fingerprint(other)
    assert len(fingerprint(one)) == 16


def test_other_weights_have_another_fingerprint() -> None:
    assert fingerprint(weights(0)) != fingerprint(weights(1))
    changed = weights(0)
    changed[1].view(-1)[-1] += 0.1
    assert fingerprint(weights(0)) != fingerprint(changed)


def test_nothing_to_read_is_refused() -> None:
    with pytest.raises(ValueError, match="no weight"):
        fingerprint([torch.ones(3)])
