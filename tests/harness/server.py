"""A real ComfyUI server on loopback: started, driven over HTTP and websocket, stopped.

with ComfyServer(checkout, base, packs={"latent-inversion": root}) as server:
    result = server.run(graph.prompt)
    picture = server.images(result)[0]
"""

import io
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from .checkouts import SHIMS
from .children import TIED
from .events import Event, Listener, Result

FOLDERS = ("custom_nodes", "input", "output", "temp", "user", "models")


class PromptRejected(Exception):
    """The server refused a prompt before running it; `body` is its answer."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"HTTP {status}: {json.dumps(body)[:2000]}")
        self.status, self.body = status, body

    @property
    def messages(self) -> list[str]:
        """What the front end shows beside the refused nodes."""
        nodes = self.body["node_errors"].values() if self.body.get("node_errors") else []
        return [f"{error['message']}: {error['details']}" for node in nodes for error in node["errors"]]


class ComfyServer:
    """One server process with its own base folder; its log is `base/server.log`."""

    def __init__(
        self,
        checkout: Path,
        base: Path,
        *,
        packs: Mapping[str, Path] | None = None,
        options: Sequence[str] = (),
    ) -> None:
        self.checkout, self.base, self.options = checkout, base, options
        self.packs = dict(packs or {})
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = base / "server.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.listener = Listener(self.url)

    # Life

    def start(self, *, timeout: float = 300) -> "ComfyServer":
        self._lay_out_base()
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                self._command(), cwd=self.checkout, env=environment(), stdout=log, stderr=subprocess.STDOUT, **TIED
            )
        try:
            self._wait_until_ready(timeout)
            self.listener.start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        self.listener.stop()
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> "ComfyServer":
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def _lay_out_base(self) -> None:
        for name in FOLDERS:
            (self.base / name).mkdir(parents=True, exist_ok=True)
        for name, path in self.packs.items():
            (self.base / "custom_nodes" / name).symlink_to(path, target_is_directory=True)

    def _command(self) -> list[str]:
        return [
            *(sys.executable, "main.py", "--cpu", "--listen", "127.0.0.1", "--port", str(self.port)),
            *("--base-directory", str(self.base), "--database-url", "sqlite:///:memory:"),
            *("--disable-api-nodes", "--disable-auto-launch", *self.options),
        ]

    def _wait_until_ready(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while True:
            self.check_alive()
            try:
                self.get("/system_stats")
                return
            except OSError as error:  # URLError is one
                if time.monotonic() > deadline:
                    raise TimeoutError(f"no answer in {timeout} s\n{self.log()[-4000:]}") from error
                time.sleep(0.1)

    def check_alive(self) -> None:
        if self.process is None or self.process.poll() is not None:
            code = self.process and self.process.returncode
            raise RuntimeError(f"the server is not running (exit code {code})\n{self.log()[-4000:]}")

    # HTTP

    def request(self, path: str, body: bytes | None = None, content_type: str = "application/json") -> bytes:
        request = urllib.request.Request(self.url + path, body, {"Content-Type": content_type})
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.read()

    def get(self, path: str) -> Any:
        return json.loads(self.request(path))

    def post(self, path: str, body: Any) -> Any:
        answer = self.request(path, json.dumps(body).encode())
        return json.loads(answer) if answer else None

    def object_info(self) -> dict[str, Any]:
        return self.get("/object_info")

    def upload(self, name: str, data: bytes) -> str:
        """Puts a file into the input folder as the front end does; returns the name to give to a node."""
        mark = "----latent-inversion-tests"
        head = f'--{mark}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n'
        body = f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + data
        answer = self.request(
            "/upload/image", body + f"\r\n--{mark}--\r\n".encode(), f"multipart/form-data; boundary={mark}"
        )
        return json.loads(answer)["name"]

    def upload_image(self, name: str, image: Image.Image) -> str:
        data = io.BytesIO()
        image.save(data, "PNG")
        return self.upload(name, data.getvalue())

    def view(self, file: Mapping[str, str]) -> bytes:
        """The file that an output entry {filename, subfolder, type} names."""
        query = urllib.parse.urlencode({key: file[key] for key in ("filename", "subfolder", "type")})
        return self.request(f"/view?{query}")

    def images(self, result: Result, node: str | None = None) -> list[Image.Image]:
        """The pictures that a run put out, of all nodes or of one; video files are left out."""
        outputs = result.outputs.values() if node is None else [result.outputs[node]]
        files = [file for output in outputs for file in output.get("images", [])]
        pictures = [file for file in files if not file["filename"].endswith((".mp4", ".webm"))]
        return [Image.open(io.BytesIO(self.view(file))).copy() for file in pictures]

    def interrupt(self) -> None:
        self.post("/interrupt", {})

    def free(self) -> None:
        """Unloads the models and drops every cached output."""
        self.post("/free", {"unload_models": True, "free_memory": True})

    # Prompts

    def submit(self, prompt: Mapping[str, Any]) -> str:
        """Queues a prompt in API format and returns its id; PromptRejected says why it was refused."""
        try:
            return self.post("/prompt", {"prompt": prompt, "client_id": self.listener.client_id})["prompt_id"]
        except urllib.error.HTTPError as error:
            answer = error.read()
            try:
                body = json.loads(answer)
            except ValueError:
                body = {"error": answer.decode(errors="replace")}
            raise PromptRejected(error.code, body) from None

    def wait(
        self,
        prompt_id: str,
        *,
        timeout: float = 300,
        check: bool = True,
        on_event: Callable[[Event], None] | None = None,
    ) -> Result:
        """Waits until a prompt has ended; with `check`, an error or interruption raises ExecutionFailed."""
        events = []
        for event in self.listener.events(prompt_id, timeout=timeout, check_alive=self.check_alive):
            events.append(event)
            if on_event is not None:
                on_event(event)
        result = Result(prompt_id, tuple(events), self.get(f"/history/{prompt_id}")[prompt_id])
        if check:
            result.check()
        return result

    def run(
        self,
        prompt: Mapping[str, Any],
        *,
        timeout: float = 300,
        check: bool = True,
        on_event: Callable[[Event], None] | None = None,
    ) -> Result:
        return self.wait(self.submit(prompt), timeout=timeout, check=check, on_event=on_event)


def environment() -> dict[str, str]:
    """One OpenMP thread: spinning threads that share few cores cost more than they bring."""
    paths = [str(SHIMS), *filter(None, [os.environ.get("PYTHONPATH")])]
    fixed = {"PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    return {**os.environ, **fixed, "PYTHONPATH": os.pathsep.join(paths)}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
