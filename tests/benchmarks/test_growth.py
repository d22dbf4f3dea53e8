"""An execution does not grow as it goes on: neither what a round stores, nor what the next one reads."""

from pathlib import Path
from uuid import UUID

import pytest
from growth import reworked

from persistence import Database, load_present_work, load_work
from persistence.base import table
from persistence.tables import ExecutionRow


@pytest.mark.timeout(120)
async def test_late_rounds_of_rework_take_as_many_bytes_as_early_ones_and_read_as_few_outcomes(tmp_path: Path) -> None:
    file = tmp_path / "squad.db"
    gauge = await reworked(file, 50)
    early, late = gauge.per_transition(5, 15), gauge.per_transition(40, 50)
    assert early > 5_000
    assert late == pytest.approx(early, rel=0.1)  # pages of 4096 bytes, some 120 of them in each window

    async with await Database.open(str(file)) as database:
        ids = await database.read(lambda connection: list(connection.execute(table(ExecutionRow).select())))
        execution_id = UUID(str(ids[0].id))
        every = await database.read(lambda connection: load_work(connection, execution_id))
        present = await database.read(lambda connection: load_present_work(connection, execution_id))
    assert len(every) == 53
    newest = {done.subtask_id: done for done in every}
    assert present == sorted(newest.values(), key=lambda done: done.at)
