"""One set of thresholds: the node and the command line find the same things in the same figures."""

import re
from pathlib import Path

import pytest

from latent_inversion.api import report
from latent_inversion.inversion_core.quality.diagnosis import Finding, Held, findings
from latent_inversion.inversion_core.quality.metrics import Whiteness

ROOT = Path(__file__).resolve().parent.parent
WHITE = Whiteness(1.0, 0.0)

TABLE: list[tuple[Held, tuple[Finding, ...]]] = [
    (Held(34.0, WHITE, 34.5), ("kept",)),
    (Held(33.0, WHITE, 34.5), ("inversion",)),
    (Held(24.0, WHITE, 24.5), ("kept", "autoencoder")),
    (Held(12.0, WHITE, 25.5), ("inversion",)),
    (Held(12.0, WHITE), ("poor",)),
    (Held(34.0, WHITE), ()),
    (Held(34.0, WHITE, 34.5, guided=32.9), ("kept", "guidance")),
    (Held(34.0, WHITE, 34.5, guided=33.1), ("kept",)),
    (Held(30.0, WHITE, 34.5, guidance=7.5), ("inversion", "guided inversion")),
    (Held(34.0, WHITE, 34.5, guidance=7.5), ("kept",)),
    (Held(34.0, WHITE, 34.5, residual=2e-3), ("kept", "unconverged")),
    (Held(34.0, Whiteness(1.12, 0.0), 34.5), ("kept", "coloured")),
    (Held(34.0, Whiteness(1.0, 0.21), 34.5), ("kept", "coloured")),
]


@pytest.mark.parametrize(("held", "found"), TABLE)
def test_what_is_found(held: Held, found: tuple[Finding, ...]) -> None:
    assert findings(held) == found


@pytest.mark.parametrize(("held", "found"), TABLE)
def test_the_command_line_says_it(held: Held, found: tuple[Finding, ...]) -> None:
    if held.ceiling is None:
        return
    ceiling, plain, guided = (
        report.Retraced(None, level, 1.0, ()) for level in (held.ceiling, held.psnr, held.guided or held.psnr)
    )
    said = "\n".join(report.advice(ceiling, plain, guided, held.noise))
    for finding, sentence in report.ADVICE.items():
        assert (sentence.split("{")[0][:40] in said) == (finding in found), finding


@pytest.mark.parametrize(
    "name",
    [
        "api/report.py",
        "nodes/looking/report_figures.py",
        "command_line/verdict.py",
        "nodes/looking/report_verdict.py",
    ],
)
def test_no_threshold_stands_beside_them(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    compared = [n for n in re.findall(r"[<>]=?\s+(-?\d+(?:\.\d+)?(?:e-?\d+)?)", text) if float(n) not in (0, 1, 11)]
    assert not compared, f"{name} compares with {compared}"
