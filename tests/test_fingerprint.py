"""The fingerprint of a model's weights."""

import pytest
import torch

from latent_inversion.inversion_core.fingerprint import fingerprint, identity, same_model, sketch


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


FORMATS = (torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2)


def checkpoint(seed: int = 0, moved: float = 0.0) -> list[torch.Tensor]:
    """Matrices of a small network in half precision; some fine-tunings move them by a share of their spread."""
    generator = torch.Generator().manual_seed(seed)
    base = [0.02 * torch.randn(24, 16 + n, generator=generator) for n in range(60)]
    change = torch.Generator().manual_seed(seed + 1)
    return [(t + 0.02 * moved * torch.randn(t.shape, generator=change)).half() for t in base]


def cast(weights: list[torch.Tensor], dtype: torch.dtype) -> list[torch.Tensor]:
    return [t.to(dtype) for t in weights]


@pytest.mark.parametrize("other", FORMATS)
@pytest.mark.parametrize("one", FORMATS)
def test_casts_of_one_checkpoint_are_one_model(one: torch.dtype, other: torch.dtype) -> None:
    made, here = (identity(cast(checkpoint(), dtype)) for dtype in (one, other))
    assert same_model(made, here)
    assert len(made) < 4000


@pytest.mark.parametrize("moved", [0.01, 0.1, 1.0])
@pytest.mark.parametrize("other", FORMATS)
@pytest.mark.parametrize("one", FORMATS)
def test_a_fine_tuning_is_another_model_in_every_format(one: torch.dtype, other: torch.dtype, moved: float) -> None:
    """Two unlike 8-bit formats are too coarse to see one by a hundredth of the weights' spread."""
    if moved < 0.1 and {one, other} == {torch.float8_e4m3fn, torch.float8_e5m2}:
        pytest.skip("8 bits against other 8 bits")
    made, here = identity(cast(checkpoint(), one)), identity(cast(checkpoint(moved=moved), other))
    assert not same_model(made, here)


def test_a_merge_of_a_few_matrices_is_another_model() -> None:
    merged = checkpoint()
    merged[7:13] = checkpoint(moved=0.2)[7:13]
    assert not same_model(identity(cast(checkpoint(), torch.float8_e4m3fn)), identity(merged))


def test_older_files_know_the_digest_alone() -> None:
    base, eight = checkpoint(), cast(checkpoint(), torch.float8_e4m3fn)
    assert same_model(fingerprint(base), identity(base))
    assert same_model(fingerprint(base), identity(cast(base, torch.float32)))
    assert not same_model(fingerprint(base), identity(eight))
    assert not same_model(fingerprint(base), identity(checkpoint(moved=0.1)))


def test_loras_and_hooks_count_beside_the_weights() -> None:
    head, _, sketched = identity(checkpoint()).partition("~")
    eight = identity(cast(checkpoint(), torch.float8_e4m3fn))
    for told in ("+12345678", "&12345678", "+12345678&12345678"):
        assert not same_model(f"{head}{told}~{sketched}", eight)
        assert same_model(f"{head}{told}~{sketched}", eight.replace("~", f"{told}~"))
    assert not same_model(f"{head}&12345678~", f"{head}~")
    assert same_model(f"{head}&12345678~", head), "an older file says nothing of hooks"


@pytest.mark.parametrize("sketched", ["", "!", "AAAA", "é", "eJwDAAAAAAE=", "\ud800", "A" * 10_000])
def test_a_sketch_that_is_none_fits_nothing(sketched: str) -> None:
    one = identity(checkpoint())
    assert not same_model(f"{'0' * 16}~{sketched}", one)
    assert same_model(f"{one.partition('~')[0]}~{sketched}", one), "the digest is enough"


def test_quantised_weights_have_no_sketch() -> None:
    packed = [torch.randint(0, 255, (8, 8), dtype=torch.uint8), *checkpoint()[:3]]
    assert sketch(packed) == "" and identity(packed).endswith("~")
