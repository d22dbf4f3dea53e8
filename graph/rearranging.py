"""Changing plan and squad of an execution that is under way, and scheduling the rest anew.

It is one more intervention: done at once on a parked execution, left as a request for whoever drives it. The row leads,
so the changed plan is stored there; the next transition tells the thread.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, Row

from delegation import (
    AddSubtask,
    CancelSubtask,
    GateKind,
    MemberUnavailable,
    PlanChange,
    PlanError,
    Reassign,
    ReviseEstimate,
)
from graph.engine import Planned
from graph.lifecycle import FINAL_STATES
from graph.rest import Rest
from graph.state import encode
from persistence import Effects

__all__ = ["Rearrange"]


class Rearrange(BaseModel):
    """Change who is there and what is to be done, and schedule the rest from now on with few changes of hands.

    Without changes, the rest is only scheduled anew; ``reason`` says why.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["replan"] = "replan"
    changes: tuple[PlanChange, ...] = ()
    reason: str = ""

    def decide(self, connection: Connection, row: Row[Any]) -> Planned:
        """Check the changes against plan and squad, and store what follows from them."""
        if row.status in FINAL_STATES:
            raise PlanError(f"execution {row.id} has ended, and nothing of it can be changed", hint="start a new one")
        rest = Rest(connection, row)
        if self._changes_work and any(gate.kind == GateKind.APPROVAL for gate in rest.asked):
            raise PlanError(
                "the plan waits for a human's approval, which is for this plan alone",
                hint="answer the question with the decision edit and the changed plan",
            )
        made = rest.changed(self.changes)
        effects = Effects()
        if made.away != (row.away or {}):
            effects.columns["away"] = made.away or None
        is_changed = made.plan != rest.plan
        if is_changed:
            effects.columns |= encode({"plan": made.plan}) | {"amended_at": row.seq}
        text = rest.rescheduled(made, effects, self.changes, self.reason)
        planned = Planned(row.id, None, effects, text, at=row.seq, facts=rest.facts.there(made.away))
        planned.plan = made.plan if is_changed else None
        return rest.led_on(planned, self.changes, text)

    @property
    def _changes_work(self) -> bool:
        return any(isinstance(one, AddSubtask | CancelSubtask | ReviseEstimate) for one in self.changes)

    def ends(self, taken: Mapping[str, str]) -> set[str]:
        """Return which of the subtasks at work, each with its member, somebody else or nobody is to do from now on."""
        ended: set[str] = set()
        for one in self.changes:
            if isinstance(one, MemberUnavailable):
                ended |= {subtask_id for subtask_id, member_id in taken.items() if member_id == one.member_id}
            elif isinstance(one, CancelSubtask | Reassign):
                ended.add(one.subtask_id)
        return ended & taken.keys()
