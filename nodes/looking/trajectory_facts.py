"""A trajectory's facts in words."""

from ...inversion_core.quality.metrics import whiteness
from ...inversion_core.trajectory import Provenance
from ...inversion_core.wording import plain
from ..files.workflow_origin import LONGEST
from ..sockets import LatentTrajectory

SHORT = 100
"""The most letters of a name."""
PATHS = {"ve": "variance exploding", "rf": "rectified flow"}


def facts_of(record: LatentTrajectory, provenance: Provenance) -> dict[str, str]:
    """What is known of a trajectory, by name; what is not known is left out."""
    trajectory = record.trajectory
    noise, path = whiteness(trajectory), trajectory.path.name
    size = "unknown"
    if record.frame is not None:
        size = f"{record.frame.width} x {record.frame.height}"
    count = trajectory.shape[0]
    top, bottom = float(trajectory.sigmas[0]), float(trajectory.sigmas[-1])
    loras = f" ({', '.join(provenance.loras)})" if provenance.loras else ""
    fixed = None if trajectory.residuals is None else max(trajectory.residuals)
    megabytes = sum(x.numel() * x.element_size() for x in trajectory.tensors) / 1e6
    facts = {
        "inversion": f"{plain(provenance.method, SHORT) or 'unknown'}, {trajectory.steps} steps, guidance {provenance.guidance:g}",
        "prompt": plain(provenance.prompt, LONGEST),
        "negative": provenance.negative,
        "model": plain(provenance.checkpoint + loras, 4 * SHORT),
        "weights": plain(provenance.model, SHORT),
        "image": size if count == 1 else f"{count} of {size}",
        "latent": f"{' x '.join(map(str, trajectory.shape[1:]))}, {str(trajectory.xs[0].dtype).removeprefix('torch.')}",
        "noise levels": f"sigma {top:.4g} to {bottom:.4g}, {PATHS.get(path, path)}",
        "solver": trajectory.solver,
        "inverted noise": f"std {noise.std:.3f}, neighbour correlation {noise.neighbour_correlation:+.3f} (ideal: std 1, correlation 0)",
        "fixed point": "" if fixed is None else f"worst residual {fixed:.1e}",
        "in memory": f"{megabytes:.1f} MB",
        "mask": "" if record.mask is None else "a region for edits travels along",
    }
    return {name: fact for name, fact in facts.items() if fact}
