"""The supervisor of a program, as whoever started it sees it: handed what to run, read from, and ended."""

import asyncio
import json
from contextlib import suppress
from typing import Any

from delegation import WorkspaceError

__all__ = ["Output", "Supervised"]

GRACE_S = 10.0
"""How long the supervisor has to end what it started, in seconds, before it is killed itself."""


class Supervised:
    """A supervisor at work, and what has come from it."""

    def __init__(self, process: asyncio.subprocess.Process, *, output: int, flood: int, time_s: float) -> None:
        self.process = process
        self.output = Output(output)
        self.flooded = False
        self._flood, self._time_s = flood, time_s

    async def ended(self, spec: str) -> dict[str, Any]:
        """Hand over what is to be run, and return what the supervisor says of its end."""
        process = self.process
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(spec.encode() + b"\n")
        reading = asyncio.create_task(self._read())
        try:
            async with asyncio.timeout(self._time_s + GRACE_S * 2):
                said = await process.stderr.read()
                await reading
                status = await process.wait()
        except TimeoutError:
            return {"status": 137, "reason": "time"}
        finally:
            reading.cancel()
        return _verdict(said, status)

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while piece := await self.process.stdout.read(1 << 16):
            self.output.add(piece)
            if self.output.size > self._flood and not self.flooded:
                self.flooded = True
                self._let_go()

    def _let_go(self) -> None:
        """Close the supervisor's input, which makes it kill whatever it has started."""
        if self.process.stdin is not None:
            self.process.stdin.close()

    async def gone(self) -> None:
        """Have the supervisor end what it started, and see it end itself, whatever cancels this meanwhile."""
        self._let_go()
        leaving = asyncio.ensure_future(self._leave())
        try:
            await asyncio.shield(leaving)
        except asyncio.CancelledError:
            await leaving
            raise

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(GRACE_S):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


def _verdict(said: bytes, status: int) -> dict[str, Any]:
    """Read how a program ended; nothing counts where the supervisor did not end by itself.

    A program that nothing contains could end it, having written its own word in its place.
    """
    told = said.decode(errors="replace")
    if status == 0 and told.strip():
        with suppress(ValueError):
            found: dict[str, Any] = json.loads(told.splitlines()[-1])
            return found
    why = " ".join(told.split())[-300:] or "it was killed"
    raise WorkspaceError(f"the supervisor of a program failed: {why}")


class Output:
    """The beginning and the end of an output."""

    def __init__(self, limit: int) -> None:
        self.size = 0
        self._limit = limit
        self._head, self._tail = bytearray(), bytearray()

    def add(self, piece: bytes) -> None:
        """Take a further piece."""
        self.size += len(piece)
        room = max(0, self._limit // 2 - len(self._head))
        self._head += piece[:room]
        self._tail += piece[room:]
        del self._tail[: max(0, len(self._tail) - (self._limit - self._limit // 2))]

    def text(self) -> str:
        """Return what was kept, with a line that says how much is not there; without characters that are not text."""
        left_out = self.size - len(self._head) - len(self._tail)
        between = f"\n[… {left_out:,} bytes are left out …]\n".encode() if left_out else b""
        text = (bytes(self._head) + between + bytes(self._tail)).decode("utf-8", "replace")
        return "".join(char for char in text if char in "\n\t" or char.isprintable())
