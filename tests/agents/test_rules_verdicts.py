"""No check is a constant: whatever is taken away from a good result is found by review and test, and named."""

from uuid import UUID

import pytest

from agents import Brief
from agents.rules import RuleDeveloper, RuleProjectManager, RuleTechLead, RuleTester
from delegation import (
    Assignment,
    DelegationEngine,
    Finding,
    Outcome,
    OutcomeStatus,
    Plan,
    Requirements,
    Role,
    Schedule,
    Squad,
    SquadMember,
    SubtaskKind,
    Task,
    Unassigned,
)
from delegation import TestCase as Case

TASK = Task(
    title="Add a login page and a login API",
    description="Use `POST /login`.",
    acceptance_criteria=["Given a user, when the API gets a wrong password, then it returns 401", "The page is blue"],
)
MANAGER, LEAD, TESTER, DEVELOPER = (
    RuleProjectManager(),
    RuleTechLead(),
    RuleTester(),
    RuleDeveloper(Role.BACKEND_DEVELOPER),
)
API, PAGE = TASK.acceptance_criteria
MEMBERS = Squad.default().members


async def planned(task: Task = TASK) -> tuple[Requirements, Plan]:
    requirements = await LEAD.assess(task, await MANAGER.analyze(task))
    plan = await LEAD.estimate(await MANAGER.break_down(task, requirements), requirements)
    return requirements, await TESTER.plan_tests(plan, requirements)


def brief(task: Task, requirements: Requirements, plan: Plan, subtask_id: str) -> Brief:
    return Brief(
        execution_id=UUID(int=1),
        task=task,
        requirements=requirements,
        plan=plan,
        subtask=plan.subtask(subtask_id),
        member=MEMBERS[2],
    )


async def worked(task: Task = TASK) -> tuple[Requirements, Plan, dict[str, Outcome]]:
    requirements, plan = await planned(task)
    outcomes = {one.id: await DEVELOPER.work(brief(task, requirements, plan, one.id)) for one in plan.subtasks}
    return requirements, plan, outcomes


def without_criterion(outcome: Outcome, criterion: str) -> Outcome:
    assert outcome.deliverable is not None
    left = [text for text in outcome.deliverable.criteria if text != criterion]
    return outcome.model_copy(update={"deliverable": outcome.deliverable.model_copy(update={"criteria": left})})


def named(findings: list[Finding]) -> set[tuple[str | None, str | None]]:
    return {(finding.subtask_id, finding.criterion) for finding in findings}


async def test_a_whole_result_passes() -> None:
    requirements, plan, outcomes = await worked()
    review, report = await LEAD.review(plan, requirements, outcomes), await TESTER.execute(plan, outcomes)
    assert review.approved
    assert report.passed
    assert [result.case_id for result in report.results] == ["T1", "T2"]
    assert report.results[0].evidence == (
        "traceability: covered by the work order of S1 (backend_developer); no code was run"
    )


async def test_a_deliverable_that_leaves_a_criterion_out_is_sent_back() -> None:
    requirements, plan, outcomes = await worked()
    outcomes["S1"] = without_criterion(outcomes["S1"], API)
    review, report = await LEAD.review(plan, requirements, outcomes), await TESTER.execute(plan, outcomes)
    assert not review.approved
    assert named(review.findings) == {("S1", API)}
    assert not report.passed
    assert named(report.findings) == {("S1", API)}
    assert [result.passed for result in report.results] == [False, True]


@pytest.mark.parametrize("how", ["absent", "failed", "empty", "no deliverable"])
async def test_a_missing_deliverable_is_found(how: str) -> None:
    requirements, plan, outcomes = await worked()
    good = outcomes["S2"]
    assert good.deliverable is not None
    blank = good.deliverable.model_copy(update={"body": "  \n"})
    changed: dict[str, dict[str, object]] = {
        "failed": {"status": OutcomeStatus.FAILED},
        "empty": {"deliverable": blank},
        "no deliverable": {"deliverable": None},
    }
    if how == "absent":
        del outcomes["S2"]
    else:
        outcomes["S2"] = good.model_copy(update=changed[how])
    review, report = await LEAD.review(plan, requirements, outcomes), await TESTER.execute(plan, outcomes)
    assert {finding.subtask_id for finding in review.findings} == {"S2"}
    assert not review.approved
    assert named(report.findings) == {("S2", PAGE)}


