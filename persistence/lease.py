"""One driver at a time: who holds an execution, for how long, and when its hold may be taken over."""

import os
import socket
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Self
from uuid import UUID, uuid4

import psutil
from sqlalchemy import Connection, Row, Update, bindparam, select, update

from delegation import ExecutionBusy
from persistence.base import FINAL_STATES, table, utc_now
from persistence.records import load_execution
from persistence.tables import ExecutionRow

__all__ = ["LEASE_S", "Owner", "acquire", "busy", "driver", "holder", "lost", "release", "renew"]

LEASE_S = 10.0
"""How long a lease lasts without renewal, in seconds: the longest wait for an owner on another host that died."""


@dataclass(frozen=True)
class Owner:
    """A driver: its host, its process with the time that it started (ids are used again), and a name of its own."""

    host: str
    pid: int
    born: float
    name: str

    @classmethod
    def new(cls) -> Self:
        """Return an owner in this process."""
        return cls(socket.gethostname(), os.getpid(), _born(os.getpid()), uuid4().hex[:12])

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an owner back from a row."""
        host, pid, born, name = text.rsplit("|", 3)
        return cls(host, int(pid), float(born), name)

    def __str__(self) -> str:
        return f"{self.host}|{self.pid}|{self.born}|{self.name}"

    def is_dead(self) -> bool:
        """Tell whether the owner's process is known to be gone; one on another host never is."""
        if self.host != socket.gethostname():
            return False
        try:
            process = psutil.Process(self.pid)
            return process.status() == psutil.STATUS_ZOMBIE or abs(process.create_time() - self.born) > 1.0
        except psutil.NoSuchProcess:
            return True


@cache
def _born(pid: int) -> float:
    return psutil.Process(pid).create_time()


def acquire(connection: Connection, execution_id: UUID, owner: Owner) -> tuple[int, Row[Any]]:
    """Take the execution's lease; returns its epoch, which every commit of this driver names, and the row.

    An ended execution needs no lease: nothing of it can move. An owner that let its lease run out is stuck, wherever
    it is: it is not waited for, and should it go on one day, it commits nothing, since the epoch is another.

    Raises:
        NotFound: there is no such execution.
        ExecutionBusy: a living driver holds it, or one on another host, which may be dead: then ``until`` is when
            its lease runs out unless it is renewed.
    """
    found = load_execution(connection, execution_id)
    epoch = int(found.lease_epoch)
    if found.status in FINAL_STATES:
        return epoch, found
    other = holder(found) if found.lease_owner != str(owner) else None
    if other:
        raise busy(execution_id, other, found.lease_until)
    values = {"new_owner": str(owner), "new_until": _until(), "new_epoch": epoch + 1}
    connection.execute(_take(), values | {"key": execution_id})
    return epoch + 1, found


def busy(execution_id: UUID, other: Owner, until: datetime) -> ExecutionBusy:
    """Return the error that says who drives the execution."""
    elsewhere = other.host != socket.gethostname()
    where = f"process {other.pid}" + (f" on {other.host}" if elsewhere else "")
    return ExecutionBusy(
        f"execution {execution_id} is being driven by {where}",
        hint="wait for it, or send it a request: answer, block, cancel",
        until=until if elsewhere else None,
    )


def lost(row: Row[Any]) -> ExecutionBusy:
    """Return the error of a driver whose lease another one has taken over."""
    if other := holder(row):
        return busy(row.id, other, row.lease_until)
    return ExecutionBusy(
        f"execution {row.id} was taken over by another driver, since the lease of this one had run out",
        hint=f"squad resume {row.id} goes on from where that one has left it",
    )


def renew(connection: Connection, owner: Owner, execution_ids: Collection[UUID]) -> None:
    """Extend the owner's leases of these executions, in one statement; those that it lost stay lost."""
    row = table(ExecutionRow)
    held = (row.c.lease_owner == str(owner), row.c.id.in_(execution_ids))
    connection.execute(update(row).where(*held).values(lease_until=_until()))


def release(connection: Connection, execution_id: UUID, epoch: int) -> None:
    """Give a lease back; one that was taken over meanwhile is left alone."""
    connection.execute(_give_back(), {"key": execution_id, "epoch": epoch})


def driver(connection: Connection, execution_id: UUID) -> Owner | None:
    """Return the living driver of the execution, or None where nobody drives it."""
    row = table(ExecutionRow)
    query = select(row.c.lease_owner, row.c.lease_until).where(row.c.id == execution_id)
    found: Any = connection.execute(query).one_or_none()
    return holder(found) if found else None


def holder(row: Row[Any]) -> Owner | None:
    """Return the living driver that an execution's row names: one whose lease has not run out."""
    if not row.lease_owner or row.lease_until <= utc_now():
        return None
    owner = Owner.parse(row.lease_owner)
    return None if owner.is_dead() else owner


def _until() -> datetime:
    return utc_now() + timedelta(seconds=LEASE_S)


@cache
def _take() -> Update:
    row = table(ExecutionRow)
    new: dict[str, Any] = {
        "lease_owner": bindparam("new_owner"),
        "lease_until": bindparam("new_until"),
        "lease_epoch": bindparam("new_epoch"),
    }
    return update(row).where(row.c.id == bindparam("key")).values(new)


@cache
def _give_back() -> Update:
    row = table(ExecutionRow)
    held = (row.c.id == bindparam("key"), row.c.lease_epoch == bindparam("epoch"))
    return update(row).where(*held).values(lease_owner=None, lease_until=None)
