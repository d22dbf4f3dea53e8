"""A member's hands: what it may do in its working copy, each answer cut to a bounded size."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256

from agents.workspace.confine import Confined, Limits
from agents.workspace.git import LONGEST_OUTPUT
from agents.workspace.paths import Inside, parts_of
from agents.workspace.texts import LARGEST_FILE, bytes_of, diff_of, listed, matches, numbered, replaced, text_of
from agents.workspace.workspace import Copy, Workspace
from delegation import HandsRefused

__all__ = ["CopyHands"]

MOST_LINES = 2_000
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
        text = text_of(await asyncio.to_thread(inside.read, path, LARGEST_FILE), path)
        return numbered(text, path, max(1, int(first_line)), min(max(1, int(lines)), MOST_LINES))

    async def list(self, path: str = ".", *, depth: int = 2) -> str:
        """See :class:`agents.Hands`."""
        inside = await self._inside()
        return await asyncio.to_thread(listed, inside, parts_of(path), min(max(1, int(depth)), 8))

    async def search(self, pattern: str, path: str = ".") -> str:
        """See :class:`agents.Hands`."""
        if not pattern or "\0" in pattern or len(pattern) > 1000:
            raise HandsRefused("the pattern is empty, or too long", hint="a regular expression, such as def \\w+_total")
        parts = parts_of(path)
        inside = await self._inside()
        if await asyncio.to_thread(inside.kind, parts) not in {"folder", "file"}:
            raise HandsRefused(f"there is no file or folder {path!r}", hint="list shows what is there")
        # git's own search: another process, which a pattern that takes for ever does not outlive
        where = "/".join(parts) or "."
        return await self._grep(pattern, where, "-P")

    async def write(self, path: str, content: str) -> str:
        """See :class:`agents.Hands`."""
        self._check_writing()
        data = bytes_of(content)
        inside = await self._inside()
        async with self._turn:
            is_new = await asyncio.to_thread(inside.write, path, data)
        count = len(content.splitlines())
        return f"{'made' if is_new else 'replaced'} {path}: {count} line{'s' * (count != 1)}"

    async def edit(self, path: str, old: str, new: str) -> str:
        """See :class:`agents.Hands`."""
        self._check_writing()
        inside = await self._inside()
        async with self._turn:  # two edits of one file at the same time would lose one
            text = text_of(await asyncio.to_thread(inside.read, path, LARGEST_FILE), path)
            edited, line = replaced(text, path, old, new)
            await asyncio.to_thread(inside.write, path, bytes_of(edited))
        return f"edited {path} at line {line}"

    async def run(self, command: Sequence[str]) -> str:
        """See :class:`agents.Hands`."""
        if self._confined is None:
            raise HandsRefused("running programs is not allowed in this run", hint="work with read, search and edit")
        copy = await self._opened()
        async with self._turn:
            told = (await self._confined.run(command, copy.folder, self._limits)).told()
        if self._kept is None:
            return told
        key = sha256("\0".join(command).encode("utf-8", "surrogatepass")).hexdigest()
        self._runs[key] += 1
        return await self._kept(f"{key}#{self._runs[key]}", told)

    async def diff(self) -> str:
        """See :class:`agents.Hands`."""
        if self._whole:
            return diff_of(await self._workspace.branch_diff())
        copy = await self._opened()
        async with self._turn:
            return diff_of(await self._workspace.diff(copy))

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
        return matches(out)
