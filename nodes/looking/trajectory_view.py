"""Trajectory View: a trajectory as a film strip from picture to noise, its noise as a histogram, and its facts in words."""

from comfy_api.latest import io, ui

from ..files.workflow_origin import complete
from ..kit.schema import choice, integer, output, schema, socket
from ..sockets import TrajectorySocket
from .trajectory_facts import facts_of
from .trajectory_frames import BOTH, EXPECTED, NOISY, shot
from .trajectory_noise import noise_sheet
from .trajectory_strip import strip


class InversionTrajectoryView(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionTrajectoryView",
            display_name="Trajectory View",
            category="inversion/invert",
            description="Shows what an inversion did: a film strip of the trajectory from image to noise, how close the noise at "
            "its end is to white noise, and how the trajectory was made. Needs the VAE only; the model is not run.",
            search_aliases=["film strip", "inspect trajectory", "noise histogram", "preview latents"],
            is_output_node=True,
            hidden=[io.Hidden.unique_id, io.Hidden.prompt],
            inputs=[
                socket(TrajectorySocket, "trajectory").about("Trajectory from an inversion node or Load Trajectory."),
                socket(io.Vae, "vae").about("The VAE that encoded the image."),
                integer("frames", 8, 2, 64).about(
                    "Number of frames to show, evenly spaced over the steps. Always includes image and noise."
                ),
                choice("show", [NOISY, EXPECTED, BOTH]).about(
                    "noisy latents: the trajectory itself, scaled to the strength of an image and decoded. expected "
                    "pictures: the image that the model expected at each noise level, read from the slope between neighbouring "
                    "levels; exact for DDIM, close for other solvers. both: one above the other."
                ),
                integer("index", 0, 0, 9999).about("Which image of the batch to show. 0 is the first."),
            ],
            outputs=[
                output(io.Image, "strip").about("The film strip as one image."),
                output(io.Image, "pictures", "frames").about(
                    "The frames, from image to noise. With 'both', first the noisy, then the expected ones."
                ),
                output(io.Image, "histogram").about(
                    "The inverted noise against white noise, all channels together and one by one."
                ),
                output(io.String, "facts").about("How the trajectory was made."),
            ],
        )

    @classmethod
    def execute(cls, trajectory, vae, frames, show, index) -> io.NodeOutput:
        film = shot(trajectory, vae, frames, show, index)
        provenance = complete(trajectory.trajectory.provenance, cls.hidden.prompt, cls.hidden.unique_id)
        facts = facts_of(trajectory, provenance)
        picture, noise = strip(film, facts), noise_sheet(film.trajectory)
        text = "\n".join(f"{name:<15} {fact}" for name, fact in facts.items())
        shown = ui.PreviewImage(picture, cls=cls).as_dict()
        return io.NodeOutput(picture, film.pictures, noise, text, ui={**shown, "text": [text]})
