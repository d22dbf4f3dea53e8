"""A member's hands: what it may do in its working copy, each answer cut to a bounded size."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from typing import TypeVar

from agents.workspace.confine import Confined, Limits, Ran
from agents.workspace.git import LONGEST_OUTPUT
from agents.workspace.paths import Entry, Inside, parts_of
from agents.workspace.workspace import Copy, Workspace
from delegation import HandsRefused

__all__ = ["CopyHands"]

T = TypeVar("T")

LARGEST_FILE = 4_000_000
"""The largest file that is read, searched or written, in bytes."""

LONGEST_TEXT = 60_000
"""The longest answer, in characters."""

LONGEST_LINE = 2_000
MOST_LINES = 2_000
MOST_ENTRIES = 500
MOST_MATCHES = 200
SEARCH_S = 20.0


class CopyHands:
    """Hands in one working copy, which is made when it is first needed.

    Args:
        workspace: whose copy it is.
        made: makes the working copy.
        confined: how programs are run; None where nobody may run any.
        limits: of each run.
        writes: whether files may be changed.
        whole: whether ``diff`` is of the whole branch rather than of this copy.
        kept: is told what each run gave back, under a key, and returns what was given back under that key at first.
            A program's output differs from one time to the next; where work is done again after a crash, a model is
            to be told what it was told before.
    """

    def __init__(
        self,
        workspace: Workspace,
        made: Callable[[], Awaitable[Copy]],
        *,
        confined: Confined | None = None,
        limits: Limits | None = None,
        writes: bool = True,
        whole: bool = False,
        kept: Callable[[str, str], Awaitable[str]] | None = None,
    ) -> None:
        self.can_run = confined is not None
        self._workspace, self._made, self._confined = workspace, made, confined
        self._limits, self._writes, self._whole = limits or Limits(), writes, whole
        self._kept, self._runs = kept, Counter[str]()
        self._copy: asyncio.Future[Copy] | None = None
        self._turn = asyncio.Lock()

    @property
    def copy(self) -> Copy | None:
        """The working copy, once it was needed."""
        if self._copy is None or not self._copy.done() or self._copy.cancelled() or self._copy.exception():
            return None
        return self._copy.result()

    async def read(self, path: str, *, first_line: int = 1, lines: int = 400) -> str:
        """See :class:`agents.Hands`."""
        inside = await self._inside()
        text = _text_of(await _off_loop(inside.read, path, LARGEST_FILE), path)
        return _numbered(text, path, max(1, int(first_line)), min(max(1, int(lines)), MOST_LINES))

    async def list(self, path: str = ".", *, depth: int = 2) -> str:
        """See :class:`agents.Hands`."""
        inside = await self._inside()
        return await _off_loop(_listed, inside, parts_of(path), min(max(1, int(depth)), 8))

    async def search(self, pattern: str, path: str = ".") -> str:
        """See :class:`agents.Hands`."""
        if not pattern or "\0" in pattern or len(pattern) > 1000:
            raise HandsRefused("the pattern is empty, or too long", hint="a regular expression, such as def \\w+_total")
        parts = parts_of(path)
        inside = await self._inside()
        if await _off_loop(inside.kind, parts) not in {"folder", "file"}:
            raise HandsRefused(f"there is no file or folder {path!r}", hint="list shows what is there")
        # git's own search: another process, which a pattern that takes for ever does not outlive
        where = "/".join(parts) or "."
        return await self._grep(pattern, where, "-P")

    async def write(self, path: str, content: str) -> str:
        """See :class:`agents.Hands`."""
        self._check_writing()
        data = _bytes_of(content)
        inside = await self._inside()
        async with self._turn:
            is_new = await _off_loop(inside.write, path, data)
        count = len(content.splitlines())
        return f"{'made' if is_new else 'replaced'} {path}: {count} line{'s' * (count != 1)}"

    async def edit(self, path: str, old: str, new: str) -> str:
        """See :class:`agents.Hands`."""
        self._check_writing()
        inside = await self._inside()
        async with self._turn:  # two edits of one file at the same time would lose one
            text = _text_of(await _off_loop(inside.read, path, LARGEST_FILE), path)
            edited, line = _replaced(text, path, old, new)
            await _off_loop(inside.write, path, _bytes_of(edited))
        return f"edited {path} at line {line}"

    async def run(self, command: Sequence[str]) -> str:
        """See :class:`agents.Hands`."""
        if self._confined is None:
            raise HandsRefused("running programs is not allowed in this run", hint="work with read, search and edit")
        told = (await self.ran(command)).told()
        if self._kept is None:
            return told
        key = sha256("\0".join(command).encode("utf-8", "surrogatepass")).hexdigest()
        self._runs[key] += 1
        return await self._kept(f"{key}#{self._runs[key]}", told)

    async def ran(self, command: Sequence[str]) -> Ran:
        """Run a program, and return how it ended."""
        if self._confined is None:
            raise HandsRefused("running programs is not allowed in this run")
        copy = await self._opened()
        async with self._turn:
            return await self._confined.run(command, copy.folder, self._limits)

    async def diff(self) -> str:
        """See :class:`agents.Hands`."""
        if self._whole:
            return _diff(await self._workspace.branch_diff())
        copy = await self._opened()
        async with self._turn:
            return _diff(await self._workspace.diff(copy))

    async def afresh(self) -> None:
        """Begin again: whoever is called once more, because its trouble may pass, finds nothing of its first try."""
        await self.discard()
        self._copy = None
        self._runs.clear()

    async def discard(self) -> None:
        """Delete the working copy, if there is one; one that is being made is given up first."""
        if self._copy is not None and not self._copy.done():
            self._copy.cancel()
            await asyncio.wait([self._copy])
        if copy := self.copy:
            await self._workspace.discard(copy)

    def _check_writing(self) -> None:
        if not self._writes:
            raise HandsRefused("whoever reviews or tests changes nothing", hint="say what is to be changed")

    async def _opened(self) -> Copy:
        if self._copy is None or (self._copy.done() and self.copy is None):
            self._copy = asyncio.ensure_future(self._made())
        return await asyncio.shield(self._copy)

    async def _inside(self) -> Inside:
        return Inside((await self._opened()).folder)

    async def _grep(self, pattern: str, where: str, dialect: str) -> str:
        copy = await self._opened()
        options = ("-n", "-I", "--untracked", "--no-color", "--no-recurse-submodules", "--full-name", dialect)
        words = ("grep", *options, "-e", pattern, "--", where)
        status, out, err = await copy.git.attempt(*words, limit_s=SEARCH_S, most=LONGEST_OUTPUT)
        if status == 1 and not err:
            return f"nothing matches {pattern!r}"
        if status and dialect == "-P" and "Perl-compatible" in err and "compile" in err:
            return await self._grep(pattern, where, "-E")
        if status not in {0, 1}:
            said = " ".join(err.split())[:300] or "no reason given"
            raise HandsRefused(f"the pattern {pattern[:100]!r} cannot be searched for: {said}")
        return _matches(out)


async def _off_loop(call: Callable[..., T], *given: object) -> T:
    return await asyncio.to_thread(call, *given)


def _text_of(data: bytes, path: str) -> str:
    if b"\0" in data[:8192]:
        raise HandsRefused(f"{path!r} is no text: {len(data):,} bytes", hint="binary files are left as they are")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise HandsRefused(f"{path!r} is not in UTF-8, from byte {error.start} on") from None


def _bytes_of(content: str) -> bytes:
    if not isinstance(content, str):
        raise HandsRefused("the content of a file is a text")
    try:
        data = content.encode("utf-8")
    except UnicodeEncodeError as error:
        raise HandsRefused(f"the content holds half a character at {error.start}, which no file can hold") from None
    if len(data) > LARGEST_FILE:
        raise HandsRefused(
            f"the content is too large: {len(data):,} bytes", hint=f"the limit is {LARGEST_FILE:,} bytes"
        )
    return data


def _numbered(text: str, path: str, first: int, count: int) -> str:
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    if not lines:
        return f"{path} is empty"
    if first > len(lines):
        raise HandsRefused(f"{path!r} has {len(lines)} lines, so none is at {first}")
    shown: list[str] = []
    size = 0
    for number, line in enumerate(lines[first - 1 : first - 1 + count], first):
        one = f"{number:>6}  {_clipped(line.removesuffix(chr(13)))}"
        size += len(one) + 1
        if size > LONGEST_TEXT:
            break
        shown.append(one)
    at = first - 1 + len(shown)
    if at < len(lines):
        shown.append(f"[lines {first} to {at} of {len(lines)}; read on with first_line={at + 1}]")
    return "\n".join(shown)


def _listed(inside: Inside, parts: list[str], depth: int) -> str:
    """Return the entries under a folder, widest first: where there are too many, the deepest are left out."""
    kind = inside.kind(parts)
    if kind != "folder":
        raise HandsRefused(f"{'/'.join(parts)!r} is {'not there' if kind is None else f'a {kind}, no folder'}")
    found: list[str] = []
    level: list[list[str]] = [parts]
    for _ in range(depth):
        below: list[list[str]] = []
        for folder in level:
            for entry in inside.entries(folder):
                found.append(_entry(folder[len(parts) :], entry))
                if entry[1] == "folder":
                    below.append([*folder, entry[0]])
            if len(found) > MOST_ENTRIES:
                return _cut_list(found)
        level = below
    return "\n".join(sorted(found)) or "the folder is empty"


def _entry(within: Sequence[str], entry: Entry) -> str:
    name, kind = entry
    path = "/".join([*within, name])
    printable = path.encode("utf-8", "backslashreplace").decode()
    shown = printable if printable.isprintable() else ascii(printable)
    return f"{shown}/" if kind == "folder" else shown if kind == "file" else f"{shown} ({kind})"


def _cut_list(found: Sequence[str]) -> str:
    return "\n".join(sorted(found[:MOST_ENTRIES])) + "\n[there is more; list a folder of these]"


def _matches(out: str) -> str:
    lines = out.splitlines()
    shown = [_clipped(line, 400) for line in lines[:MOST_MATCHES]]
    least = "at least " if len(out) >= LONGEST_OUTPUT // 4 else ""  # as many characters may be all that was read
    more = f"\n[{least}{len(lines) - MOST_MATCHES} more lines match]" if len(lines) > MOST_MATCHES else ""
    return _cut("\n".join(one.encode("utf-8", "replace").decode() for one in shown)) + more


def _replaced(text: str, path: str, old: str, new: str) -> tuple[str, int]:
    """Return the text with the one place replaced, and its line.

    A member sees lines without the carriage returns that some files have, so what it gives is taken with and without.
    """
    if not old:
        raise HandsRefused("the text to be replaced is empty", hint="write makes a new file")
    if old == new:
        raise HandsRefused("the new text is the old one")
    if old not in text and "\r\n" in text and "\r" not in old:
        old, new = old.replace("\n", "\r\n"), new.replace("\r\n", "\n").replace("\n", "\r\n")
    count = text.count(old)
    if not count:
        raise HandsRefused(f"{path!r} holds no such text", hint="read the file; the text must match to the last space")
    at = text.index(old)
    if count > 1 or text.find(old, at + 1) != -1:
        places = ", ".join(map(str, _lines_of(text, old)))
        raise HandsRefused(f"{path!r} holds that text at lines {places}", hint="give more of what is around it")
    return text[:at] + new + text[at + len(old) :], text.count("\n", 0, at) + 1


def _lines_of(text: str, wanted: str) -> list[int]:
    found: list[int] = []
    at = text.find(wanted)
    while at != -1 and len(found) < 10:
        found.append(text.count("\n", 0, at) + 1)
        at = text.find(wanted, at + 1)
    return found


def _clipped(line: str, limit: int = LONGEST_LINE) -> str:
    return line if len(line) <= limit else f"{line[:limit]}… [{len(line) - limit} more characters]"


def _diff(text: str) -> str:
    return _cut(text.encode("utf-8", "replace").decode()) or "nothing is changed"


def _cut(text: str, limit: int = LONGEST_TEXT) -> str:
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\n[{len(text) - limit:,} more characters are not shown]"
