"""The server: threads of the standard library on a port of the system's, and a record of what was asked."""

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from model_server.replies import Broken, Refuse, Reply, Say, Slow, completion, events
from model_server.script import Asked, Script, UnscriptedError

__all__ = ["Answered", "ModelServer"]


@dataclass
class Answered:
    """One request and what became of it; ``whole`` once all of an answer has been sent."""

    asked: Asked
    reply: Reply
    whole: bool = False


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class ModelServer:
    """Serves ``/v1/chat/completions`` by a script, from ``with`` to its end.

    Every connection carries one request, so that a client leaves none open behind.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.log: list[Answered] = []
        self.unscripted: list[str] = []
        self._changed = threading.Condition()
        self._over = threading.Event()
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"model_server": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        """What a client is given as its base URL."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def asked(self) -> list[Asked]:
        """All that was asked, in its order."""
        return [one.asked for one in self.log]

    def wait_for(self, holds: Callable[[], object], timeout_s: float = 60.0) -> None:
        """Wait until something holds of what was asked and answered."""
        with self._changed:
            assert self._changed.wait_for(holds, timeout_s), [one.asked.form for one in self.log]

    def take(self, request: dict[str, Any]) -> Answered:
        """Note a request and return what to answer."""
        asked = Asked(request)
        try:
            reply = self.script.answer(asked)
        except UnscriptedError as error:
            self.unscripted.append(str(error))
            reply = Refuse(400, str(error))
        answered = Answered(asked, reply)
        with self._changed:
            self.log.append(answered)
            self._changed.notify_all()
        return answered

    def sent(self, answered: Answered) -> None:
        """Note that an answer has been sent."""
        with self._changed:
            answered.whole = True
            self._changed.notify_all()

    def wait(self, slow: Slow) -> None:
        """Wait as long as the answer does, or until the server ends."""
        waited, step = 0.0, 0.01
        while not (self._over.is_set() or slow.until.wait(step)):
            waited += step
            if slow.seconds is not None and waited >= slow.seconds:
                return

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    model_server: ModelServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.close_connection = True
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.partition("?")[0] != "/v1/chat/completions":
            self._document(404, {"error": {"message": f"there is no {self.path}"}})
            return
        answered = self.model_server.take(request)
        reply = answered.reply
        while isinstance(reply, Slow):
            self.model_server.wait(reply)
            reply = reply.then
        try:
            self._reply(reply, answered)
        except (BrokenPipeError, ConnectionResetError):  # whoever asked has gone
            return
        if isinstance(reply, Say):
            self.model_server.sent(answered)

    def _reply(self, reply: Reply, answered: Answered) -> None:
        request, number = answered.asked.request, len(answered.asked.request["messages"])
        if isinstance(reply, Refuse):
            headers = {} if reply.retry_after is None else {"Retry-After": str(reply.retry_after)}
            error = {"message": reply.message, "type": "scripted", "code": str(reply.status)}
            self._document(reply.status, {"error": error}, headers)
        elif isinstance(reply, Say) and request.get("stream"):
            self._stream(events(reply, request, number))
        elif isinstance(reply, Say):
            self._document(200, completion(reply, request, number))
        elif isinstance(reply, Broken):
            self._break(reply, bool(request.get("stream")))

    def _break(self, broken: Broken, streams: bool) -> None:  # noqa: FBT001 - as the request has it
        if broken.how == "at once":
            return
        if streams:
            half = list(events(Say("This is cut off."), {"model": "scripted", "messages": []}, 0))[:2]
            self._stream(half if broken.how == "midway" else ["data: {not json\n\n"], ends=broken.how != "midway")
            return
        body = b'{"id": "chatcmpl-scripted", "choices": [{"index'
        self._head(200, "application/json", {"Content-Length": str(len(body) + 50 * (broken.how == "midway"))})
        self.wfile.write(body)

    def _document(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self._head(status, "application/json", {"Content-Length": str(len(body)), **(headers or {})})
        self.wfile.write(body)

    def _stream(self, pieces: Iterable[str], *, ends: bool = True) -> None:
        self._head(200, "text/event-stream", {"Transfer-Encoding": "chunked"})
        for piece in pieces:
            body = piece.encode()
            self.wfile.write(f"{len(body):x}\r\n".encode() + body + b"\r\n")
        if ends:
            self.wfile.write(b"0\r\n\r\n")

    def _head(self, status: int, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Connection": "close", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        pass
