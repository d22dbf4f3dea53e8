"""What a drive is told while it works: to start nothing more, and not to wait for whoever listens to it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl

__all__ = ["DriveControl"]


class DriveControl(RunControl):
    """LangGraph's control of one run, which also lets know at once whoever has to act on what it is told.

    Like LangGraph's it may be told from any thread, so also by the end of an object that the garbage collector finds.
    """

    __slots__ = ("_awaited", "_heard_by")

    def __init__(self) -> None:
        super().__init__()
        self._awaited = 0
        self._heard_by: list[tuple[asyncio.AbstractEventLoop, Callable[[], None]]] = []

    def request_drain(self, reason: str = "shutdown") -> None:
        """Have nothing more started; what runs has its grace period from now on."""
        super().request_drain(reason)
        self._tell()

    def expect(self, waiting: int) -> None:
        """Note how many in this process wait for something that the drive is to do."""
        self._awaited = waiting
        self._tell()

    @property
    def is_hurried(self) -> bool:
        """Whether the drive must not wait for its listener, who may be the very one that waits for the drive."""
        return self.drain_requested or self._awaited > 0

    @contextmanager
    def heard_by(self, call: Callable[[], None]) -> Iterator[None]:
        """Have ``call`` made on this event loop whenever the control is told something, while this is entered."""
        heard = (asyncio.get_running_loop(), call)
        self._heard_by.append(heard)
        try:
            yield
        finally:
            self._heard_by.remove(heard)

    @asynccontextmanager
    async def grace(self, seconds: float) -> AsyncIterator[None]:
        """Cancel what runs inside once a drain has lasted for so long.

        Raises:
            GraphDrained: it was cancelled for that.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as limit:

                def begin() -> None:
                    if self.drain_requested and limit.when() is None:
                        limit.reschedule(loop.time() + seconds)

                with self.heard_by(begin):
                    begin()
                    yield
        except TimeoutError as error:
            if not limit.expired():
                raise  # what ran inside raised it
            raise GraphDrained(self.drain_reason or "shutdown") from error

    def _tell(self) -> None:
        for heard in self._heard_by.copy():
            with suppress(RuntimeError):  # the loop is closed, and with it whoever would have to act
                heard[0].call_soon_threadsafe(self._let_hear, heard)

    def _let_hear(self, heard: tuple[asyncio.AbstractEventLoop, Callable[[], None]]) -> None:
        if heard in self._heard_by:  # still
            heard[1]()
