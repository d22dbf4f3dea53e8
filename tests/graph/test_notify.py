"""Notifications: from the outbox to a real receiver on loopback, at least once each, and in nobody's way."""

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from receiver import Receiver, gone
from sqlalchemy import select

from delegation import ConfigurationError, InputError
from graph import TaskOrchestrator
from graph.notice_text import notice_text
from graph.notify import Delivered, Notifier
from graph.sinks import Sinks
from persistence import Database, outbox, utc_now
from persistence.base import table
from persistence.tables import OutboxRow


@pytest.fixture
async def ask(database, orchestrator, store):
    """``await ask("Which hash?")`` opens a gate on an execution of its own and returns it."""

    async def asked(question: str, title: str = "Implement user login"):
        stored = await store(database, title)
        async with database.session() as db:
            execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
            return await orchestrator.handle_blocker(db=db, execution_id=execution_id, blocker_description=question)

    return asked


async def queue(database: Database):
    return await database.read(lambda connection: connection.execute(select(table(OutboxRow))).all())


def quick(*receivers: Receiver | str, **more: float) -> Sinks:
    urls = {f"sink-{i}": getattr(one, "url", one) for i, one in enumerate(receivers)}
    return Sinks(urls=urls, **({"backoff_s": 0.001, "ceiling_s": 0.004} | more))


async def come(receiver: Receiver, count: int) -> None:
    await asyncio.to_thread(receiver.wait_for, count)


async def test_a_sink_that_fails_the_first_two_times_gets_the_notification_once(database, ask):
    gate = await ask("Which hash?")
    with Receiver([500, 503]) as receiver:
        notifier = Notifier(quick(receiver), database)
        notifier.kick()
        await come(receiver, 3)
        await notifier.close()
        assert receiver.statuses == [500, 503, 200]
        (row,) = await queue(database)
        assert (row.gate_id, row.event, row.sink, row.attempts, row.error) == (gate.id, "opened", "sink-0", 3, None)
        assert row.sent_at is not None
        assert await Notifier(quick(receiver), database).deliver() == Delivered()
    (post, *_) = receiver.posts
    assert post["title"] == "blocker: Implement user login"
    assert "Which hash?" in post["message"]
    assert f'squad answer {gate.execution_id} {gate.id} "…"' in post["message"]
    assert f"squad status {gate.execution_id}" in post["message"]


async def test_a_sink_that_hangs_or_is_gone_or_unknown_does_not_hold_up_another(database, ask, caplog):
    await ask("Which hash?")
    with Receiver([0]) as hanging, Receiver() as well:
        sinks = quick(hanging, gone(), "nosuchkind://x/s3cret-token", well, limit_s=0.2, attempts=2)
        with caplog.at_level(logging.DEBUG):
            first = await Notifier(sinks, database).deliver()
            assert first == Delivered(sent=1, failed=3)
            assert len(well.taken) == 1
            later = Notifier(sinks, database, now=lambda: utc_now() + timedelta(hours=1))
            assert await later.deliver() == Delivered(failed=3)  # and now they are given up
            assert await later.deliver() == Delivered()
        assert len(hanging.posts) == 1  # its call is still out, so there is no second one
    rows = {row.sink: row for row in await queue(database)}
    assert {name for name, row in rows.items() if row.given_up_at} == {"sink-0", "sink-1", "sink-2"}
    assert rows["sink-0"].error == "an earlier call hangs still"
    told = [record.getMessage() for record in caplog.records if record.name == "squad.notify"]
    assert sum("given up" in line for line in told) == 3
    assert any("did not answer within 0.2 s" in line for line in told)


async def test_no_url_and_no_secret_is_stored_logged_or_shown(database, ask, caplog, capfd, tmp_path):
    await ask("Which hash?")
    with Receiver([500]) as receiver, caplog.at_level(logging.DEBUG):
        logging.getLogger("urllib3.connectionpool").setLevel(logging.DEBUG)
        sinks = quick(receiver, gone(), "json://user:s3cret-token@")
        await Notifier(sinks, database).deliver()
        assert "s3cret-token" not in repr(sinks)
    logged = caplog.text + "".join(capfd.readouterr())
    assert "s3cret" not in logged
    assert "127.0.0.1" not in logged
    async with database.session() as db:
        await db.connection()
    assert all(b"s3cret" not in file.read_bytes() for file in tmp_path.iterdir())


async def test_a_gate_that_was_answered_before_anybody_looked_is_not_told(database, orchestrator, ask):
    gate = await ask("Which hash?")
    await orchestrator.answer(gate.execution_id, gate.id, text="argon2id")
    with Receiver() as receiver:
        assert await Notifier(quick(receiver), database).deliver() == Delivered()
    assert await queue(database) == []


async def test_one_that_is_answered_while_a_sink_fails_is_not_tried_again(database, orchestrator, ask):
    gate = await ask("Which hash?")
    with Receiver([500]) as receiver:
        await Notifier(quick(receiver), database).deliver()
        await orchestrator.answer(gate.execution_id, gate.id, text="argon2id")
        later = Notifier(quick(receiver), database, now=lambda: utc_now() + timedelta(hours=1))
        assert await later.deliver() == Delivered()
        assert receiver.statuses == [500]


