"""What a node that edits along a trajectory gives."""

from comfy_api.latest import io

from ...inversion_core.loops.edit import Edited
from ...inversion_core.quality.metrics import drift
from ..sockets import LatentTrajectory
from .remarks import of_result
from .schema import output


def outcomes(reconstructed: str) -> list[io.Output]:
    """The outputs; `reconstructed` is the second one's tooltip."""
    return [
        output(io.Latent, "edited").about("The edited latent, for Inversion Decode."),
        output(io.Latent, "reconstructed").about(reconstructed),
    ]


def outcome(edited: Edited, record: LatentTrajectory, said: list[str]) -> io.NodeOutput:
    """The edit and the source's own end with its drift as LATENTs; `said` is shown on the node, and that nothing changed."""
    said = [*said, *of_result(edited.target, edited.source[-1])]
    strayed = {"inversion_drift": drift(edited.source, record.trajectory)}
    back = record.latent(edited.source[-1]) | strayed
    return io.NodeOutput(record.latent(edited.target), back, ui={"text": said} if said else None)
