"""Leases: one driver at a time, and a dead one's execution is taken over."""

import asyncio
import os
import signal
import socket
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, text

from delegation import ExecutionBusy, NotFound
from persistence import Database, lease, load_execution, utc_now
from persistence.base import table
from persistence.lease import LEASE_S, Owner
from persistence.tables import ExecutionRow

# Takes the lease of the execution, says so, and lives until it is killed or its input ends.
DRIVE = """
import asyncio, sys
from uuid import UUID
from persistence import Database, lease

async def main(file, execution_id):
    async with await Database.open(file) as database:
        owner = lease.Owner.new()
        await database.write(lambda connection: lease.acquire(connection, UUID(execution_id), owner))
        print(owner, flush=True)
        sys.stdin.read()

asyncio.run(main(*sys.argv[1:]))
"""


async def acquire(database: Database, execution: Any, owner: Owner) -> int:
    epoch, row = await database.write(lambda connection: lease.acquire(connection, execution.id, owner))
    assert row.id == execution.id
    return epoch


async def row_of(database: Database, execution: Any) -> Any:
    return await database.read(lambda connection: load_execution(connection, execution.id))


async def driver_of(database: Database, execution: Any) -> Owner | None:
    return await database.read(lambda connection: lease.driver(connection, execution.id))


async def expire(database: Database) -> None:
    past = table(ExecutionRow).update().values(lease_until=utc_now() - timedelta(milliseconds=1))
    await database.write(lambda connection: connection.execute(past))


async def test_a_free_execution_is_taken_for_ten_seconds_under_a_new_epoch(database: Database, execution: Any) -> None:
    owner = Owner.new()
    assert await driver_of(database, execution) is None
    before = utc_now()
    assert await acquire(database, execution, owner) == 1
    row = await row_of(database, execution)
    assert (row.lease_owner, row.lease_epoch, row.status, row.seq) == (str(owner), 1, "pending", 0)
    assert LEASE_S == 10
    assert before + timedelta(seconds=LEASE_S) <= row.lease_until <= utc_now() + timedelta(seconds=LEASE_S)
    assert await driver_of(database, execution) == owner


async def test_the_epoch_grows_with_every_driver(database: Database, execution: Any) -> None:
    for epoch in (1, 2, 3):
        assert await acquire(database, execution, Owner.new()) == epoch
        await database.write(lambda connection, epoch=epoch: lease.release(connection, execution.id, epoch))
        assert await driver_of(database, execution) is None
    owner = Owner.new()
    assert [await acquire(database, execution, owner) for _ in range(2)] == [4, 5]  # its own, taken again


async def test_another_driver_of_this_process_is_busy(database: Database, execution: Any) -> None:
    await acquire(database, execution, Owner.new())
    with pytest.raises(ExecutionBusy, match=f"is being driven by process {os.getpid()}$") as raised:
        await acquire(database, execution, Owner.new())
    assert raised.value.until is None
    assert (await row_of(database, execution)).lease_epoch == 1


async def test_renewing_extends_ones_own_leases_alone(database: Database, execution: Any, new_execution: Any) -> None:
    other = await database.write(new_execution)
    mine, theirs = Owner.new(), Owner.new()
    await acquire(database, execution, mine)
    await acquire(database, other, theirs)
    await expire(database)  # both
    ids = [execution.id, other.id, uuid4()]
    await database.write(lambda connection: lease.renew(connection, mine, ids))
    assert (await row_of(database, execution)).lease_until > utc_now()
    assert (await row_of(database, other)).lease_until < utc_now()
    await database.write(lambda connection: lease.renew(connection, mine, []))
    assert await acquire(database, other, mine) == 2  # it ran out
    await database.write(lambda connection: lease.renew(connection, theirs, ids))  # lost stays lost
    assert (await row_of(database, other)).lease_owner == str(mine)


