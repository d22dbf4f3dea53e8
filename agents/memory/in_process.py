"""A memory for as long as the process lives: LangGraph's, with the time to live that it lacks."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from langgraph.store.base import GetOp, Item, Op, PutOp, Result, SearchItem, SearchOp, TTLConfig, validate_op_namespace
from langgraph.store.memory import InMemoryStore

from delegation import ranked, strings_in

__all__ = ["InProcessStore"]

MAX_RANKED = 5_000
"""How many items a search for words looks at."""

_Place = tuple[tuple[str, ...], str]


def _now() -> datetime:
    return datetime.now(UTC)


class InProcessStore(InMemoryStore):
    """LangGraph's store in memory, whose items may expire, and whose searches rank by the words that are shared.

    A search looks at all text of an item, whatever ``index`` named when it was put.
    """

    __slots__ = ("_clock", "_lives", "ttl_config")
    supports_ttl = True

    def __init__(self, *, ttl: TTLConfig | None = None, now: Callable[[], datetime] = _now) -> None:
        super().__init__()
        self.ttl_config = ttl
        self._clock = now
        self._lives: dict[_Place, tuple[datetime, float]] = {}
        """When an item expires, and its time to live in minutes."""

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Do all of the operations, on what has not expired."""
        asked = list(ops)
        for op in asked:
            validate_op_namespace(op)
        self._sweep()
        results = super().batch([_all_of(op) if isinstance(op, SearchOp) and op.query else op for op in asked])
        for place, op in enumerate(asked):
            if isinstance(op, SearchOp) and op.query:
                results[place] = _ranked(op, results[place])
            self._renew(op, results[place])
        for namespace in [one for one, items in self._data.items() if not items]:
            del self._data[namespace]  # or it would still be listed
        return results

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Do the same: nothing here waits."""
        return self.batch(ops)

    def _sweep(self) -> None:
        now = self._clock()
        for place in [place for place, (end, _) in self._lives.items() if end <= now]:
            namespace, key = place
            self._data[namespace].pop(key, None)
            del self._lives[place]

    def _renew(self, op: Op, result: Result) -> None:
        """Let the time to live of what was written, or read, begin anew."""
        now = self._clock()
        if isinstance(op, PutOp):
            self._lives.pop((op.namespace, op.key), None)
            if op.ttl is not None and op.value is not None:
                self._lives[op.namespace, op.key] = (now + timedelta(minutes=op.ttl), op.ttl)
        elif isinstance(op, GetOp | SearchOp) and op.refresh_ttl:
            items = result if isinstance(result, list) else [result]
            for place in [(one.namespace, one.key) for one in items if isinstance(one, Item)]:
                if place in self._lives:
                    ttl = self._lives[place][1]
                    self._lives[place] = (now + timedelta(minutes=ttl), ttl)


def _all_of(op: SearchOp) -> SearchOp:
    return op._replace(query=None, limit=MAX_RANKED, offset=0)


def _ranked(op: SearchOp, found: Result) -> list[SearchItem]:
    items = [one for one in found or [] if isinstance(one, SearchItem)] if isinstance(found, list) else []
    best = ranked({place: strings_in(one.value) for place, one in enumerate(items)}, op.query or "")
    for place, score in best:
        items[place].score = score
    return [items[place] for place, _ in best][op.offset :][: op.limit]
