"""A receiver of notifications: a real HTTP server on loopback that keeps what it got, and fails when it is told to."""

import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class Receiver:
    """Answers each POST with the next of ``statuses``, and with 200 once they are used up; 0 is never answered."""

    def __init__(self, statuses: Sequence[int] = ()) -> None:
        self.posts: list[dict[str, Any]] = []
        self.statuses: list[int] = []
        self._left = list(statuses)
        self._changed = threading.Condition()
        self._over = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = receiver._take(body)
                if not status:
                    receiver._over.wait()
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def _take(self, body: dict[str, Any]) -> int:
        with self._changed:
            status = self._left.pop(0) if self._left else 200
            self.posts.append(body)
            self.statuses.append(status)
            self._changed.notify_all()
        return status

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self._server.server_port}/hook/s3cret-token"

    def wait_for(self, count: int, timeout: float = 60.0) -> None:
        """Wait until that many POSTs have come."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.posts) >= count, timeout), self.statuses

    @property
    def taken(self) -> list[str]:
        """The texts that were answered with 200."""
        return [post["message"] for post, status in zip(self.posts, self.statuses, strict=True) if status == 200]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def gone() -> str:
    """Return the URL of a receiver that is there no more."""
    with Receiver() as receiver:
        return receiver.url