async def test_a_missing_test_case_is_found() -> None:
    requirements, plan, outcomes = await worked()
    fewer = plan.model_copy(update={"test_cases": plan.test_cases[:1]})
    tester = plan.subtasks[-1].id
    review, report = await LEAD.review(fewer, requirements, outcomes), await TESTER.execute(fewer, outcomes)
    assert named(review.findings) == {(tester, PAGE)}
    assert named(report.findings) == {(tester, PAGE)}
    none = plan.model_copy(update={"test_cases": []})
    assert not (await TESTER.execute(none, outcomes)).passed
    assert not (await LEAD.review(none, requirements, outcomes)).approved


async def test_a_test_plan_that_leaves_a_criterion_out_is_sent_back() -> None:
    requirements, plan, outcomes = await worked()
    tester = plan.subtasks[-1].id
    outcomes[tester] = without_criterion(outcomes[tester], PAGE)
    assert named((await LEAD.review(plan, requirements, outcomes)).findings) == {(tester, PAGE)}
    assert named((await TESTER.execute(plan, outcomes)).findings) == {(tester, PAGE)}


async def test_a_criterion_that_no_subtask_serves_is_found() -> None:
    requirements, plan, outcomes = await worked()
    subtasks = [
        one if one.kind is SubtaskKind.TEST else one.model_copy(update={"criteria": [API]}) for one in plan.subtasks
    ]
    orphaned = plan.model_copy(update={"subtasks": subtasks})
    found = (await LEAD.review(orphaned, requirements, outcomes)).findings
    assert (None, PAGE) in named(found)
    assert any("no subtask serves" in finding.message for finding in found)


async def test_a_plan_without_a_tester_is_found() -> None:
    requirements, plan, outcomes = await worked()
    untested = plan.model_copy(update={"subtasks": plan.subtasks[:-1]})
    assert not (await LEAD.review(untested, requirements, outcomes)).approved
    assert not (await TESTER.execute(untested, outcomes)).passed


async def test_a_case_that_checks_nothing_or_an_unknown_subtask_fails() -> None:
    _, plan, outcomes = await worked()
    for ids in ([], ["S99"]):
        case = plan.test_cases[0].model_copy(update={"subtask_ids": ids})
        report = await TESTER.execute(plan.model_copy(update={"test_cases": [case, plan.test_cases[1]]}), outcomes)
        assert [result.passed for result in report.results] == [False, True]


@pytest.mark.parametrize(
    ("criterion", "given", "when", "then"),
    [
        ("Given a user, when they come in, then they see it", "a user", "they come in", "they see it"),
        ("Given a user and a page, then it works", "a user and a page", None, "it works"),
        ("When they log in, the page shows", None, "they log in", "the page shows"),
        ("If it fails then an error is shown", None, "it fails", "an error is shown"),
        ("GIVEN a\nWHEN b\nTHEN c", "a", "b", "c"),
        ("The page shows whatever is given", None, None, "The page shows whatever is given"),
        ("Given", None, None, "Given"),
        ("When then", None, None, "When then"),
        ("When it rains", None, None, "When it rains"),
        ("Given a, when", None, None, "Given a, when"),
        ("...", None, None, "..."),
    ],
)
async def test_given_when_and_then_where_the_text_says_so(
    criterion: str, given: str | None, when: str | None, then: str
) -> None:
    _, plan = await planned(Task(title="x", acceptance_criteria=[criterion]))
    (case,) = plan.test_cases
    serving = [one.id for one in plan.subtasks if criterion in one.criteria and one.role is not Role.TESTER]
    assert serving
    assert case == Case(id="T1", criterion=criterion, given=given, when=when, then=then, subtask_ids=serving)


async def test_the_tech_lead_adds_risks_once() -> None:
    task = Task(title="Migrate payments", description="Concurrent payments. Existing data stays. Security matters.")
    first = await MANAGER.analyze(task)
    assessed = await LEAD.assess(task, first)
    assert assessed.complexity == first.complexity + 1
    assert len(assessed.open_questions) > len(first.open_questions)
    assert assessed.evidence["risk:concurrency"] == ["concurrent"]
    assert await LEAD.assess(task, assessed) == assessed
    plain = await MANAGER.analyze(Task(title="Blue button"))
    assert await LEAD.assess(Task(title="Blue button"), plain) == plain


