"""When each subtask has to be done for the task to keep its deadline, and what a schedule makes of that."""

from delegation.dependencies import check
from delegation.plan import Plan, Schedule

__all__ = ["lateness_told", "with_deadlines"]

_SAME = 1e-6
_MOST_NAMED = 12


def with_deadlines(plan: Plan, hours_left: float | None) -> Plan:
    """Return the plan with the latest end of each subtask, given how many hours are left for all of it.

    Each has to end early enough for all that waits for it to keep its own. A deadline of its own stays where it is
    earlier. Where the deadline has passed, hours are below 0; without one (None) the plan is returned as it is.

    Raises:
        PlanError: the plan contradicts itself.
    """
    if hours_left is None:
        return plan
    net = check(plan.subtasks)
    latest = [hours_left] * len(net.subtasks)
    for task in reversed(net.order):
        if (own := net.subtasks[task].deadline) is not None:
            latest[task] = min(own, hours_left)
        for following in net.after[task]:
            latest[task] = min(latest[task], latest[following] - net.subtasks[following].effort)
    dated = [one.model_copy(update={"deadline": when}) for one, when in zip(net.subtasks, latest, strict=True)]
    return plan.model_copy(update={"subtasks": dated})


def lateness_told(schedule: Schedule, plan: Plan) -> str | None:
    """Say what ends after its deadline, and by how much; None where the schedule keeps every deadline.

    Example: "Done after 30 h, 6 h after the deadline: S4 and S5 are late."
    """
    due = {subtask.id: subtask.deadline for subtask in plan.subtasks}
    over = {
        one.subtask_id: one.finish - when
        for one in schedule.assignments
        if (when := due.get(one.subtask_id)) is not None and one.finish > when + _SAME
    }
    if not over:
        return None
    last = max((when for when in due.values() if when is not None), default=0.0)
    if None in due.values() or schedule.makespan <= last + _SAME:  # subtasks' own, and none of the whole plan
        return f"After their deadlines: {_named([f'{one} by {_h(hours)}' for one, hours in over.items()])}."
    passed = ", which has passed" if last <= 0.0 else ""
    after = f"{_h(schedule.makespan - last)} after the deadline{passed}"
    return (
        f"Done after {_h(schedule.makespan)}, {after}: {_named(list(over))} {'is' if len(over) == 1 else 'are'} late."
    )


def _named(words: list[str]) -> str:
    if len(words) > _MOST_NAMED:
        words = [*words[:_MOST_NAMED], f"{len(words) - _MOST_NAMED} more"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _h(hours: float) -> str:
    return f"{round(hours, 2):g} h"
