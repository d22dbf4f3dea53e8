"""What surrounds an agent while it is called: journals, hands, colleagues, context. Each part may be missing.

The graph puts them around each call, in one place. They come by a context variable and not as parameters, so that the
protocols stay the same for agents of users' own: one that needs none of it never looks.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from langgraph.store.base import BaseStore

from agents.member_context import MemberContext
from delegation import Role

__all__ = [
    "AnswerJournal",
    "Colleagues",
    "Effect",
    "EffectJournal",
    "Hands",
    "Recollection",
    "Reply",
    "Surroundings",
    "Usage",
    "surrounded",
    "surroundings",
]

Effect = Callable[[], Awaitable[Any]]


class EffectJournal(Protocol):
    """Where intents and ends of outside effects are written for whatever runs at the moment."""

    async def effect(self, name: str, call: Effect) -> Any:
        """See :func:`agents.effect`."""
        ...


@dataclass(frozen=True)
class Usage:
    """What one answer of a model took, in tokens; ``model`` is the name that the provider knows."""

    model: str
    input_tokens: int = 0
    output_tokens: int = 0


class AnswerJournal(Protocol):
    """Where a model's answers are kept, so that none that was kept is asked for again after a crash.

    A key is unique within a step: it is made of what was asked, and of how often the same was asked before.
    """

    async def find(self, key: str) -> dict[str, Any] | None:
        """Return the answer that was kept under the key, or None."""
        ...

    async def admit(self) -> None:
        """Let a call pass, or raise BudgetSpent where the execution has no tokens or money left."""
        ...

    async def keep(self, key: str, answer: Mapping[str, Any], usage: Usage) -> None:
        """Store an answer, as JSON values, and what it took."""
        ...


class Hands(Protocol):
    """A member's working copy of the repository, and what may be done in it.

    Each method returns text for whoever asked, cut to a bounded size, and raises HandsRefused, with a line that says
    why and what to do, where it does nothing.
    """

    can_run: bool
    """Whether ``run`` is allowed."""

    async def read(self, path: str, *, first_line: int = 1, lines: int = 400) -> str:
        """Return lines of a text file, numbered."""
        ...

    async def list(self, path: str = ".", *, depth: int = 2) -> str:
        """Return the files and folders under a folder, a line each."""
        ...

    async def search(self, pattern: str, path: str = ".") -> str:
        """Return the lines that match a regular expression, as ``file:line: text``."""
        ...

    async def write(self, path: str, content: str) -> str:
        """Make or replace a file."""
        ...

    async def edit(self, path: str, old: str, new: str) -> str:
        """Replace the one place in a file that reads exactly ``old``."""
        ...

    async def run(self, command: Sequence[str]) -> str:
        """Run a program without a shell, confined; returns its exit status and output."""
        ...

    async def diff(self) -> str:
        """Return what the working copy changes, as a unified diff: a member's own work, or the whole branch."""
        ...


@dataclass(frozen=True)
class Reply:
    """One member's answer to a colleague's question."""

    member_id: str
    text: str


class Colleagues(Protocol):
    """The rest of the squad, for a member that is stuck."""

    async def ask(
        self, question: str, *, role: Role | None = None, skills: Mapping[str, int] | None = None
    ) -> list[Reply]:
        """Ask the members that fit best, and return what they answered within the limit; none may have."""
        ...


class Recollection(Protocol):
    """What a member should know besides what it is handed, put together where it is asked for and nowhere else."""

    async def __call__(self, *, max_tokens: int = 2_000) -> MemberContext:
        """Return labelled parts within that budget; the same ones where a step that was killed is made again."""
        ...


@dataclass(frozen=True)
class Surroundings:
    """Everything around a call; None is what is not there."""

    effects: EffectJournal | None = None
    answers: AnswerJournal | None = None
    hands: Hands | None = None
    colleagues: Colleagues | None = None
    context: Recollection | None = None
    memory: BaseStore | None = None
    """What the member's squad remembers beyond one task: a store that holds nothing of any other squad's."""


_surroundings: ContextVar[Surroundings] = ContextVar("squad_surroundings", default=Surroundings())  # noqa: B039 - frozen


def surroundings() -> Surroundings:
    """Return what surrounds the agent that is running."""
    return _surroundings.get()


@contextmanager
def surrounded(by: Surroundings) -> Iterator[None]:
    """Put these around whatever runs inside."""
    token = _surroundings.set(by)
    try:
        yield
    finally:
        _surroundings.reset(token)
