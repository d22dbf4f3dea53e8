"""What still says something of the work on a board: the newest of each subtask, its deliverable, and refusals."""

from datetime import timedelta
from typing import Any

from delegation import Deliverable, Outcome, OutcomeStatus
from persistence import Database, Done, Effects, load_present_work, load_work, store_effects, utc_now

DONE, REFUSED, BLOCKED, FAILED = (
    OutcomeStatus.DONE,
    OutcomeStatus.REFUSED,
    OutcomeStatus.BLOCKED,
    OutcomeStatus.FAILED,
)


async def present(database: Database, execution: Any, *ends: tuple[str, OutcomeStatus]) -> list[tuple[str, int]]:
    """Store the ends in that order and return subtask and turn of what is read back."""
    now, turns, work = utc_now(), dict[str, int](), list[Done]()
    for number, (subtask_id, status) in enumerate(ends):
        turns[subtask_id] = turns.get(subtask_id, 0) + 1
        made = Deliverable(kind="work_order", title="t", body=str(number)) if status == DONE else None
        at = now + timedelta(seconds=number)
        outcome = Outcome(status=status, deliverable=made)
        work.append(Done(subtask_id, "dev", 1, turns[subtask_id], outcome, at, at))
    await database.write(lambda connection: store_effects(connection, execution.id, Effects(work=work)))
    found = await database.read(lambda connection: load_present_work(connection, execution.id))
    every = await database.read(lambda connection: load_work(connection, execution.id))
    assert [one for one in every if one in found] == found  # whole, and oldest first
    return [(one.subtask_id, one.turn) for one in found]


async def test_only_the_newest_of_each_subtask_is_read(database: Database, execution: Any) -> None:
    ends = [("S1", DONE), ("S2", DONE), ("S1", DONE), ("S1", DONE), ("S2", DONE)]
    assert await present(database, execution, *ends) == [("S1", 3), ("S2", 2)]


async def test_every_refusal_is_read_and_none_twice(database: Database, execution: Any) -> None:
    ends = [("S1", REFUSED), ("S1", REFUSED), ("S1", DONE), ("S1", DONE), ("S2", REFUSED)]
    assert await present(database, execution, *ends) == [("S1", 1), ("S1", 2), ("S1", 4), ("S2", 1)]


async def test_the_newest_deliverable_is_read_behind_an_end_that_has_none(database: Database, execution: Any) -> None:
    ends = [("S1", DONE), ("S1", DONE), ("S1", BLOCKED), ("S1", FAILED), ("S2", FAILED)]
    assert await present(database, execution, *ends) == [("S1", 2), ("S1", 4), ("S2", 1)]


async def test_nothing_is_read_where_nothing_was_done(database: Database, execution: Any) -> None:
    assert await present(database, execution) == []
