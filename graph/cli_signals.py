"""Stopping by a signal: the first one gives the running step a time to end and saves it, the second ends at once."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["Interrupted", "Interrupts"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR = b"\x1b[?25h"


class Interrupted(BaseException):
    """A signal ended the command early. Not an ``Exception``, since it may be raised anywhere while modules load."""

    code = "interrupted"

    def __init__(
        self,
        message: str = "stopped by a signal before anything was stored",
        hint: str = "give the same command again",
        *,
        code: str = "interrupted",
    ) -> None:
        super().__init__(message)
        self.message, self.hint, self.code = message, hint, code


class Interrupts:
    """Handles SIGINT and SIGTERM while it is entered.

    Until a task is watched, a signal raises ``Interrupted`` where the program is. Afterwards it cancels that task,
    which drains: leaving an orchestrator's stream ends the running step, or cancels it once its grace period is over,
    saves what there is and gives the lease back. Once
    nothing is left to be stopped, a first signal does nothing, so that what was done is also told.

    Args:
        is_program: whether this is the whole program, whose status a signal must not change while it goes away.
    """

    def __init__(self, *, is_program: bool) -> None:
        self.has_come = False
        self._is_program = is_program
        self._before: dict[int, Any] = {}
        self._cancel: Callable[[], object] | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:  # as for a job in the background
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, signal.SIG_IGN if self._is_program else before)

    def watch(self, say: Callable[[str], None], grace_s: float | None = None) -> None:
        """Cancel the current task when a signal comes, and say what happens then.

        Args:
            say: prints a line.
            grace_s: how long the running step may still take, in seconds, where one may be running.
        """
        at_most = "" if grace_s is None else f", at most in {grace_s:g} s"
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None  # this is called from a coroutine

        def stop() -> None:
            say(f"stopping once the running step has ended{at_most}; a second signal stops at once")
            task.cancel()

        def cancel() -> None:
            with suppress(RuntimeError):  # the loop has ended meanwhile, and with it what there was to stop
                loop.call_soon_threadsafe(stop)

        self._cancel = cancel

    def finish(self) -> None:
        """Let a first signal do nothing from now on."""
        self._cancel = self._cancel or (lambda: None)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.has_come:
            _die_of(number)
        self.has_come = True
        if self._cancel is None:
            raise Interrupted
        self._cancel()


def _die_of(number: int) -> None:
    """End at once, as the signal would have ended a program that does not handle it."""
    if sys.stderr is not None and sys.stderr.isatty():
        os.write(sys.stderr.fileno(), _SHOW_CURSOR)  # the progress view hides it
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
