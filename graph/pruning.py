"""Pruning: what executions that ended long ago no longer need is deleted, a few threads at a time."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from delegation import InputError
from graph.site import sweep_sites
from persistence import Database, free_bytes, held_bytes, prunable_threads, prune_threads, utc_now

__all__ = ["Pruned", "prune"]

BATCH = 20
"""How many threads are pruned in one transaction, so that nobody waits long for the write lock."""


@dataclass(frozen=True)
class Pruned:
    """What was pruned, or would be: how many executions, and how many bytes of the file can be used again."""

    executions: int
    freed_bytes: int
    dry_run: bool = False


async def prune(database: Database, older_than: timedelta, *, dry_run: bool = False) -> Pruned:
    """Delete checkpoints and journal of executions that ended longer ago than that.

    Their log and summary are kept. Working copies of whatever has ended go too, however long ago that was; branches
    stay. Each thread is pruned in one piece, so a prune that is killed has pruned some and
    not the others, and the next one does the rest. With ``dry_run`` nothing is deleted, and the bytes are what the
    checkpoints hold, which is a little less than what the file would gain.

    Raises:
        InputError: the time is not positive.
    """
    if older_than <= timedelta(0):
        raise InputError("only what ended some time ago can be pruned", hint="older_than=timedelta(days=30)")
    before = utc_now() - older_than
    await sweep_sites(database, dry_run=dry_run)
    found = await database.read(partial(prunable_threads, before=before))
    names = list(found)
    batches = [names[start : start + BATCH] for start in range(0, len(names), BATCH)]
    if dry_run:
        sizes = [await database.read(partial(held_bytes, thread_ids=ids)) for ids in batches]
        return Pruned(sum(found.values()), sum(sizes), dry_run=True)
    free_before, executions = await database.read(free_bytes), 0
    for ids in batches:
        executions += await database.write(partial(prune_threads, thread_ids=ids, before=before))
    return Pruned(executions, max(0, await database.read(free_bytes) - free_before))
