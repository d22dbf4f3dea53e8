"""Where notifications go: sinks with a name and a URL, reached through Apprise, each call in a thread that may hang.

A sink's URL is a secret: it holds tokens and passwords. Only its name is ever stored, logged or shown.
"""

import asyncio
import logging
import re
import threading
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Self, TypeVar

from delegation import ConfigurationError, InputError

if TYPE_CHECKING:
    import apprise

__all__ = ["SinkFailure", "Sinks"]

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LOAD_S = 30.0
"""How long loading Apprise and one of its services may take, in seconds; it is done once a sink."""

_calling = ContextVar("squad_calling_a_sink", default=False)


class SinkFailure(Exception):
    """A sink did not take a notification; the text says why, in words of ours that hold nothing of its URL."""


@dataclass(frozen=True, kw_only=True)
class Sinks:
    """Named sinks, and how patient one is with them.

    Attributes:
        urls: Apprise's URL of each sink by its name; secrets.
        limit_s: how long one call may take, in seconds.
        backoff_s: the wait after the first failure, in seconds; it doubles with each further one.
        ceiling_s: the longest wait between two attempts, in seconds.
        attempts: how often a notification is tried before it is given up.

    Raises:
        InputError: a name or a URL cannot be used; the error never holds the URL.
        ConfigurationError: Apprise is not installed.
    """

    urls: Mapping[str, str] = field(repr=False)
    limit_s: float = 10.0
    backoff_s: float = 5.0
    ceiling_s: float = 900.0
    attempts: int = 10
    _services: dict[str, "apprise.Apprise"] = field(default_factory=dict, init=False, repr=False, compare=False)
    _abandoned: dict[str, threading.Event] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for number, (name, url) in enumerate(self.urls.items(), start=1):
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise InputError(
                    f"the name of sink {number} cannot be used",
                    hint="letters, digits, - and _, at most 64 of them, as in team=json://…",
                )
            if not isinstance(url, str) or "://" not in url:
                raise InputError(f"the sink {name!r} has no URL", hint=f"{name}=json://…, or another of Apprise's")
        if self.urls and find_spec("apprise") is None:
            raise ConfigurationError(
                "notifications need the package apprise, which is not installed",
                hint="pip install 'squad-graph[notify]'",
            )

    @classmethod
    def of(cls, given: "Mapping[str, str] | Sinks | None") -> "Sinks | None":
        """Return the sinks that a caller gave, or None where there are none."""
        sinks = given if isinstance(given, Sinks) else cls(urls=dict(given or {}))
        return sinks if sinks.urls else None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read sinks from ``name=url`` separated by white space, as the environment holds them."""
        urls: dict[str, str] = {}
        for number, word in enumerate(text.split(), start=1):
            name, equals, url = word.partition("=")
            if not equals or not _NAME.fullmatch(name):
                raise InputError(f"sink {number} is not of the form name=url", hint="for example team=json://…")
            if name in urls:
                raise InputError(f"the sink {name!r} is named twice", hint="give each sink a name of its own")
            urls[name] = url
        return cls(urls=urls)

    def wait_after(self, attempts: int) -> float:
        """Return how long to wait after that many attempts, in seconds."""
        return min(self.backoff_s * 2.0 ** min(attempts - 1, 60), self.ceiling_s)

    async def send(self, name: str, title: str, body: str) -> None:
        """Hand a plain text to a sink.

        Raises:
            SinkFailure: it is unknown, cannot be reached, did not take it, or took too long.
        """
        if (returned := self._abandoned.get(name)) and not returned.is_set():
            raise SinkFailure("an earlier call hangs still")
        service = self._services.get(name)
        if service is None:
            service = await self._call(name, lambda: _load(self.urls[name]), _LOAD_S)
            if service is None:
                raise SinkFailure("its URL is none that Apprise can use")
            self._services[name] = service
        tell = partial(service.notify, body=body, title=title, body_format="text")
        if not await self._call(name, lambda: bool(tell()), self.limit_s):
            raise SinkFailure("it cannot be reached, or did not take it")

    async def _call(self, name: str, call: Callable[[], T], limit_s: float) -> T:
        """Run a call in a thread of its own that nothing waits for, not even the interpreter's end."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[T] = loop.create_future()
        returned = threading.Event()

        def tell(result: Any, error: str | None) -> None:
            if ended.done():
                return
            if error is None:
                ended.set_result(result)
            else:
                ended.set_exception(SinkFailure(error))

        def work() -> None:
            _calling.set(True)
            result, error = None, None
            try:
                result = call()
            except Exception as raised:  # noqa: BLE001 - a service may raise anything, and its text may hold the URL
                error = f"it raised {type(raised).__name__}"
            returned.set()
            with suppress(RuntimeError):  # the loop has ended meanwhile, and nobody waits for the answer
                loop.call_soon_threadsafe(tell, result, error)

        threading.Thread(target=work, name=f"squad-sink-{name}", daemon=True).start()
        try:
            return await asyncio.wait_for(ended, limit_s)
        except TimeoutError:
            self._abandoned[name] = returned
            raise SinkFailure(f"it did not answer within {limit_s:g} s") from None


def _load(url: str) -> "apprise.Apprise | None":
    """Return the service behind a URL; None where Apprise knows none, or cannot use it."""
    _hush()
    import apprise  # noqa: PLC0415 - slow to load, and only those who notify need it

    # no deadline of Apprise's own, for which it would use threads that the interpreter's end waits for
    asset = apprise.AppriseAsset(app_id="squad", app_desc="squad-graph", storage_mode="memory", service_timeout=0)
    service = apprise.Apprise.instantiate(url, asset=asset)
    return None if service is None else apprise.Apprise(service, asset=asset)


class _Hush(logging.Filter):
    """Keeps what is logged during a call of ours out of every log: it may hold the sink's URL, or parts of it."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not _calling.get()


_HUSH = _Hush()


def _hush() -> None:
    for name in ("apprise", "requests", "urllib3", "urllib3.connectionpool", "urllib3.util.retry"):
        logging.getLogger(name).addFilter(_HUSH)
    warnings.filterwarnings("ignore", module=r"apprise(\.|$)")  # what it imports on old Pythons concerns nobody here
