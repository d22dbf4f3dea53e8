"""One squad's part of a store: whoever holds it reaches nothing of another squad's, whatever namespace it names."""

from collections.abc import Iterable
from copy import copy
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from langgraph.store.base import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    validate_op_namespace,
)

__all__ = ["LESSONS", "LESSONS_LAST", "SquadMemory", "keep_lesson", "lessons_of"]

LESSONS = "lessons"
"""The namespace of what a squad has learnt; below it, one namespace for each execution."""


LESSONS_LAST = timedelta(days=365)
"""How long a lesson is remembered after it was last of use."""


async def keep_lesson(
    memory: BaseStore,
    execution_id: UUID,
    text: str,
    *,
    key: str | None = None,
    lasts: timedelta | None = LESSONS_LAST,
    **more: Any,
) -> None:
    """Keep what was learnt in an execution, in its squad's memory: the words by which it is found and told, and more.

    Args:
        memory: the squad's.
        execution_id: the execution.
        text: what was learnt.
        key: by which the same lesson is known again; made of its words where it is left out.
        lasts: how long it is remembered after it was last of use; None is for ever.
        more: whatever else is to be kept with it, as JSON.
    """
    key = key or sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
    minutes = None if lasts is None else lasts.total_seconds() / 60
    await memory.aput(lessons_of(execution_id), key, {"text": text, **more}, index=["text"], ttl=minutes)


def lessons_of(execution_id: UUID) -> tuple[str, str]:
    """Return the namespace, within a squad's memory, of what was learnt in an execution."""
    return (LESSONS, execution_id.hex)


class SquadMemory(BaseStore):
    """A store like any other of LangGraph's, whose every namespace is one below the squad's own."""

    __slots__ = ("_root", "_store", "ttl_config")
    supports_ttl = True

    def __init__(self, store: BaseStore, squad_id: UUID) -> None:
        self._store = store
        self._root: tuple[str, ...] = ("squads", squad_id.hex)
        self.ttl_config = store.ttl_config

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Do the operations below the squad's namespace, where the store has synchronous methods."""
        return [self._seen(one) for one in self._store.batch([self._below(op) for op in ops])]

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Do the operations below the squad's namespace."""
        return [self._seen(one) for one in await self._store.abatch([self._below(op) for op in ops])]

    def _below(self, op: Op) -> Op:
        validate_op_namespace(op)
        if isinstance(op, GetOp | PutOp):
            return op._replace(namespace=(*self._root, *op.namespace))
        if isinstance(op, SearchOp):
            return op._replace(namespace_prefix=(*self._root, *op.namespace_prefix))
        assert isinstance(op, ListNamespacesOp)  # there is no other
        mine = [MatchCondition("prefix", self._root), *(self._match(one) for one in op.match_conditions or ())]
        depth = None if op.max_depth is None else op.max_depth + len(self._root)
        return op._replace(match_conditions=tuple(mine), max_depth=depth)

    def _match(self, condition: MatchCondition) -> MatchCondition:
        if condition.match_type == "prefix":
            return condition._replace(path=(*self._root, *condition.path))
        return condition

    def _seen(self, result: Result) -> Result:
        """Return a result with namespaces as the squad knows them; what the store holds itself is not touched."""
        if isinstance(result, list):
            return [self._one(one) for one in result]
        return self._one(result) if isinstance(result, Item) else result

    def _one(self, one: Item | SearchItem | tuple[str, ...]) -> Any:
        if not isinstance(one, Item):
            return one[len(self._root) :]
        seen = copy(one)
        seen.namespace = one.namespace[len(self._root) :]
        return seen
