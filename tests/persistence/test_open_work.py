"""What is left to do in a squad's other open executions, read back."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, text

from delegation import Outcome, OutcomeStatus, Task
from persistence import (
    Database,
    Done,
    Effects,
    Elsewhere,
    Handover,
    create_execution,
    insert_task,
    lease,
    load_workload,
    mark_started,
    store_effects,
    utc_now,
)
from persistence.workload import _given

PLAN = {"subtasks": [{"id": "S1"}, {"id": "S2"}]}
BOTH = [Handover("S1", "ada", 0.0, 2.0), Handover("S2", "bob", 2.0, 5.0)]


@pytest.fixture
def other(database: Database, execution: Any) -> Callable[..., Any]:
    """``await other(status=…, plan=…, handovers=…)`` stores another execution of the same squad; returns its id."""

    async def stored(status: str = "in_progress", plan: Any = PLAN, handovers: Any = BOTH) -> UUID:
        def store(connection: Connection) -> UUID:
            key, task_id = uuid4(), uuid4()
            insert_task(connection, task_id, Task(title="another"))
            create_execution(
                connection, execution_id=key, task_id=task_id, squad_id=execution.squad_id, thread_id=str(key)
            )
            store_effects(connection, key, Effects(handovers=list(handovers), columns={"plan": plan}))
            moved = {"status": status, "id": key.hex}
            connection.execute(text("UPDATE executions SET status = :status WHERE id = :id"), moved)
            return key

        return await database.write(store)

    return stored


async def workload(database: Database, execution: Any) -> list[Elsewhere]:
    return await database.read(lambda connection: load_workload(connection, execution.id))


async def load(database: Database, execution: Any) -> list[tuple[str, float, float]]:
    return sorted(
        (one.member_id, one.start, one.finish) for left in await workload(database, execution) for one in left.given
    )


async def work(database: Database, key: UUID, subtask_id: str, status: OutcomeStatus) -> None:
    now = utc_now()
    done = Done(subtask_id, "ada", 1, 1, Outcome(status=status), now, now)
    await database.write(lambda connection: store_effects(connection, key, Effects(work=[done])))


async def test_an_execution_alone_with_its_squad_finds_nothing(database: Database, execution: Any) -> None:
    effects = Effects(handovers=BOTH, columns={"plan": PLAN})
    await database.write(lambda connection: store_effects(connection, execution.id, effects))
    assert await workload(database, execution) == []


async def test_all_that_is_left_of_the_others_is_found(database: Database, execution: Any, other: Any) -> None:
    await other()
    await other(handovers=[Handover("S1", "eve", 1.0, 4.0)])
    assert await load(database, execution) == [("ada", 0, 2), ("bob", 2, 5), ("eve", 1, 4)]


async def test_what_takes_longer_than_was_planned_loads_by_the_new_estimate(
    database: Database, execution: Any, other: Any
) -> None:
    await other(plan={"subtasks": [{"id": "S1", "effort": 40.0}, {"id": "S2", "effort": 3.0}]})
    assert await load(database, execution) == [("ada", 0, 40), ("bob", 2, 5)]


async def test_another_squads_work_is_of_no_concern(database: Database, new_execution: Any, other: Any) -> None:
    await other()
    stranger = await database.write(new_execution)
    assert await workload(database, stranger) == []


@pytest.mark.parametrize(
    ("status", "is_found"),
    [
        *((state, False) for state in ("pending", "analyzing", "planning", "completed", "failed")),
        *((state, True) for state in ("delegated", "in_progress", "reviewing", "testing")),
    ],
)
async def test_what_has_no_assignments_or_has_ended_loads_nobody(
    database: Database, execution: Any, other: Any, status: str, *, is_found: bool
) -> None:
    await other(status=status)
    assert bool(await workload(database, execution)) == is_found


@pytest.mark.parametrize(("origin", "is_found"), [("planning", False), ("delegated", True), ("in_progress", True)])
async def test_what_waits_for_a_human_counts_by_where_it_came_from(
    database: Database, execution: Any, other: Any, origin: str, *, is_found: bool
) -> None:
    key = await other(status="blocked")
    values = {"origin": origin, "id": key.hex}
    await database.write(
        lambda connection: connection.execute(
            text("UPDATE executions SET origin_state = :origin WHERE id = :id"), values
        )
    )
    assert bool(await workload(database, execution)) == is_found


@pytest.mark.parametrize("status", [OutcomeStatus.DONE, OutcomeStatus.FAILED, OutcomeStatus.BLOCKED])
async def test_what_ended_is_left_out(database: Database, execution: Any, other: Any, status: OutcomeStatus) -> None:
    key = await other()
    await work(database, key, "S1", status)
    assert await load(database, execution) == [("bob", 2, 5)]


async def test_what_was_begun_again_after_its_end_is_at_work(database: Database, execution: Any, other: Any) -> None:
    key = await other()
    await work(database, key, "S1", OutcomeStatus.DONE)
    begun = utc_now() + timedelta(seconds=1)
    await database.write(lambda connection: mark_started(connection, key, "S1", begun))
    (left,) = await workload(database, execution)
    assert {one.member_id: one.started_at for one in left.given} == {"ada": begun, "bob": None}


async def test_of_several_assignments_the_newest_counts(database: Database, execution: Any, other: Any) -> None:
    key = await other()
    await work(database, key, "S1", OutcomeStatus.REFUSED)
    again = Effects(handovers=[Handover("S1", "eve", 0.0, 2.0)])
    await database.write(lambda connection: store_effects(connection, key, again))
    assert await load(database, execution) == [("bob", 2, 5), ("eve", 0, 2)]


async def test_assignments_of_an_earlier_plan_are_left_out(database: Database, execution: Any, other: Any) -> None:
    await other(plan={"subtasks": [{"id": "S2"}]})
    assert await load(database, execution) == [("bob", 2, 5)]
    await other(plan={"subtasks": []})
    await other(plan=None)
    assert len(await workload(database, execution)) == 1


async def test_who_drives_is_told_and_a_lease_that_ran_out_is_none(
    database: Database, execution: Any, other: Any
) -> None:
    key, owner = await other(), lease.Owner.new()
    assert [one.is_driven for one in await workload(database, execution)] == [False]
    await database.write(lambda connection: lease.acquire(connection, key, owner))
    assert [one.is_driven for one in await workload(database, execution)] == [True]
    over = {"until": utc_now() - timedelta(seconds=1), "id": key.hex}
    await database.write(
        lambda connection: connection.execute(text("UPDATE executions SET lease_until = :until WHERE id = :id"), over)
    )
    assert [one.is_driven for one in await workload(database, execution)] == [False]


async def test_what_ended_long_ago_is_not_even_looked_at(database: Database, execution: Any) -> None:
    def steps(connection: Connection) -> list[str]:
        query = _given().params(execution=execution.id)
        sql = query.compile(connection, compile_kwargs={"literal_binds": True})
        return [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}")]

    plan = await database.read(steps)
    assert not [step for step in plan if step.startswith("SCAN")]
    assert [step for step in plan if "ix_executions_open_squad" in step]