async def test_releasing_a_lease_that_was_taken_over_leaves_the_new_one(database: Database, execution: Any) -> None:
    await acquire(database, execution, Owner.new())
    await expire(database)
    owner = Owner.new()
    assert await acquire(database, execution, owner) == 2
    await database.write(lambda connection: lease.release(connection, execution.id, 1))
    assert await driver_of(database, execution) == owner


async def test_a_living_process_keeps_its_execution_and_a_killed_ones_is_taken_at_once(
    database: Database, execution: Any, process: Any
) -> None:
    running = process(DRIVE, database._url.database, execution.id)
    holder = Owner.parse((await asyncio.to_thread(running.stdout.readline)).strip())
    assert holder.pid == running.pid
    with pytest.raises(ExecutionBusy, match=f"is being driven by process {running.pid}$") as raised:
        await acquire(database, execution, Owner.new())
    assert raised.value.until is None
    assert await driver_of(database, execution) == holder
    running.send_signal(signal.SIGKILL)
    await asyncio.to_thread(os.waitid, os.P_PID, running.pid, os.WEXITED | os.WNOWAIT)  # dead, and a zombie yet
    assert (await row_of(database, execution)).lease_until > utc_now()
    assert await driver_of(database, execution) is None
    assert await acquire(database, execution, Owner.new()) == 2
    assert (running.wait(), holder.is_dead()) == (-signal.SIGKILL, True)  # and now there is no such process


async def test_an_owner_whose_process_id_is_used_again_is_dead(database: Database, execution: Any) -> None:
    namesake = replace(Owner.new(), born=Owner.new().born - 100)
    await acquire(database, execution, namesake)
    assert await driver_of(database, execution) is None
    assert await acquire(database, execution, Owner.new()) == 2


async def test_another_hosts_lease_is_waited_out(database: Database, execution: Any) -> None:
    elsewhere = Owner(host="elsewhere", pid=1, born=0.0, name="x")
    await acquire(database, execution, elsewhere)
    row = await row_of(database, execution)
    assert not elsewhere.is_dead()
    with pytest.raises(ExecutionBusy, match=r"by process 1 on elsewhere$") as raised:
        await acquire(database, execution, Owner.new())
    assert raised.value.until == row.lease_until
    assert await driver_of(database, execution) == elsewhere
    await expire(database)
    assert await driver_of(database, execution) is None
    assert await acquire(database, execution, Owner.new()) == 2


@pytest.mark.parametrize("status", ["completed", "failed"])
async def test_an_ended_execution_needs_no_lease(database: Database, new_execution: Any, status: str) -> None:
    execution = await database.write(lambda connection: new_execution(connection, status))
    assert await acquire(database, execution, Owner.new()) == 0
    assert (await row_of(database, execution)).lease_owner is None


async def test_a_missing_execution_is_not_found(database: Database) -> None:
    with pytest.raises(NotFound, match="there is no execution"):
        await database.write(lambda connection: lease.acquire(connection, uuid4(), Owner.new()))
    assert await database.read(lambda connection: lease.driver(connection, uuid4())) is None


async def test_of_many_that_want_a_lease_at_once_one_gets_it(tmp_path: Any, new_execution: Any) -> None:
    file = str(tmp_path / "squad.db")
    async with await Database.open(file) as one, await Database.open(file) as other:
        execution = await one.write(new_execution)

        async def attempt(database: Database) -> bool:
            try:
                await acquire(database, execution, Owner.new())
            except ExecutionBusy:
                return False
            return True

        assert (await asyncio.gather(*map(attempt, [one, other] * 10))).count(True) == 1


@pytest.mark.parametrize("host", [socket.gethostname(), "with|bar", "säule", ""])
def test_an_owner_survives_being_written_down(host: str) -> None:
    owner = replace(Owner.new(), host=host)
    assert Owner.parse(str(owner)) == owner


async def test_an_owner_in_the_row_is_text(database: Database, execution: Any) -> None:
    owner = Owner.new()
    await acquire(database, execution, owner)

    def stored(connection: Connection) -> Any:
        return connection.execute(text("SELECT lease_owner FROM executions")).scalar()

    assert Owner.parse(await database.read(stored)) == owner
