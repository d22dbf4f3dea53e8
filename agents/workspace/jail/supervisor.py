"""The supervisor: it starts a program in its world, watches its limits, and leaves nothing of it behind.

Its standard input holds one line of JSON, what is to be run and how, and then stays open: where that ends, whoever
asked is gone or wants no more of it, and everything that was started is killed. The program's output goes to standard
output, and how it ended to standard error, as one line of JSON.

With namespaces, three processes take part: this one outside; an init, which is the first process of the namespace, so
that the kernel kills all that is in it when it ends; and the program itself.
"""

import json
import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

from .family import beyond, descendants, set_limits
from .kernel import Trouble, libc_call
from .world import bubblewrap, build_world, drop_rights, enter_user_namespace

__all__ = ["main"]

LOOK_S = 0.1
"""How often it is looked how much memory and how many processes there are, in seconds."""

FAILED = 125
"""The exit status of a process that could not come so far as to run the program."""

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def main() -> None:
    """Run what standard input asks for, and tell how it ended."""
    spec = json.loads(first_line())
    try:
        found = run(spec)
    except Trouble as trouble:
        found = {"error": str(trouble)}
    except OSError as error:
        found = {"error": f"{error.strerror or error}"}
    os.write(2, json.dumps(found).encode() + b"\n")


def first_line() -> bytes:
    """Read one line of standard input and nothing beyond it."""
    line = bytearray()
    while not line.endswith(b"\n") and (piece := os.read(0, 1)):
        line += piece
    return bytes(line)


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Start the program in the way that is asked for, wait for its end, and leave nothing of it behind."""
    libc_call("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0, needed=False)
    said, says = os.pipe()
    ready, go = os.pipe()
    if spec["mode"] == "namespaces":
        enter_user_namespace()
    pid = os.fork()
    if pid == 0:
        guarded(says, lambda: begin(spec, says, ready, go))
    os.close(says)
    os.close(ready)
    os.write(go, b"g")
    child = Child(pid)
    reason = watch(child, spec["limits"])
    end(child, pid)
    trouble = os.read(said, 4096).decode(errors="replace")
    if trouble:
        raise Trouble(trouble)
    return {"status": child.status, "reason": reason}


def guarded(says: int, act: Callable[[], None]) -> NoReturn:
    """Run what does not come back in a process that was forked off, and tell of its trouble through the pipe."""
    try:
        act()
    except (OSError, Trouble) as error:
        os.write(says, str(error).encode()[:4000])
    finally:
        os._exit(FAILED)


def begin(spec: dict[str, Any], says: int, ready: int, go: int) -> None:
    """Be the first process: the init of a namespace, or the program at once where there is none."""
    # whoever is killed before this is set has closed the pipe, whoever is killed after it takes this process along
    libc_call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0, needed=False)
    os.close(go)
    if os.read(ready, 1) != b"g":
        os._exit(FAILED)
    os.close(ready)
    if spec["mode"] != "namespaces":
        be_program(spec, says)
    build_world(spec)
    program = os.fork()
    if program == 0:
        guarded(says, lambda: be_program(spec, says))
    os.close(says)
    for file in (0, 1, 2):
        os.dup2(os.open("/dev/null", os.O_RDWR), file)
    while True:  # all orphans of the namespace come to its first process
        pid, status = os.wait()
        if pid == program:
            os._exit(exit_status(status))


def be_program(spec: dict[str, Any], says: int) -> None:
    """Become the program: with limits, without rights that could be regained, in a session of its own."""
    os.setsid()
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(1, 2)
    os.set_inheritable(says, False)
    os.closerange(3, says)
    os.closerange(says + 1, 65536)
    if spec["mode"] != "bubblewrap":  # which may need a right at first, and gives all of them up by itself
        drop_rights(with_capabilities=spec["mode"] == "namespaces")
    set_limits(spec["limits"])
    os.chdir(spec["inside"] if spec["mode"] == "namespaces" else spec["folder"])
    command, environment = spec["command"], spec["environment"]
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and would hand that on
        signal.signal(number, signal.SIG_DFL)
    if spec["mode"] == "bubblewrap":
        command = bubblewrap(spec)
    try:
        os.execvpe(command[0], command, environment)  # noqa: S606 - that is what it is for
    except FileNotFoundError:
        raise Trouble(f"there is no program {command[0]!r} that could be run here") from None
    except OSError as error:
        raise Trouble(f"{command[0]!r} cannot be run: {error.strerror}") from None


def exit_status(status: int) -> int:
    """Return the exit status of a process that was waited for; 128 and the signal's number where one ended it."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


class Child:
    """The process that this one has started: the program, or the first one of its namespace."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.status = 0

    def has_ended(self) -> bool:
        """Tell whether it has ended, and remember how."""
        if self.pid and (ended := os.waitpid(self.pid, os.WNOHANG))[0]:
            self.pid, self.status = 0, exit_status(ended[1])
        return not self.pid


def watch(child: Child, limits: dict[str, Any]) -> str | None:
    """Wait for the end of the program; return why it was not let come to one by itself, where that is so."""
    until = time.monotonic() + limits["time_s"]
    poll = select.poll()
    poll.register(0, select.POLLIN | select.POLLHUP)
    if hasattr(os, "pidfd_open"):  # on Linux its end is heard at once, elsewhere at the next look
        poll.register(os.pidfd_open(child.pid), select.POLLIN)
    while True:
        for file, _ in poll.poll(LOOK_S * 1000):
            if file == 0 and not os.read(0, 4096):
                return "unwanted"
        if child.has_ended():
            return None
        if time.monotonic() > until:
            return "time"
        if over := beyond(child.pid, limits):
            return over


def end(child: Child, group: int) -> None:
    """Kill all that is left, until nothing is.

    A namespace ends with its first process. Elsewhere orphans have come to this one, whatever session they are in;
    where a system knows no such thing, those go that have stayed in the program's group.
    """
    with suppress(OSError):
        os.killpg(group, signal.SIGKILL)
    for _ in range(500):
        family = descendants(os.getpid())[1:]
        for pid in family:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
            if pid != child.pid:
                with suppress(OSError):
                    os.waitpid(pid, os.WNOHANG)
        if child.has_ended() and not family:
            return
        time.sleep(0.01)
