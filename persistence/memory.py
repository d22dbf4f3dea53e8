"""What agents remember, in the database: LangGraph's store, over a table of the project's own.

LangGraph's store for SQLite takes the write lock on a connection of its own, for as many hops as it likes, and loads an
extension that not every Python can. Here each batch is one transaction of the database's writer, in the file that all
else is in, so that a squad's memory is erased together with the squad.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

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
    TTLConfig,
    get_text_at_path,
    tokenize_path,
    validate_op_namespace,
)
from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, delete, or_, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from delegation import ConfigurationError, InputError, json_object, ranked, strings_in
from persistence.base import table, utc_now
from persistence.hops import Hops
from persistence.memory_filter import matches
from persistence.memory_tables import MemoryRow

__all__ = ["DatabaseStore", "under"]

_row = table(MemoryRow)

MAX_RANKED = 5_000
"""How many items, the newest, a search for words looks at."""


class DatabaseStore(BaseStore):
    """A store whose items may have a time to live; one that is over is never returned, and is deleted by later writes.

    Times to live are minutes, as everywhere in LangGraph; reading an item makes its time begin anew, unless told
    otherwise. ``asearch`` with a query ranks by the words that an item shares with it, and returns none that shares no
    word. The synchronous methods refuse, as the checkpointer's do.
    """

    __slots__ = ("_hops", "_now", "ttl_config")
    supports_ttl = True

    def __init__(self, hops: Hops, *, ttl: TTLConfig | None = None, now: Callable[[], datetime] = utc_now) -> None:
        self._hops, self._now = hops, now
        self.ttl_config = ttl

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Refuse: this store is asynchronous."""
        raise ConfigurationError("this store is asynchronous", hint="use aget, aput, asearch and adelete")

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Do all of the operations, the reading ones first, on what was there before.

        Raises:
            InputError: a value is no JSON; nothing was stored.
            InvalidNamespaceError: a label of a namespace is empty or holds a period.
        """
        asked = list(ops)
        for op in asked:
            validate_op_namespace(op)
        now = self._now()
        puts = [_Put.of(op, now) for op in asked if isinstance(op, PutOp)]
        results, touched = await self._hops.read(lambda connection: _read_all(connection, asked, now))
        if puts or touched:
            await self._hops.write(lambda connection: _write_all(connection, puts, touched, now))
        return results

    async def sweep(self) -> int:
        """Delete what has expired, and return how many items that were; each write does so as well."""
        now = self._now()
        return await self._hops.write(lambda connection: _sweep(connection, now))


class _Put:
    """An item on its way into the database; without a value, out of it."""

    def __init__(self, op: PutOp, value: dict[str, Any] | None, now: datetime) -> None:
        self.where = {"of_namespace": _path(op.namespace), "of_key": op.key}
        self.is_deletion = value is None
        expires_at = None if op.ttl is None else now + timedelta(minutes=op.ttl)
        self.values = {
            "namespace": _path(op.namespace),
            "key": op.key,
            "value": value,
            "text": _text(value or {}, op.index),
            "ttl_minutes": op.ttl,
            "expires_at": expires_at,
            "created_at": now,
            "updated_at": now,
        }

    @classmethod
    def of(cls, op: PutOp, now: datetime) -> "_Put":
        return cls(op, None if op.value is None else _storable(op.value, op.key), now)


def _storable(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return a value as JSON that any reader of the database can read."""
    plain = json_object(value, f"the memory {key!r}")
    try:
        json.dumps(plain, allow_nan=False, ensure_ascii=False).encode()
    except ValueError as error:
        raise InputError(f"the memory {key!r} cannot be stored: {error}", hint="give numbers and plain text") from error
    return plain


def _read_all(connection: Connection, ops: Sequence[Op], now: datetime) -> tuple[list[Result], list[int]]:
    """Return the operations' results, and the items whose time to live begins anew by that."""
    results: list[Result] = []
    touched: list[int] = []
    for op in ops:
        rows: Sequence[Row[Any]] = []
        if isinstance(op, GetOp):
            rows = connection.execute(_GET, {"of": _path(op.namespace), "key_of": op.key, "now": now}).all()
            results.append(_item(rows[0]) if rows else None)
        elif isinstance(op, SearchOp):
            found = _search(connection, op, now)
            rows = [row for row, _ in found]
            results.append([_found(row, score) for row, score in found])
        elif isinstance(op, ListNamespacesOp):
            results.append(_namespaces(connection, op, now))
        else:
            results.append(None)
        if rows and getattr(op, "refresh_ttl", False):
            touched += [row.id for row in rows if row.ttl_minutes is not None]
    return results, touched


