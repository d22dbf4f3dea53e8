"""Running a program that nobody vouches for: no shell, limits, none of the user's secrets, and all of it ended.

``jail`` does the work, as a process of its own. How much of the machine a program is kept from depends on what
there is: bubblewrap, else Linux namespaces that need no rights, else nothing. :meth:`Confined.best` tries once.
"""

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from time import monotonic
from typing import Any

from agents.workspace.supervised import Supervised
from delegation import HandsRefused, WorkspaceError

__all__ = ["Confined", "Containment", "Limits", "Ran"]

INSIDE = "/workspace"
"""Where a contained program finds its working copy."""

HERE = str(Path(__file__).parent)

SUPERVISOR = "import sys; sys.path.insert(0, sys.argv.pop()); from jail.supervisor import main; main()"
"""The supervisor as a program: its package is imported by its folder, and nothing of ours or of the environment's."""

KEPT = ("LANG", "LANGUAGE", "TZ")
"""The user's variables that programs get, beside those that begin with LC_."""

LONGEST_COMMAND = 100_000


class Containment(StrEnum):
    """What a program is kept from, by what does it."""

    BUBBLEWRAP = "bubblewrap"
    NAMESPACES = "namespaces"
    NONE = "none"

    def told(self) -> str:
        """Return the containment in a line for people."""
        if self is Containment.NONE:
            return (
                "not contained: neither bubblewrap nor user namespaces can be used here, so programs have the user's "
                "files and network; limits, environment and the end of all processes hold"
            )
        by = "bubblewrap" if self is Containment.BUBBLEWRAP else "user namespaces"
        return f"contained by {by}: no network, no home, nothing but the working copy can be written"


@dataclass(frozen=True)
class Limits:
    """What one run may use."""

    time_s: float = 120.0
    memory: int = 2 << 30
    """Of all its processes together, in bytes."""
    processes: int = 256
    """At the same time, threads included."""
    output: int = 40_000
    """How much of the output is kept, in bytes: its beginning and its end."""
    file_size: int = 512 << 20
    """Of each file, in bytes."""
    files: int = 1024
    """Open at the same time, in each process."""
    scratch: int = 512 << 20
    """Of all that is in the temporary folder, in bytes; it is held in memory."""
    flood: int = 64 << 20
    """How much output ends a run, in bytes."""


@dataclass(frozen=True)
class Ran:
    """How a run ended."""

    command: tuple[str, ...]
    status: int
    """The exit status; 128 and the signal's number where one ended it."""
    output: str
    """Standard output and error as they came, cut in the middle where there was too much."""
    duration_s: float
    reason: str | None
    """Which limit ended it: time, memory, processes or output."""

    @property
    def passed(self) -> bool:
        """Whether it ended by itself, with exit status 0."""
        return self.status == 0 and self.reason is None

    def told(self) -> str:
        """Return how it ended, and its output."""
        ended = f"ended by the limit of {self.reason}" if self.reason else f"exit status {self.status}"
        return f"{ended}, after {self.duration_s:.1f} s\n{self.output}".rstrip()


@dataclass(frozen=True)
class Confined:
    """A way to run programs.

    Args:
        containment: what keeps them.
        reads: folders that they may read besides the system's and this Python's.
    """

    containment: Containment
    reads: tuple[str, ...] = ()

    @classmethod
    async def best(cls, reads: Sequence[str] = ()) -> "Confined":
        """Return the best way that works on this machine; each is tried once in a process."""
        key = tuple(reads)
        for containment in Containment:
            if await _works(containment):
                return cls(containment, key)
        raise AssertionError("the last one is no containment at all, and needs nothing")

    async def run(self, command: Sequence[str], folder: Path, limits: Limits | None = None) -> Ran:
        """Run a program in a folder, and return how it ended; whoever is cancelled meanwhile ends it.

        Raises:
            HandsRefused: the command is none, or its program is not there.
        """
        words, limits = _checked(command), limits or Limits()
        if self.containment is not Containment.NONE:  # inside, there is a temporary folder of its own
            return await self._run(words, folder, limits, "/tmp")  # noqa: S108 - that one
        with tempfile.TemporaryDirectory(prefix="squad-run-", ignore_cleanup_errors=True) as scratch:
            return await self._run(words, folder, limits, scratch)

    async def _run(self, words: tuple[str, ...], folder: Path, limits: Limits, scratch: str) -> Ran:
        started = monotonic()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-S", "-c", SUPERVISOR, HERE),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"LC_ALL": "C.UTF-8"},
            start_new_session=True,
        )
        supervised = Supervised(process, output=limits.output, flood=limits.flood, time_s=limits.time_s)
        try:
            found = await supervised.ended(json.dumps(self._spec(words, folder, limits, scratch)))
        finally:
            await supervised.gone()
        if "error" in found:
            raise HandsRefused(f"{words[0]!r} was not run: {found['error']}", hint=self._hint())
        reason = "output" if supervised.flooded else found["reason"]
        return Ran(words, found["status"], supervised.output.text(), monotonic() - started, reason)

    def _spec(self, command: Sequence[str], folder: Path, limits: Limits, scratch: str) -> dict[str, Any]:
        contained = self.containment is not Containment.NONE
        reads = _readable(self.reads)
        return {
            "mode": self.containment.value,
            "command": list(command),
            "environment": _environment(reads, contained=contained, scratch=scratch),
            "folder": str(folder.resolve()),
            "inside": INSIDE,
            "reads": reads,
            "bubblewrap": shutil.which("bwrap"),
            "limits": asdict(limits)
            | {
                "cpu_s": int(limits.time_s * 8) + 1,
                "processes_beside": self.containment is not Containment.NAMESPACES,
            },
        }

    def _hint(self) -> str:
        if self.containment is Containment.NONE:
            return "the program has to be on the PATH"
        return "programs see the system's folders and this Python's; a setting names more that they may read"


