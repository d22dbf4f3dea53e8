"""A checkpointer that fails at one of its writes."""

from typing import Any

from persistence import Database


class Unplugged(Exception):
    """The disk is gone for a moment."""


class Fragile:
    """Makes the ``at``-th write of a checkpointer fail, once."""

    def __init__(self, database: Database, at: int) -> None:
        self.writes, self.at, self.failed = 0, at, False
        saver: Any = database.checkpointer
        for name in ("aput", "aput_writes"):
            setattr(saver, name, self._guarded(getattr(saver, name)))

    def _guarded(self, write: Any) -> Any:
        async def guarded(*args: Any, **options: Any) -> Any:
            self.writes += 1
            if self.writes == self.at:
                self.failed = True
                raise Unplugged
            return await write(*args, **options)

        return guarded
