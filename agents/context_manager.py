"""What a member is told before it works: the task, what has been decided, and what was said to it, within a budget."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from agents.member_context import ContextKind, ContextPart, MemberContext
from agents.message_bus import MessageBus
from agents.store import ContextStore, MemoryContextStore, MessageStore
from delegation import InputError, Message, MessageType, Task

__all__ = ["ContextManager"]

_NOISE = frozenset({MessageType.STATE_TRANSITION, MessageType.STATUS_REQUEST, MessageType.STANDUP})
"""What everybody is told anyway and nobody acts on: first to go when room is short."""


class ContextManager:
    """Remembers facts of an execution and builds a member's context; unbound, it keeps them in memory."""

    def __init__(self) -> None:
        self._facts: ContextStore = MemoryContextStore()
        self._messages: MessageBus | MessageStore | None = None

    def bind(self, store: ContextStore | None = None, *, messages: MessageBus | MessageStore | None = None) -> None:
        """Keep facts in ``store`` and read conversations from ``messages`` from now on; None leaves either as it is."""
        if store is not None:
            self._facts = store
        if messages is not None:
            self._messages = messages

    async def remember(self, execution_id: UUID | str, key: str, value: Any) -> None:
        """Keep a fact, in place of an earlier one of that key; the value should be plain JSON."""
        await self._facts.put(_id(execution_id), key, value)

    async def recall(self, execution_id: UUID | str, key: str | None = None) -> Any:
        """Return the fact, or None where it is unknown; without a key, all facts by key."""
        facts = await self._facts.get(_id(execution_id))
        return facts if key is None else facts.get(key)

    async def build_context(
        self, execution_id: UUID | str, task: Task, *, member_id: str | None = None, budget: int = 8_000
    ) -> MemberContext:
        """Build what a member should read before it works.

        Room is given out by use: the title and the criteria, the decisions (newest first), what was said to the
        member by name, what was said to everybody, and the description last of all, cut where it does not fit.

        Args:
            execution_id: The execution.
            task: Its task.
            member_id: Whose conversation; without one, everything that was said in the execution.
            budget: Characters of ``MemberContext.text`` at most; four are about one token.

        Raises:
            InputError: The budget is not positive, or the id is none.
        """
        if budget < 1:
            raise InputError(f"a context needs room, not {budget} characters", hint="give a budget of some thousands")
        wanted = _id(execution_id)
        head = "\n".join([task.title, *(f"- {one}" for one in task.acceptance_criteria)])
        shown = _cut(head, budget)
        room = budget - len(shown)
        decisions = [f"{key}: {value}" for key, value in (await self._facts.get(wanted)).items()]
        kept_decisions, room = _fit(reversed(list(enumerate(decisions))), room)
        said = await self._said(wanted, member_id)
        lines = [f"{one.sender} ({one.type}): {one.content}" for one in said]
        ranking = sorted(enumerate(lines), key=lambda one: (_rank(said[one[0]]), -one[0]))
        kept_lines, room = _fit(ranking, room)
        description = _cut(task.description, room - 1)
        text = f"{shown}\n{description}" if description else shown
        lines_of = {
            ContextKind.TASK: [text],
            ContextKind.DECISIONS: kept_decisions,
            ContextKind.CONVERSATION: kept_lines,
        }
        return MemberContext(
            task=text,
            decisions=kept_decisions,
            conversation=kept_lines,
            parts=[
                ContextPart(kind=kind, title=kind.value.capitalize(), lines=found)
                for kind, found in lines_of.items()
                if found
            ],
            omitted=len(decisions) + len(lines) - len(kept_decisions) - len(kept_lines),
            shortened=shown != head or description != task.description,
        )

    async def _said(self, execution_id: UUID, member_id: str | None) -> list[Message]:
        if self._messages is None:
            return []
        store = self._messages.store if isinstance(self._messages, MessageBus) else self._messages
        return await store.load(execution_id, member=member_id)


def _rank(message: Message) -> int:
    """Say how early a message gets room: sent to a member by name, sent to everybody, noise."""
    if message.type in _NOISE:
        return 2
    return 1 if message.recipient is None else 0


def _fit(ranked: Iterable[tuple[int, str]], room: int) -> tuple[list[str], int]:
    """Take what fits, most useful first; returns it in its original order, and the room that is left."""
    taken = []
    for position, text in ranked:
        if (cost := len(text) + 1) <= room:  # one more for the line break
            taken.append((position, text))
            room -= cost
    return [text for _, text in sorted(taken)], room


def _cut(text: str, room: int) -> str:
    if len(text) <= room:
        return text
    return text[: room - 1] + "…" if room > 1 else ""


def _id(value: UUID | str) -> UUID:
    try:
        return value if isinstance(value, UUID) else UUID(value)
    except (ValueError, AttributeError, TypeError):
        raise InputError(f"{value!r} is no execution's id", hint="an id is a UUID or its text") from None