_tried: dict[Containment, bool] = {Containment.NONE: True}


async def _works(containment: Containment) -> bool:
    if containment is Containment.BUBBLEWRAP and not shutil.which("bwrap"):
        return False
    if containment not in _tried:
        with tempfile.TemporaryDirectory(prefix="squad-try-") as folder:
            try:
                ran = await Confined(containment).run(["/bin/sh", "-c", "exit 0"], Path(folder), Limits(time_s=20))
                _tried[containment] = ran.passed
            except (HandsRefused, WorkspaceError):
                _tried[containment] = False
    return _tried[containment]


def _checked(command: Sequence[str]) -> tuple[str, ...]:
    """Return the words of a command; a whole line is refused, since no shell would take it apart."""
    hint = 'give a list: ["python", "-m", "pytest", "-q"]'
    if isinstance(command, str | bytes) or not isinstance(command, Sequence):
        raise HandsRefused("a command is a list of words, and no shell reads it", hint=hint)
    if not command or not all(isinstance(word, str) for word in command) or not command[0].strip():
        raise HandsRefused("a command is a list of words, the first of which is a program", hint=hint)
    if any("\0" in word for word in command) or sum(map(len, command)) > LONGEST_COMMAND:
        raise HandsRefused("the command is too long, or holds a null character", hint=hint)
    return tuple(command)


def _readable(more: Sequence[str]) -> list[str]:
    """Return the folders besides the system's that programs may read: Python's environments, and those that were named.

    None is the whole file system or holds a home: that would show what is to be hidden.
    """
    home = Path.home().resolve()
    found: list[str] = []
    for one in [sys.prefix, sys.base_prefix, sys.exec_prefix, *_activated(), *more]:
        path = Path(one).expanduser().absolute()
        ways = dict.fromkeys([path, path.resolve()])
        found += [str(each) for each in ways if each != home and each not in home.parents and each.is_dir()]
    return sorted(dict.fromkeys(found), key=len)


def _activated() -> list[str]:
    """Return the environment that the user has activated, and the Python that a virtual one stands on."""
    found = [os.environ[name] for name in ("VIRTUAL_ENV", "CONDA_PREFIX") if os.environ.get(name)]
    for folder in list(found):
        try:
            lines = (Path(folder) / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            continue
        homes = [line.partition("=")[2].strip() for line in lines if line.partition("=")[0].strip() == "home"]
        found += [str(Path(home).parent) for home in homes if Path(home).name in {"bin", "Scripts"}]
    return found


_VISIBLE = ("/usr", "/bin", "/sbin", "/opt", "/nix", "/gnu")


def _environment(reads: Sequence[str], *, contained: bool, scratch: str) -> dict[str, str]:
    """Return a program's environment: where programs are, the language, and nothing that anybody keeps secret."""
    path = [one for one in os.environ.get("PATH", os.defpath).split(os.pathsep) if one]
    if contained:
        path = [one for one in path if Path(one).is_relative_to("/") and _is_within(one, [*_VISIBLE, *reads])]
    own = str(Path(sys.executable).parent)
    kept = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith("LC_")}
    return {
        "LANG": "C.UTF-8",
        **kept,
        "PATH": os.pathsep.join(dict.fromkeys([*path, own])),
        "HOME": f"{scratch}/home" if contained else scratch,
        "TMPDIR": scratch,
        "TERM": "dumb",
        "NO_COLOR": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }


def _is_within(path: str, folders: Sequence[str]) -> bool:
    return any(Path(path).is_relative_to(folder) for folder in folders)