async def test_of_several_who_deliver_at_the_same_time_one_sends_each_notification(database, ask, tmp_path):
    gates = [await ask(f"Question {number}?") for number in range(4)]
    with Receiver() as receiver:
        async with await Database.open(str(tmp_path / "squad.db")) as other:
            several = [Notifier(quick(receiver, backoff_s=60), one) for one in (database, database, other, other)]
            results = await asyncio.gather(*(one.deliver() for one in several))
        assert sum(one.sent for one in results) == len(gates)
        assert sum(one.failed for one in results) == 0
        assert len(receiver.taken) == len(set(receiver.taken)) == len(gates)


async def test_sinks_may_be_shared_by_several_who_deliver(database, ask):
    for number in range(8):
        await ask(f"Question {number}?")
    with Receiver() as receiver:
        sinks = quick(receiver, backoff_s=60)
        results = await asyncio.gather(*(Notifier(sinks, database).deliver() for _ in range(4)))
        assert (sum(one.sent for one in results), sum(one.failed for one in results)) == (8, 0)
        assert len(set(receiver.taken)) == len(receiver.taken) == 8


async def test_a_claim_that_nobody_settled_is_sent_after_its_time(database, ask):
    """At least once: whoever claimed it may have died, before or after the sink took it."""
    await ask("Which hash?")
    with Receiver() as receiver:
        names, now = ["sink-0"], utc_now()
        await database.write(lambda connection: outbox.fill(connection, names, now))
        (notice,) = await database.read(lambda connection: outbox.due(connection, names, now, 9))
        until = now + timedelta(seconds=60)
        assert await database.write(lambda connection: outbox.claim(connection, notice, until))
        assert not await database.write(lambda connection: outbox.claim(connection, notice, until))
        assert await Notifier(quick(receiver), database).deliver() == Delivered()
        later = Notifier(quick(receiver), database, now=lambda: until + timedelta(seconds=1))
        assert await later.deliver() == Delivered(sent=1)


async def test_one_that_is_always_refused_does_not_stand_in_the_way_of_the_others(database, ask):
    for number in range(3):
        await ask(f"Question {number}?")
    with Receiver([413, 200, 200, 413]) as receiver:
        clock = [utc_now()]
        notifier = Notifier(quick(receiver), database, now=lambda: clock[0])
        assert await notifier.deliver() == Delivered(failed=1)
        assert await notifier.deliver() == Delivered()  # the sink is left alone for a while
        clock[0] += timedelta(seconds=1)
        assert await notifier.deliver() == Delivered(sent=2, failed=1)
    assert [text.split("\n")[0] for text in receiver.taken] == ["Question 1?", "Question 2?"]


async def test_the_end_of_the_database_lets_one_delivery_end_and_waits_no_longer(tmp_path, store):
    with Receiver([0]) as hanging, Receiver() as well:
        async with await Database.open(str(tmp_path / "closing.db")) as database:
            orchestrator = TaskOrchestrator(database=database)
            stored = await store(database)
            async with database.session() as db:
                execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
                await orchestrator.handle_blocker(db=db, execution_id=execution_id, blocker_description="Which?")
            Notifier(quick(well, hanging, limit_s=0.2, backoff_s=600, ceiling_s=600), database).kick()
        assert len(well.taken) == 1
        await come(hanging, 1)


async def test_hostile_text_is_only_text(ask):
    gate = await ask(
        "Which \x1b[31mhash\x07?\u202e @everyone <!channel> **bold** " + "x" * 5_000, title="A\x1b]0;b\x07\nc"
    )
    notice = outbox.Notice(1, "team", "reminder", 0, gate, "A\x1b]0;b\x07 @here")
    title, body = notice_text(replace(notice, gate=gate.model_copy(update={"details": "one\n\x9b2Jtwo\n" * 900})))
    assert title == "Reminder: blocker: A @\u200bhere"
    assert all(char.isprintable() or char in "\n\u200b" for char in body)
    assert "@everyone" not in body
    assert "<!channel" not in body
    assert len(body) < 5_000
    assert body.endswith(f'squad answer {gate.execution_id} {gate.id} "…"')
    assert UUID(body.split()[-3]) == gate.execution_id


@pytest.mark.parametrize(
    "given",
    [
        "json://s3cret/",
        "team",
        "=json://s3cret/",
        "a team=json://s3cret/",
        "team=s3cret",
        "a=json://x b=json://s3cret a=json://y",
    ],
)
def test_what_names_no_sink_is_refused_without_showing_it(given):
    with pytest.raises(InputError) as refused:
        Sinks.parse(given)
    assert "s3cret" not in f"{refused.value} {refused.value.hint} {refused.value!r}"


def test_sinks_are_read_from_the_environments_form():
    sinks = Sinks.parse(" team=json://127.0.0.1:9/?a=b\n boss=mailto://u:p@example.org ")
    assert dict(sinks.urls) == {"team": "json://127.0.0.1:9/?a=b", "boss": "mailto://u:p@example.org"}
    assert Sinks.of(None) is Sinks.of({}) is None
    assert Sinks.of(sinks) is sinks


def test_a_missing_package_is_named_with_what_to_do(monkeypatch):
    monkeypatch.setattr("graph.sinks.find_spec", lambda _name: None)
    with pytest.raises(ConfigurationError, match="apprise") as refused:
        Sinks(urls={"team": "json://127.0.0.1/"})
    assert refused.value.hint == "pip install 'squad-graph[notify]'"


def test_waits_double_up_to_a_ceiling():
    sinks = Sinks(urls={}, backoff_s=5, ceiling_s=60)
    assert [sinks.wait_after(attempts) for attempts in (1, 2, 3, 4, 5, 1_000)] == [5, 10, 20, 40, 60, 60]
