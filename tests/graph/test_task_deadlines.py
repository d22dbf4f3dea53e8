"""A task's deadline reaches the schedule, the project manager's word on it and the log, whoever made the plan."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from delegation import Squad, Task
from graph import RunSettings, TaskOrchestrator
from graph.hours import hours_left
from persistence import load_execution, load_logs, utc_now


def task(hours: float | None) -> Task:
    due = utc_now() + timedelta(hours=hours, seconds=30) if hours is not None else None
    return Task(title="Add an endpoint GET /health", acceptance_criteria=["It returns 200"], deadline=due)


async def done(database, store, hours: float | None, approval: str = "pm") -> tuple[dict[str, Any], list[Any], Any]:
    """Run the task and return its summary, its log lines about the deadline and its stored plan."""
    stored = await store(database, task=task(hours), squad=Squad.default())
    orchestrator = TaskOrchestrator(database=database, settings=RunSettings(approval=approval))
    async with database.session() as db:
        key = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    summary = await orchestrator.run(key)
    logs = await database.read(lambda connection: load_logs(connection, key))
    row = await database.read(lambda connection: load_execution(connection, key))
    return summary, [one.text for one in logs if one.event == "deadline"], row


async def approved(database) -> str:
    """Return the project manager's word."""
    query = text("SELECT content FROM messages WHERE content LIKE 'Approved%'")
    return str(await database.read(lambda connection: connection.execute(query).scalar_one()))


@pytest.mark.parametrize(("hours", "is_late"), [(None, False), (500, False), (1, True), (-30, True)])
async def test_what_would_be_late_is_said_and_the_task_is_worked(database, store, hours, is_late):
    summary, logged, _ = await done(database, store, hours)
    assert summary["status"] == "completed"
    assert len(logged) == is_late
    if is_late:
        assert "after the deadline" in logged[0]
        assert logged[0] in await approved(database)
        assert ("which has passed" in logged[0]) == (hours < 0)


async def test_nobody_has_to_approve_for_it_to_be_logged(database, store):
    summary, logged, _ = await done(database, store, 1, approval="none")
    assert (summary["status"], len(logged)) == ("completed", 1)


async def test_a_human_is_told_before_deciding_and_the_plan_holds_no_hours_of_another_day(database, store):
    summary, logged, row = await done(database, store, 1, approval="human")
    (gate,) = summary["gates"]
    assert summary["status"] == "blocked"
    assert logged[0] in gate["metadata"]["reasons"]
    assert logged[0] in gate["details"]
    assert all(one["deadline"] is None for one in row.plan["subtasks"])


def test_hours_left_are_counted_from_now():
    now = utc_now()
    assert hours_left(Task(title="t"), now) is None
    assert hours_left(Task(title="t", deadline=now + timedelta(hours=3)), now) == 3
    assert hours_left(Task(title="t", deadline=now - timedelta(hours=3)), now) == -3
