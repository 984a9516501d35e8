"""What a ComfyUI server says over its websocket, sorted by prompt."""

import asyncio
import json
import queue
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Event:
    """One message and its data: `progress`, `executed`, `execution_error` ...; `preview` is an image file, `progress_text`
    the node's id and the words on it."""

    type: str
    data: Any

    @property
    def ends_prompt(self) -> bool:
        # Sent after the history entry is written, unlike execution_success.
        return self.type == "executing" and self.data.get("node") is None


class ExecutionFailed(Exception):
    """A prompt ended with an error or was interrupted; `result` has the rest."""

    def __init__(self, message: str, result: "Result") -> None:
        super().__init__(message)
        self.result = result


@dataclass(frozen=True)
class Result:
    """One run of a prompt."""

    prompt_id: str
    events: tuple[Event, ...]
    history: dict[str, Any]

    @property
    def outputs(self) -> dict[str, Any]:
        """What the output nodes put out, by node id."""
        return self.history["outputs"]

    def of_type(self, type_: str) -> list[Any]:
        return [event.data for event in self.events if event.type == type_]

    def words(self, node_id: str) -> list[str]:
        """What a node said while it ran."""
        return [data["text"] for data in self.of_type("progress_text") if data["node"] == node_id]

    @property
    def error(self) -> dict[str, Any] | None:
        """The front end's error dialog: node_id, node_type, exception_type, exception_message, traceback."""
        return next(iter(self.of_type("execution_error")), None)

    @property
    def interrupted(self) -> bool:
        return bool(self.of_type("execution_interrupted"))

    @property
    def cached(self) -> list[str]:
        """The nodes whose outputs came out of the cache."""
        return [node for data in self.of_type("execution_cached") for node in data["nodes"]]

    def check(self) -> None:
        if self.interrupted:
            raise ExecutionFailed("interrupted", self)
        if self.error:
            where = f"{self.error['node_type']} (node {self.error['node_id']})"
            what = f"{self.error['exception_type']}: {self.error['exception_message']}"
            raise ExecutionFailed(f"{where}: {what}\n{''.join(self.error['traceback'])}", self)


class Listener:
    """Listens on a thread of its own from `start` to `stop`, so that no event of any prompt is missed."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client_id = uuid.uuid4().hex
        self._queues: dict[str, queue.SimpleQueue[Event]] = defaultdict(queue.SimpleQueue)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._listen()), daemon=True)
        self._connected, self._stopping = threading.Event(), threading.Event()

    def start(self) -> None:
        self._thread.start()
        if not self._connected.wait(30):
            raise TimeoutError("the server did not open a websocket within 30 s")

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def events(self, prompt_id: str, *, timeout: float, check_alive: Callable[[], None]) -> Iterator[Event]:
        """The events of one prompt up to the one that ends it, as they come."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                event = self._queues[prompt_id].get(timeout=1)
            except queue.Empty:
                check_alive()
                if time.monotonic() > deadline:
                    raise TimeoutError(f"prompt {prompt_id} did not end within {timeout} s") from None
                continue
            yield event
            if event.ends_prompt:
                return

    async def _listen(self) -> None:
        import aiohttp

        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{self.url}/ws?clientId={self.client_id}", max_msg_size=0) as socket,
        ):
            self._connected.set()
            running = ""
            while not (self._stopping.is_set() or socket.closed):
                try:
                    message = await socket.receive(timeout=0.2)
                except asyncio.TimeoutError:
                    continue
                if message.type == aiohttp.WSMsgType.BINARY:
                    self._put(running, from_bytes(message.data))
                elif message.type == aiohttp.WSMsgType.TEXT:
                    body = json.loads(message.data)
                    running = body["data"].get("prompt_id") or running
                    self._put(running, Event(body["type"], body["data"]))

    def _put(self, prompt_id: str, event: Event) -> None:
        self._queues[prompt_id].put(event)


def from_bytes(data: bytes) -> Event:
    """A message of type 3 has the length of a node's id, the id and a text; others, after the file format, a JPEG or PNG file."""
    kind, size = (int.from_bytes(data[place : place + 4], "big") for place in (0, 4))
    if kind == 3:
        return Event("progress_text", {"node": data[8 : 8 + size].decode(), "text": data[8 + size :].decode()})
    return Event("preview", data[8:])
