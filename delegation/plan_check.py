"""A plan checked, whoever made it: the rules, a model, a person."""

from collections.abc import Iterable

from delegation.dependencies import check
from delegation.errors import PlanError
from delegation.plan import Plan

__all__ = ["check_plan"]

_NAMED = 3  # so many unserved criteria are named in the message


def check_plan(plan: Plan, criteria: Iterable[str] = ()) -> None:
    """Check that a plan can be worked and serves every criterion.

    Args:
        plan: the subtasks and their test cases; roles that there are not never become a ``Plan``.
        criteria: texts of the criteria that some subtask must serve.

    Raises:
        PlanError: there are no subtasks, an id is given twice, a dependency or a tested subtask is not in the plan, the
            dependencies run in a circle, an effort is negative or not finite, a criterion is served by no subtask, or
            a subtask serves one that is none of these.
    """
    if not plan.subtasks:
        raise PlanError("the plan has no subtasks", hint="give it at least one")
    network = check(plan.subtasks)
    for case in plan.test_cases:
        if unknown := [one for one in case.subtask_ids if one not in network.index]:
            raise PlanError(
                f"test case {case.id!r} checks {unknown[0]!r}, which is not in the plan",
                hint="name the subtasks whose deliverables it checks",
            )
    asked = dict.fromkeys(criteria)
    served = dict.fromkeys(text for subtask in plan.subtasks for text in subtask.criteria)
    if asked and (unknown := [text for text in served if text not in asked]):
        raise PlanError(
            f"a subtask serves {unknown[0][:80]!r}, which is no criterion of the task",
            hint="name the task's criteria word for word; another one belongs into the task",
        )
    if unserved := [text for text in asked if text not in served]:
        named = "; ".join(text[:80] for text in unserved[:_NAMED])
        raise PlanError(
            f"{len(unserved)} criteria are served by no subtask: {named}",
            hint="name each criterion, word for word, in the criteria of a subtask",
        )
