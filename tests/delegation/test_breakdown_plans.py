"""Plans out of requirements: who, in which order, for which criteria."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delegation import (
    Criterion,
    DelegationEngine,
    Plan,
    PlanError,
    Priority,
    Requirements,
    Role,
    Squad,
    Subtask,
    SubtaskKind,
    Task,
    TaskType,
    check_plan,
)
from delegation.breakdown import AREA_NAMES
from delegation.dependencies import check
from delegation.effort import estimate_of
from delegation.urgency import priority_of

ENGINE = DelegationEngine()


def plan(title: str, description: str = "", criteria: list[str] | None = None) -> Plan:
    return ENGINE.break_down_task(Task(title=title, description=description, acceptance_criteria=criteria or []))


def by_role(found: Plan, role: Role, kind: SubtaskKind = SubtaskKind.IMPLEMENTATION) -> list[Subtask]:
    return [one for one in found.subtasks if one.role is role and one.kind is kind]


def test_user_authentication_takes_back_end_front_end_and_a_tester_after_them() -> None:
    found = plan("Implement user authentication")
    (back,), (front,) = by_role(found, Role.BACKEND_DEVELOPER), by_role(found, Role.FRONTEND_DEVELOPER)
    (tester,) = by_role(found, Role.TESTER, SubtaskKind.TEST)
    assert back.id in front.depends_on
    assert {back.id, front.id} <= set(tester.depends_on)
    assert [one.id for one in found.subtasks] == [f"S{number}" for number in range(1, len(found.subtasks) + 1)]
    assert found.subtasks[-1] == tester


def test_a_front_end_task_has_no_back_end() -> None:
    found = plan("Dark mode for the settings page")
    assert {one.role for one in found.subtasks} == {Role.FRONTEND_DEVELOPER, Role.TESTER}


def test_a_question_is_answered_and_checked_and_not_documented() -> None:
    found = plan("How do I log in?")
    assert [one.kind for one in found.subtasks] == [SubtaskKind.ANSWER, SubtaskKind.TEST]


def test_a_documentation_task_is_documented_and_then_tested() -> None:
    found = plan("Update the README")
    assert [one.kind for one in found.subtasks] == [SubtaskKind.DOCUMENTATION, SubtaskKind.TEST]
    assert found.subtasks[1].depends_on == ["S1"]
    assert found.subtasks[0].criteria == ["Update the README"]


def test_a_hard_task_agrees_on_the_interface_so_that_both_sides_work_at_once() -> None:
    text = "It has a web page and an API. Security matters; concurrent sign-ups race. Existing data is migrated."
    found = plan("Implement user authentication", text, [f"The API does thing {number}" for number in range(16)])
    first = found.subtasks[0]
    assert first.kind is SubtaskKind.DESIGN
    back, front = by_role(found, Role.BACKEND_DEVELOPER), by_role(found, Role.FRONTEND_DEVELOPER)
    assert all(first.id in one.depends_on for one in [*back, *front])
    assert not {one.id for one in back} & {name for one in front for name in one.depends_on}
    assert {one.id for one in [*back, *front]} <= set(found.subtasks[-1].depends_on)


def test_five_hundred_criteria_are_shared_out_among_few_subtasks() -> None:
    criteria = [
        f"{('The page', 'The API', 'The documentation', 'It')[number % 4]} does {number}" for number in range(500)
    ]
    found = plan("Rebuild the web page and its API", "Security, concurrency, migration, performance.", criteria)
    assert 3 <= len(found.subtasks) <= 12
    work = [one for one in found.subtasks if one.kind is not SubtaskKind.TEST]
    assert {text for one in work for text in one.criteria} == set(criteria)
    (docs,) = (one for one in work if one.kind is SubtaskKind.DOCUMENTATION)
    assert set(docs.criteria) == {text for text in criteria if text.startswith("The documentation")}
    assert found.subtasks[-1].criteria == criteria


def test_priority_and_estimates_come_from_the_task() -> None:
    found = ENGINE.break_down_task(Task(title="Add an orders API", priority=Priority.URGENT))
    assert {one.priority for one in found.subtasks} == {Priority.URGENT}
    for one in found.subtasks:
        assert one.estimate is not None
        low, likely, high = one.estimate
        assert 0 < low <= likely == one.effort <= high


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        (["Orders are listed"], Priority.NORMAL),
        (["Critical: orders are listed", "The page is fast"], Priority.HIGH),
        (["Orders are listed (must have)", "Nice to have: sorting"], Priority.HIGH),
        (["Nice to have: sorting", "It would be nice to filter"], Priority.LOW),
        (["Nice to have: sorting", "Orders are listed"], Priority.NORMAL),
        (["Sorting (optional)"], Priority.LOW),
        (["This is not urgent: high priority comes later"], Priority.LOW),
        (["The field is optional", "Critical errors are logged", "It could fail later"], Priority.NORMAL),
        ([], Priority.NORMAL),
    ],
)
def test_priority_follows_what_the_criteria_say_of_themselves(criteria: list[str], expected: Priority) -> None:
    assert priority_of(Priority.NORMAL, criteria) == expected


def test_the_ladder_of_priorities_ends_at_both_ends() -> None:
    assert priority_of(Priority.URGENT, ["P0: now"]) is Priority.URGENT
    assert priority_of(Priority.LOW, ["Bonus: one more"]) is Priority.LOW


def test_each_subtask_is_as_urgent_as_the_criteria_that_it_serves() -> None:
    text = "A web page and an API endpoint."
    criteria = ["Critical: the API endpoint answers within a second", "Nice to have: the page has icons"]
    found = plan("Orders API and page", text, criteria)
    (back,), (front,) = by_role(found, Role.BACKEND_DEVELOPER), by_role(found, Role.FRONTEND_DEVELOPER)
    assert (back.priority, front.priority, found.subtasks[-1].priority) == (Priority.HIGH, Priority.LOW, Priority.HIGH)


@settings(deadline=None)
@given(st.lists(st.sampled_from(sorted(AREA_NAMES)), unique=True), st.sampled_from(list(TaskType)), st.integers(1, 10))
def test_no_subtask_depends_on_one_that_is_not_there(areas: list[str], kind: TaskType, complexity: int) -> None:
    criteria = [Criterion(text=f"{one} {n}", source="stated") for n in range(9) for one in (*areas, "it")]
    requirements = Requirements(type=kind, complexity=complexity, areas=areas, criteria=criteria)
    found = ENGINE.break_down_task(Task(title="Do it"), requirements)
    check_plan(found, [one.text for one in criteria])
    for one in found.subtasks:
        assert one.estimate is not None
        assert 0 < one.estimate[0] <= one.estimate[1] <= one.estimate[2]
    if areas == ["frontend"] and kind is not TaskType.DOCUMENTATION:
        assert Role.BACKEND_DEVELOPER not in {one.role for one in found.subtasks}


def test_estimates_grow_with_complexity_criteria_and_questions() -> None:
    kind = SubtaskKind.IMPLEMENTATION
    assert estimate_of(kind, 9)[1] > estimate_of(kind, 2)[1]
    assert estimate_of(kind, 5, criteria=9)[1] > estimate_of(kind, 5)[1]
    assert estimate_of(kind, 5, criteria=5_000)[1] <= 2 * estimate_of(kind, 5)[1]
    assert estimate_of(kind, 5, open_questions=4)[2] > estimate_of(kind, 5)[2]


@pytest.mark.parametrize(
    "title", ["Implement user authentication", "Dark mode", "How do I log in?", "Deploy it to AWS"]
)
def test_the_default_squad_can_do_every_plan(title: str) -> None:
    found = plan(title)
    proposal = ENGINE.assign(found, Squad.default().members)
    assert proposal.unassigned == []
    assert {one.subtask_id for one in proposal.assignments} == {one.id for one in found.subtasks}
    roles = {member.id: member.role for member in Squad.default().members}
    assert all(roles[one.member_id] is found.subtask(one.subtask_id).role for one in proposal.assignments)
    assert ENGINE.assign(found.subtasks, Squad.default().members) == proposal


def test_plans_are_the_same_each_time() -> None:
    assert plan("Implement user authentication") == plan("Implement user authentication")


def test_a_plan_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(PlanError, match="S9"):
        check([Subtask(id="S1", title="x", depends_on=["S9"])])
