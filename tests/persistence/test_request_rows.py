"""Requests to whoever drives an execution: honoured in order, each once."""

from typing import Any

from persistence import Database, add_request, close_request, load_request, next_request, requests_waiting
from persistence.base import utc_now


async def test_requests_are_taken_oldest_first_and_closed_once(
    database: Database, execution: Any, new_execution: Any
) -> None:
    other = await database.write(new_execution)

    def story(connection: Any) -> None:
        assert next_request(connection, execution.id) is None
        assert requests_waiting(connection, execution.id) == set()
        first = add_request(connection, execution.id, "block", {"question": "why?"})
        second = add_request(connection, execution.id, "cancel", {})
        theirs = add_request(connection, other.id, "fail", {"error": "ü"})
        assert first < second < theirs
        assert requests_waiting(connection, execution.id) == {"block", "cancel"}
        found = next_request(connection, execution.id)
        assert found is not None
        assert (found.id, found.kind, found.payload, found.status) == (first, "block", {"question": "why?"}, "open")
        assert found.created_at <= utc_now()
        assert close_request(connection, first, "done", {"gate": 1})
        assert not close_request(connection, first, "refused", {"error": "too late"})
        assert not close_request(connection, 10_000, "done", {})
        closed = load_request(connection, first)
        assert (closed.status, closed.outcome, closed.closed_at is not None) == ("done", {"gate": 1}, True)
        assert next_request(connection, execution.id).id == second  # type: ignore[union-attr]
        assert requests_waiting(connection, execution.id) == {"cancel"}
        assert next_request(connection, other.id).id == theirs  # type: ignore[union-attr]

    await database.write(story)


async def test_a_request_outlives_the_process_that_left_it(tmp_path: Any, new_execution: Any) -> None:
    file = str(tmp_path / "squad.db")
    async with await Database.open(file) as database:
        execution = await database.write(new_execution)
        number = await database.write(lambda connection: add_request(connection, execution.id, "block", {"a": [1]}))
    async with await Database.open(file) as database:
        found = await database.read(lambda connection: next_request(connection, execution.id))
    assert found is not None
    assert (found.id, found.payload) == (number, {"a": [1]})
