"""Interventions left for whoever drives the execution: durable, in order, each once, with an outcome to wait for."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncSession

from delegation import (
    ActionTimeout,
    DatabaseError,
    GateError,
    InvalidTransition,
    NotFound,
    PlanError,
    SquadError,
    StaleTransition,
)
from graph.drive import Drive, Drives
from graph.engine import Planned, WorkflowEngine
from graph.interventions import Intervention
from graph.lifecycle import FINAL_STATES
from graph.services import drives_of
from persistence import (
    Database,
    add_request,
    close_request,
    database_of,
    lease,
    load_execution,
    load_request,
    next_request,
    on_session,
    unit,
)

__all__ = ["DrivenError", "Request", "give_back", "honour_next", "leave_request", "plan_at_once", "plan_for"]

_INTERVENTION: TypeAdapter[Intervention] = TypeAdapter(Intervention)
_POLL_S = 0.05

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """A request that was stored; ``wait`` gives what came of it."""

    number: int
    execution_id: UUID
    database: Database
    engine: WorkflowEngine

    async def wait(self) -> Any:
        """Wait until the request has been honoured and return its value.

        Should its driver die before, the request is honoured here. It may be awaited inside the loop over the driver's
        own stream: meanwhile the driver does not wait for its listener, who hears later of what happens.

        Raises:
            SquadError: the request was refused; the error is the one that an intervention at once would have raised.
        """
        with drives_of(self.database).awaited(self.execution_id):
            while True:
                row, driver = await self.database.read(self._look)
                if row.status == "done":
                    return row.outcome.get("value")
                if row.status == "refused":
                    raise _as_error(row.outcome)
                if driver is None:
                    with suppress(StaleTransition):  # somebody else moved it: the next look shows what came of this
                        await honour_next(self.database, self.engine, self.execution_id)
                else:
                    await asyncio.sleep(_POLL_S)

    def _look(self, connection: Connection) -> tuple[Any, Any]:
        return load_request(connection, self.number), lease.driver(connection, self.execution_id)


async def leave_request(
    db: AsyncSession, engine: WorkflowEngine, execution_id: UUID, intervention: Intervention
) -> Request | None:
    """Store an intervention for whoever drives the execution, on the session of the caller, which may hold a lock.

    Returns None where nobody drives it: a request that nobody is there to honour would wait for the next drive.
    """
    payload = intervention.model_dump(mode="json")

    def leave(connection: Connection) -> int | None:
        if lease.driver(connection, execution_id) is None:
            return None
        return add_request(connection, execution_id, intervention.kind, payload)

    async with unit(db):
        number = await on_session(db, leave)
    return None if number is None else Request(number, execution_id, database_of(db), engine)


async def give_back(drives: Drives, engine: WorkflowEngine, drive: Drive) -> None:
    """Give a drive's lease back, and honour what was asked of it after its last look."""
    await drives.end(drive)
    if drive.position and drive.position[0] in FINAL_STATES:
        return
    try:
        while await honour_next(drives.database, engine, drive.execution_id):
            continue
    except StaleTransition:  # somebody else moves it by now, and honours the rest
        return


@dataclass(frozen=True)
class Honoured:
    """A request that has been dealt with: ``planned`` is what it did, and None where it was refused."""

    planned: Planned | None


async def honour_next(
    database: Database, engine: WorkflowEngine, execution_id: UUID, *, epoch: int | None = None
) -> Honoured | None:
    """Honour the oldest open request of the execution; None where none is waiting, or it is a driver's to honour.

    The request is closed in the transaction that does what it asks, so it counts once. With an ``epoch`` that is done
    as the driver that holds that lease, and without one as long as nobody drives. A request that cannot be honoured is
    closed with the reason.

    Raises:
        StaleTransition: the execution moved, or its lease was lost, while this looked; the request is still open.
        DatabaseError: nothing could be stored; the request is still open.
    """
    request = await database.read(lambda connection: next_request(connection, execution_id))
    if request is None:
        return None

    def decide(connection: Connection) -> Planned:
        intervention = _INTERVENTION.validate_python(request.payload)
        if epoch is None:
            planned = plan_at_once(connection, execution_id, intervention)
        else:
            planned = plan_for(connection, execution_id, intervention, epoch=epoch)
        value = str(planned.value) if planned.value is not None else None
        if not close_request(connection, request.id, "done", {"value": value}):
            raise _AlreadyClosedError
        return planned

    try:
        return Honoured(await engine.perform(database, decide))
    except _AlreadyClosedError:
        return Honoured(None)
    except DrivenError:
        return None
    except (StaleTransition, DatabaseError):
        raise
    except Exception as error:  # a state's action may raise anything; the next driver must not meet it again
        if not isinstance(error, SquadError):
            logger.exception("request %d of execution %s failed", request.id, execution_id)
        outcome = _as_outcome(error)
        await database.write(lambda connection: close_request(connection, request.id, "refused", outcome))
        return Honoured(None)


def plan_for(
    connection: Connection, execution_id: UUID, intervention: Intervention, *, epoch: int | None = None
) -> Planned:
    """Return what an intervention does to the execution as it stands in this transaction."""
    row = load_execution(connection, execution_id)
    if epoch is not None and row.lease_epoch != epoch:  # what makes no move names no lease by itself
        raise StaleTransition(row.status, row.status, row.status, [])
    planned = intervention.decide(connection, row)
    if planned.move and epoch is not None:
        planned.move = planned.move.under(epoch)
    return planned


def plan_at_once(connection: Connection, execution_id: UUID, intervention: Intervention) -> Planned:
    """Return what an intervention does to an execution that nobody drives.

    It is looked at under the write lock, so nobody can take the lease between this look and the commit.

    Raises:
        DrivenError: somebody drives it, and honours its requests.
    """
    if lease.driver(connection, execution_id) is not None:
        raise DrivenError
    return plan_for(connection, execution_id, intervention)


def _as_outcome(error: Exception) -> dict[str, Any]:
    if not isinstance(error, SquadError):
        return {"code": SquadError.code, "message": f"{type(error).__name__}: {error}", "hint": None}
    outcome: dict[str, Any] = {"code": error.code, "message": error.message, "hint": error.hint}
    if isinstance(error, InvalidTransition):
        outcome["move"] = [error.from_state, error.to_state, error.legal]
    return outcome


def _as_error(outcome: dict[str, Any]) -> SquadError:
    """Return a stored refusal as the error that an intervention at once would have raised."""
    if move := outcome.get("move"):
        return InvalidTransition(*move)
    kinds = {kind.code: kind for kind in (GateError, NotFound, DatabaseError, ActionTimeout, PlanError)}
    return kinds.get(outcome["code"], SquadError)(outcome["message"], hint=outcome["hint"])


class DrivenError(Exception):
    """Somebody drives the execution, and honours its requests."""


class _AlreadyClosedError(Exception):
    """Somebody else honoured the request first."""
