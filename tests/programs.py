"""Programs as the machine sees them: which of them live, and waiting for what another one brings about."""

import time
from collections.abc import Callable

import psutil


def living(sign: str) -> list[int]:
    """Return the processes that were started with that word among their arguments, ended ones aside."""
    found = []
    for process in psutil.process_iter():
        try:
            if sign in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def wait_until(holds: Callable[[], object], timeout_s: float = 60.0) -> None:
    """Wait until something holds that another process brings about."""
    until = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < until, "the other process did not come so far"
        time.sleep(0.01)