def _search(connection: Connection, op: SearchOp, now: datetime) -> list[tuple[Row[Any], float | None]]:
    query = select(_row).where(_lives(now), under(op.namespace_prefix)).order_by(_row.c.updated_at.desc(), _row.c.id)
    wanted = op.filter or {}
    if not op.query and not wanted:
        query = query.limit(max(op.limit, 0)).offset(max(op.offset, 0))
        return [(row, None) for row in connection.execute(query)]
    if op.query:
        query = query.limit(MAX_RANKED)
    rows = [row for row in connection.execute(query) if matches(row.value, wanted)]
    found: list[tuple[Row[Any], float | None]] = [(row, None) for row in rows]
    if op.query:
        by_id = {row.id: row for row in rows}
        found = [(by_id[one], score) for one, score in ranked({row.id: row.text for row in rows}, op.query)]
    return found[max(op.offset, 0) :][: max(op.limit, 0)]


def _namespaces(connection: Connection, op: ListNamespacesOp, now: datetime) -> list[tuple[str, ...]]:
    found = connection.execute(select(_row.c.namespace).where(_lives(now)).distinct()).scalars()
    spaces = [tuple(one.split(".")) for one in found]
    fitting = {one[: op.max_depth] for one in spaces if all(_fits(one, two) for two in op.match_conditions or ())}
    return sorted(fitting)[op.offset : op.offset + op.limit]


def _fits(namespace: tuple[str, ...], condition: MatchCondition) -> bool:
    path = tuple(condition.path)
    part = namespace[: len(path)] if condition.match_type == "prefix" else namespace[-len(path) or len(namespace) :]
    return len(part) == len(path) and all(asked in {"*", label} for asked, label in zip(path, part, strict=True))


def _write_all(connection: Connection, puts: Sequence[_Put], touched: Sequence[int], now: datetime) -> None:
    if touched:
        rows = select(_row.c.id, _row.c.ttl_minutes).where(_row.c.id.in_(touched))
        later = [
            {"of_id": one.id, "later": now + timedelta(minutes=one.ttl_minutes)} for one in connection.execute(rows)
        ]
        if later:
            connection.execute(_TOUCH, later)
    _sweep(connection, now)
    for put in puts:
        if put.is_deletion:
            connection.execute(_DELETE, put.where)
        else:
            connection.execute(_PUT, put.values)


def _sweep(connection: Connection, now: datetime) -> int:
    return connection.execute(_SWEEP, {"now": now}).rowcount


def _path(namespace: Sequence[str]) -> str:
    return ".".join(namespace)


def under(prefix: Sequence[str]) -> ColumnElement[bool]:
    """Return what holds for items of a namespace and all beneath it: a range, in which ``/`` follows the period."""
    if not prefix:
        return _row.c.id.is_not(None)
    path = _path(prefix)
    return or_(_row.c.namespace == path, and_(_row.c.namespace > f"{path}.", _row.c.namespace < f"{path}/"))


def _lives(now: Any) -> ColumnElement[bool]:
    return or_(_row.c.expires_at.is_(None), _row.c.expires_at > now)


def _text(value: Mapping[str, Any], index: Any) -> str:
    """Return the words by which an item is found: of the fields that the caller names, or all that it says."""
    if index is False:
        return ""
    paths = index if index is not None else ["$"]
    return "\n".join(
        text
        for path in paths
        for text in ([strings_in(value)] if path == "$" else get_text_at_path(value, tokenize_path(path)))
    )


def _fields(row: Row[Any]) -> dict[str, Any]:
    names = ("key", "value", "created_at", "updated_at")
    return {name: getattr(row, name) for name in names} | {"namespace": tuple(row.namespace.split("."))}


def _item(row: Row[Any]) -> Item:
    return Item(**_fields(row))


def _found(row: Row[Any], score: float | None) -> SearchItem:
    return SearchItem(**_fields(row), score=score)


_GET = select(_row).where(
    _row.c.namespace == bindparam("of"), _row.c.key == bindparam("key_of"), _lives(bindparam("now"))
)
_KEPT = ("value", "text", "ttl_minutes", "expires_at", "updated_at")
_INSERT = upsert(_row)
_PUT = _INSERT.on_conflict_do_update(
    index_elements=["namespace", "key"], set_={name: _INSERT.excluded[name] for name in _KEPT}
)
_DELETE = delete(_row).where(_row.c.namespace == bindparam("of_namespace"), _row.c.key == bindparam("of_key"))
_TOUCH = update(_row).where(_row.c.id == bindparam("of_id")).values(expires_at=bindparam("later"))
_SWEEP = delete(_row).where(_row.c.expires_at <= bindparam("now"))
