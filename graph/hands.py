"""Hands for whoever is called: a member works in a copy of its own, and whoever judges reads the branch as it is.

What a member changed becomes one commit on the execution's branch. Should others have changed the same meanwhile, the
member works again from where the branch is now, and after that a human is asked.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from agents import Brief
from agents.workspace import Author, Commit, Conflict, CopyHands, Mark
from delegation import Deliverable, Finding, Outcome, OutcomeStatus
from graph.site import Site, site_of
from graph.step import Step
from persistence import Record

__all__ = ["judging", "worked"]

MOST_CONFLICTS = 2
"""How often a member is called again about conflicts before a human is asked."""

SHOWN_DIFF = 6_000
"""How much of its own change a member is shown again, in characters."""

Call = Callable[[Brief, CopyHands | None], Awaitable[Any]]


@asynccontextmanager
async def judging(step: Step) -> AsyncIterator[CopyHands | None]:
    """Give whoever judges in this step hands that read the branch, for as long as that takes."""
    site = await site_of(step)
    if site is None:
        yield None
        return
    name = f"{step.node}-{step.state['seq']}"
    hands = site.judging(name, partial(_kept, step, name))
    try:
        yield hands
    finally:
        await hands.discard()


async def worked(step: Step, brief: Brief, turn: int, call: Call) -> Any:
    """Have a subtask worked with hands of its member's own, and return what came of it, the commit included.

    Args:
        step: the board's.
        brief: what the member is handed.
        turn: how often work on the subtask will have ended with this time.
        call: calls the member's agent with a brief and hands.
    """
    site = await site_of(step)
    if site is None:
        return await call(brief, None)
    mark = Mark(str(step.execution_id), brief.subtask.id, step.round, turn)
    conflicts: list[Conflict] = []
    while True:
        scope = f"{mark.subtask}#{mark.turn}.{len(conflicts)}"
        hands = site.working(mark, len(conflicts), partial(_kept, step, scope))
        try:
            outcome = _without_change(await call(brief, hands))
            landed = await _landed(step, site, hands, mark, brief, outcome)
            if not isinstance(landed, Conflict):
                return outcome if landed is None else await _with_change(site, outcome, brief, landed)
        finally:
            await hands.discard()
        conflicts.append(landed)
        if len(conflicts) > MOST_CONFLICTS:
            return _given_up(conflicts)
        brief = _with_conflict(brief, landed)


def _without_change(outcome: Any) -> Any:
    """Return an outcome without the commit that it names: which one it is, git says, and no agent."""
    made = outcome.deliverable if isinstance(outcome, Outcome) else None
    if made is None or made.change is None:
        return outcome
    return outcome.model_copy(update={"deliverable": made.model_copy(update={"change": None})})


async def _landed(
    step: Step, site: Site, hands: CopyHands, mark: Mark, brief: Brief, outcome: Any
) -> Commit | Conflict | None:
    """Bring what a member has done onto the branch; work that is not done leaves nothing there."""
    if not isinstance(outcome, Outcome) or outcome.status is not OutcomeStatus.DONE:
        return None
    if hands.copy is None:  # not even looked at
        return await site.workspace.landed(mark)
    # a commit is stored as any row is: by nobody whose lease is lost
    await step.write(lambda _: None)
    author = Author(brief.member.id, brief.member.name)
    return await site.workspace.land(hands.copy, mark, brief.subtask.title, author)


async def _with_change(site: Site, outcome: Outcome, brief: Brief, commit: Commit) -> Outcome:
    made = outcome.deliverable or Deliverable(kind="change", title=brief.subtask.title, body=outcome.note)
    change = await site.workspace.change_of(commit)
    return outcome.model_copy(update={"deliverable": made.model_copy(update={"change": change})})


async def _kept(step: Step, scope: str, key: str, told: str) -> str:
    """Store what a run gave back, unless the same run of the same piece of work is stored; return what is stored."""
    kept = await step.keep(Record(f"run:{step.execution_id}", f"{scope}:{key}", {"told": told}))
    return str(kept["told"])


def _with_conflict(brief: Brief, conflict: Conflict) -> Brief:
    """Return the brief of somebody whose change did not fit: what it was, and what stood against it."""
    message = (
        f"Your change was not committed: {conflict}. Your working copy is now at the newest commit, which holds their "
        f"change and not yours; make yours again so that both hold. What you had changed in these files:\n"
        f"{conflict.own_diff[:SHOWN_DIFF]}"
    )
    finding = Finding(subtask_id=brief.subtask.id, message=message, file=conflict.files[0])
    return brief.model_copy(update={"findings": [*brief.findings, finding], "attempt": brief.attempt + 1})


def _given_up(conflicts: list[Conflict]) -> Outcome:
    last = conflicts[-1]
    question = (
        f"After {len(conflicts)} tries {last}. How shall both changes go together? "
        f"What the branch holds now stays; the answer goes to the member, who begins again from there."
    )
    return Outcome(status=OutcomeStatus.BLOCKED, note=str(last), question=question)
