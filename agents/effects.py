"""Outside effects: what an agent does to the world that cannot be taken back, such as a push or a deployment.

An intent is written before the effect begins and its end after it, so that after a crash it is known to have happened,
or known to be in doubt; then a human is asked, and it is never blindly done again.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

__all__ = ["EffectJournal", "effect", "journalled"]

Effect = Callable[[], Awaitable[Any]]


class EffectJournal(Protocol):
    """Where intents and ends are written for whatever runs at the moment."""

    async def effect(self, name: str, call: Effect) -> Any:
        """See :func:`effect`."""
        ...


_journal: ContextVar[EffectJournal | None] = ContextVar("squad_effect_journal", default=None)


async def effect(name: str, call: Effect) -> Any:
    """Have an outside effect and write it down, so that it happens once.

    ``await effect("push the branch", push)``

    Args:
        name: what it is, in words that a person understands; one name within a subtask and round is one effect.
        call: does it. What it gives back is kept, as JSON values.

    Returns:
        What the call gave back, also where it was done before, or what a human said came of it.

    Raises:
        EffectInDoubt: it was begun and has no recorded end. Let it pass: the workflow asks a human.
    """
    journal = _journal.get()
    return await (call() if journal is None else journal.effect(name, call))


@contextmanager
def journalled(journal: EffectJournal) -> Iterator[None]:
    """Write the effects of what runs inside to that journal."""
    token = _journal.set(journal)
    try:
        yield
    finally:
        _journal.reset(token)
