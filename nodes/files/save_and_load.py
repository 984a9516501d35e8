"""Save and Load Trajectory."""

from dataclasses import replace

from comfy_api.latest import io

from ...inversion_core.wording import quoted
from ..kit.schema import output, schema, socket, text_input
from ..sockets import NullTextSocket, TrajectorySocket
from .file_metadata import metadata_of
from .trajectory_folder import PREFIX, beside, check_name, load_files, path_of, save_files, saved_files

NO_FILES = "no saved trajectories"


class InversionSaveTrajectory(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionSaveTrajectory",
            display_name="Save Trajectory",
            category="inversion/files",
            description="Saves a trajectory, and null text if connected, to the output folder: one file to keep or to share, which "
            "also holds a thumbnail, the prompts, the name of the model and the workflow. The file holds no code. The mask is not "
            "saved.",
            search_aliases=["export trajectory", "share trajectory"],
            is_output_node=True,
            hidden=[io.Hidden.unique_id, io.Hidden.prompt, io.Hidden.extra_pnginfo],
            inputs=[
                socket(TrajectorySocket, "trajectory").about("Trajectory from any inversion node."),
                text_input("filename_prefix", default="inversion/trajectory").about(
                    "Folder and file name inside ComfyUI's output folder. A number is added."
                ),
                socket(NullTextSocket, "null_text", optional=True).about("Null text, saved in the same file."),
                socket(io.Image, "image", optional=True).about(
                    "Image to save in the file as a small thumbnail. Without an image, a rough preview of the latent is "
                    "saved where ComfyUI can draw the colours of the latent."
                ),
            ],
            outputs=[output(io.String, "file").about("Name of the file inside the output folder.")],
        )

    @classmethod
    def validate_inputs(cls, filename_prefix: str | None = None) -> bool | str:
        try:
            check_name(filename_prefix or "", filename_prefix or "", PREFIX)
        except ValueError as error:
            return str(error)
        return True

    @classmethod
    def execute(cls, trajectory, filename_prefix, null_text=None, image=None) -> io.NodeOutput:
        path = trajectory.trajectory
        provenance, made, texts = metadata_of(path.provenance, cls.hidden)
        record = replace(trajectory, trajectory=replace(path, provenance=provenance))
        name = save_files(record, filename_prefix, null_text, image, made=made, texts=texts)
        return io.NodeOutput(name, ui={"text": [f"saved {name}"]})


class InversionLoadTrajectory(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionLoadTrajectory",
            display_name="Load Trajectory",
            category="inversion/files",
            description="Loads a trajectory that Save Trajectory wrote, from the output or the input folder. Drop a trajectory file "
            "on the canvas or on this node to import it.",
            search_aliases=["import trajectory", "open trajectory"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=saved_files() or [NO_FILES],
                    tooltip="Saved trajectories, newest first. Choose a file here or by its card below. Press R to refresh the list.",
                )
            ],
            outputs=[
                output(TrajectorySocket, "trajectory").about("Trajectory for Inversion Edit Sampler."),
                output(NullTextSocket, "null_text").about(
                    "Null text saved with the trajectory. Empty if none was saved."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, file: str | None = None) -> bool | str:
        if file is None:  # linked: known when it runs
            return True
        try:
            return path_of(file).is_file() or f"There is no trajectory file {quoted(file)}."
        except ValueError as error:
            return str(error)

    @classmethod
    def fingerprint_inputs(cls, file: str) -> str:
        paths = [path for path in (path_of(file), beside(path_of(file))) if path and path.is_file()]
        return " ".join(f"{path} {path.stat().st_mtime_ns}" for path in paths)

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        return io.NodeOutput(*load_files(path_of(file)))
