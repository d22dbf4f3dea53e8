"""Where messages and context are kept: the protocols that a store follows, and stores in memory.

The database's stores follow the same protocols by their shape alone, so that neither package knows the other.
"""

from collections import deque
from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Protocol, runtime_checkable
from uuid import UUID

from delegation import Background, Message, MessageType

__all__ = ["BackgroundStore", "ContextStore", "MemoryContextStore", "MemoryMessageStore", "MessageStore"]


@runtime_checkable
class MessageStore(Protocol):
    """Keeps messages in the order in which they were appended."""

    async def append(self, messages: Sequence[Message]) -> None:
        """Store all of the messages, in order, or raise and store none."""
        ...

    async def load(
        self,
        execution_id: UUID | None,
        *,
        member: str | None = None,
        since: datetime | None = None,
        types: Collection[MessageType] | None = None,
        limit: int | None = None,
    ) -> list[Message]:
        """Return the messages that match everything asked, oldest first.

        Args:
            execution_id: Those of this execution alone; None means of any or of none.
            member: Those that this member received: sent to it by name, or to everybody.
            since: Those said at this moment (with a time zone) or later.
            types: Those of one of these types; an empty collection matches nothing.
            limit: At most so many, and of more the newest.
        """
        ...


@runtime_checkable
class ContextStore(Protocol):
    """Keeps named facts, execution by execution."""

    async def put(self, execution_id: UUID, key: str, value: Any) -> None:
        """Store the fact, in place of an earlier one of that name."""
        ...

    async def get(self, execution_id: UUID) -> dict[str, Any]:
        """Return all facts of the execution by name, in the order in which they were first stored."""
        ...


class BackgroundStore(Protocol):
    """Knows what stands around an execution."""

    async def load(self, execution_id: UUID) -> Background | None:
        """Return squad, work and answers of an execution, all of one moment; None where there is no such execution."""
        ...


class MemoryMessageStore:
    """Messages in memory, for as long as the process lives; of more than ``max_messages`` the oldest are forgotten."""

    def __init__(self, max_messages: int = 100_000) -> None:
        self._messages: deque[Message] = deque(maxlen=max_messages)

    async def append(self, messages: Sequence[Message]) -> None:
        """Store all of the messages, in order."""
        self._messages.extend(messages)

    async def load(
        self,
        execution_id: UUID | None,
        *,
        member: str | None = None,
        since: datetime | None = None,
        types: Collection[MessageType] | None = None,
        limit: int | None = None,
    ) -> list[Message]:
        """Return the messages that match everything asked, oldest first; of more than ``limit`` the newest."""
        newest_first = (
            one
            for one in reversed(self._messages)
            if (execution_id is None or one.execution_id == execution_id)
            and (member is None or one.recipient in {None, member})
            and (since is None or one.at >= since)
            and (types is None or one.type in types)
        )
        return list(islice(newest_first, limit))[::-1]


class MemoryContextStore:
    """Facts in memory; of more than ``max_executions`` the one longest untouched is forgotten."""

    def __init__(self, max_executions: int = 1_000) -> None:
        self._facts: dict[UUID, dict[str, Any]] = {}
        self._max_executions = max_executions

    async def put(self, execution_id: UUID, key: str, value: Any) -> None:
        """Store the fact, in place of an earlier one of that name."""
        facts = self._facts.pop(execution_id, {})
        facts[key] = value
        self._facts[execution_id] = facts
        while len(self._facts) > self._max_executions:
            del self._facts[next(iter(self._facts))]

    async def get(self, execution_id: UUID) -> dict[str, Any]:
        """Return all facts of the execution by name; a copy, so that changing it changes nothing here."""
        return dict(self._facts.get(execution_id, {}))