async def test_a_good_proposal_is_approved_with_what_was_checked() -> None:
    _, plan = await planned()
    proposal = DelegationEngine().assign(plan, MEMBERS)
    approval = await MANAGER.approve(proposal, plan, MEMBERS)
    assert approval.approved
    assert approval.schedule == proposal
    text = "\n".join(approval.reasons)
    assert "Load: backend_developer" in text
    assert "Single point of failure: only designer" not in text


async def test_proposals_that_cannot_stand_are_refused_with_the_reason() -> None:
    _, plan = await planned()
    good = DelegationEngine().assign(plan, MEMBERS)

    def moved(**change: object) -> Schedule:
        first, *rest = good.assignments
        return good.model_copy(update={"assignments": [first.model_copy(update=change), *rest]})

    late = [one.model_copy(update={"start": 0.0}) for one in good.assignments]
    nobody = good.model_copy(
        update={"assignments": good.assignments[1:], "unassigned": [Unassigned(subtask_id="S1", reason="no member")]}
    )
    cases = {
        "Nobody may do S1: no member": nobody,
        "S1 is assigned 0 times": good.model_copy(update={"assignments": good.assignments[1:]}),
        "who is not in the squad": moved(member_id="ghost"),
        "may not do S1: is a tester": moved(member_id="tester"),
        "which is not in the plan": good.model_copy(
            update={
                "assignments": [*good.assignments, Assignment(subtask_id="S9", member_id="tester", start=0, finish=1)]
            }
        ),
        "would start before S1": good.model_copy(update={"assignments": late}),
    }
    for reason, proposal in cases.items():
        approval = await MANAGER.approve(proposal, plan, MEMBERS)
        assert not approval.approved, reason
        assert any(reason in one for one in approval.reasons), (reason, approval.reasons)


async def test_the_reviewer_is_relieved_of_work_where_another_is_free() -> None:
    _, plan = await planned(Task(title="Add an orders API"))
    lead = SquadMember(id="lead", name="Lead", role=Role.TECH_LEAD)
    others = [SquadMember(id=role.value, name=role.value, role=role) for role in (Role.BACKEND_DEVELOPER, Role.TESTER)]
    members = [lead, *others]
    good = DelegationEngine().assign(plan, others)
    swapped = [
        one.model_copy(update={"member_id": "lead"}) if one.subtask_id == "S1" else one for one in good.assignments
    ]
    approval = await MANAGER.approve(good.model_copy(update={"assignments": swapped}), plan, members)
    assert approval.approved
    assert approval.schedule.assignments == good.assignments
    assert any("instead of lead, who reviews it" in reason for reason in approval.reasons)

    alone = [lead, others[1].model_copy(update={"available_from": 99.0})]
    proposal = DelegationEngine().assign(plan, alone)
    approval = await MANAGER.approve(proposal, plan, alone)
    assert approval.approved
    assert any("also reviews it" in reason for reason in approval.reasons)
    assert any(reason.startswith("Single point of failure: only lead") for reason in approval.reasons)


async def test_a_standup_says_what_is_done_to_do_and_in_the_way() -> None:
    _, plan, outcomes = await worked()
    assert (await MANAGER.standup(plan, {})).summary == "0 of 4 subtasks done; 4 to do: S1, S2, S3, S4."
    assert (await MANAGER.standup(plan, outcomes)).summary == "4 of 4 subtasks done."
    stuck = {
        "S1": Outcome(status=OutcomeStatus.BLOCKED, question="Which *colour*?"),
        "S2": Outcome(status=OutcomeStatus.FAILED, note="no disk"),
        "S3": outcomes["S3"],
    }
    standup = await MANAGER.standup(plan, stuck)
    assert standup.summary == "1 of 4 subtasks done; 1 blocked; 1 failed; 1 to do: S4."
    assert standup.blockers == ["S1 blocked: Which \\*colour\\*?", "S2 failed: no disk"]
