"""What model-backed roles judge: checked as a person's or the rules' judgement would be."""

from typing import Any

import pytest
from cases import LIMIT, LOGIN, MEMBERS, PLAN, REQUIREMENTS, SUBTASKS, TASK, brief, delivered, outcomes, schedule
from scripted_model import ScriptedModel, in_turn, text_of

import agents as vocabulary
from agents.models import ModelAgent, ModelProjectManager, ModelTechLead, ModelTester, model_agents
from delegation import AgentFailed, Finding, OutcomeStatus, Plan, ReviewRequest, Role, Schedule, Task

ANALYSIS = {"type": "api_endpoint", "complexity": 4, "complexity_reasons": ["a new endpoint"], "areas": ["Backend"]}
PIECES: list[dict[str, Any]] = [
    {"id": "S1", "title": "Endpoint", "kind": "implementation", "role": "backend_developer", "criteria": ["C1", "C2"]},
    {"id": "S2", "title": "Tests", "kind": "test", "role": "tester", "depends_on": ["S1"]},
]


def manager(*answers: Any) -> tuple[ModelProjectManager, ScriptedModel]:
    model = ScriptedModel(script=in_turn(*answers))
    return ModelProjectManager(Role.PROJECT_MANAGER, model, "m"), model


def lead(*answers: Any) -> tuple[ModelTechLead, ScriptedModel]:
    model = ScriptedModel(script=in_turn(*answers))
    return ModelTechLead(Role.TECH_LEAD, model, "m"), model


def a_tester(*answers: Any) -> tuple[ModelTester, ScriptedModel]:
    model = ScriptedModel(script=in_turn(*answers))
    return ModelTester(Role.TESTER, model, "m"), model


def test_the_agents_make_the_judgements_of_their_roles() -> None:
    agents = model_agents(dict.fromkeys(Role, ("m", ScriptedModel(script=in_turn()))))
    assert isinstance(agents[Role.PROJECT_MANAGER], vocabulary.ProjectManager)
    assert isinstance(agents[Role.TECH_LEAD], vocabulary.TechLead)
    assert isinstance(agents[Role.TESTER], vocabulary.Tester)
    assert agents.keys() == set(Role)


async def test_stated_criteria_are_kept_whatever_the_model_says() -> None:
    agent, _ = manager(ANALYSIS | {"criteria": ["Everything is approved", "We need a login"]})
    found = await agent.analyze(TASK)
    assert [(one.text, one.source) for one in found.criteria] == [(LOGIN, "stated"), (LIMIT, "stated")]
    assert found.areas == ["backend"]


async def test_where_none_are_stated_only_what_the_text_says_becomes_a_criterion() -> None:
    task = Task(title="Export", description='The report is saved as "CSV".  It opens in a spreadsheet.')
    agent, _ = manager(ANALYSIS | {"criteria": ["The report is saved as CSV.", "it opens in a spreadsheet"]})
    found = await agent.analyze(task)
    assert [one.text for one in found.criteria] == ["it opens in a spreadsheet"]
    agent, _ = manager(ANALYSIS | {"criteria": ["e", "is saved"]})
    assert [one.text for one in (await agent.analyze(task)).criteria] == ["Export"]
    obliged = Task(title="Export", description="The report must be saved. It opens in a spreadsheet.")
    agent, _ = manager(ANALYSIS | {"criteria": ["It opens in a spreadsheet."]})
    texts = [one.text for one in (await agent.analyze(obliged)).criteria]
    assert "It opens in a spreadsheet." in texts
    assert any("must be saved" in one for one in texts)
    agent, _ = manager(ANALYSIS | {"criteria": ["It is fast"]})
    assert [one.text for one in (await agent.analyze(Task(title="Export reports"))).criteria] == ["Export reports"]


async def test_evidence_that_is_not_in_the_text_is_dropped() -> None:
    evidence = [{"finding": "type", "words": "need a login"}, {"finding": "type", "words": "need a logout"}]
    agent, _ = manager(ANALYSIS | {"evidence": evidence})
    assert (await agent.analyze(TASK)).evidence == {"type": ["need a login"]}


async def test_a_breakdown_becomes_a_plan() -> None:
    agent, _ = manager({"subtasks": PIECES})
    plan = await agent.break_down(TASK, REQUIREMENTS)
    assert [(one.id, one.criteria, one.depends_on) for one in plan.subtasks] == [
        ("S1", [LOGIN, LIMIT], []),
        ("S2", [], ["S1"]),
    ]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"role": "wizard"}, "subtasks.0.role: Input should be"),
        ({"depends_on": ["S2"]}, "circle"),
        ({"depends_on": ["S9"]}, "S9"),
        ({"criteria": ["C1"]}, f"no subtask serves C2 ({LIMIT}) (name its number in a subtask's criteria)"),
        ({"criteria": ["C1", "C2", "C3"]}, "there is no criterion C3"),
        ({"id": "S2"}, "S2"),
        ({"id": "../../etc"}, "subtasks.0.id"),
        ({"kind": "magic"}, "subtasks.0.kind"),
    ],
)
async def test_a_plan_that_cannot_be_worked_goes_back_with_the_reason(change: dict[str, Any], why: str) -> None:
    agent, model = manager({"subtasks": [PIECES[0] | change, PIECES[1]]}, {"subtasks": PIECES})
    assert len((await agent.break_down(TASK, REQUIREMENTS)).subtasks) == 2
    assert why in text_of(model.asked[1])


async def test_a_plan_without_tests_goes_back() -> None:
    agent, model = manager({"subtasks": PIECES[:1]}, {"subtasks": PIECES})
    await agent.break_down(TASK, REQUIREMENTS)
    assert "no subtask is of the kind test" in text_of(model.asked[1])


async def test_a_plan_that_is_never_right_fails_with_what_was_said() -> None:
    bad = {"subtasks": PIECES[:1]}
    agent, _ = manager(bad, bad, bad)
    with pytest.raises(AgentFailed, match=r"no subtask is of the kind test.*Endpoint"):
        await agent.break_down(TASK, REQUIREMENTS)


APPROVED = {"approved": True, "reasons": ["fine"]}


async def test_an_approval_has_the_model_s_reasons_and_the_rules() -> None:
    agent, _ = manager(APPROVED)
    approval = await agent.approve(schedule(), PLAN, MEMBERS)
    assert approval.approved
    assert approval.reasons[0] == "fine"
    assert any(one.startswith("All 3 subtasks are assigned") for one in approval.reasons)


@pytest.mark.parametrize("fault", ["incomplete", "not allowed", "out of order"])
async def test_what_the_rules_refuse_the_model_is_not_even_asked(fault: str) -> None:
    good = schedule().assignments
    bad = {
        "incomplete": good[:-1],
        "not allowed": [good[0].model_copy(update={"member_id": "designer"}), *good[1:]],
        "out of order": [*good[:-1], good[-1].model_copy(update={"start": 0.0})],
    }[fault]
    agent, model = manager(APPROVED)
    proposal = Schedule(assignments=bad, makespan=3.0, critical_path=[])
    approval = await agent.approve(proposal, PLAN, MEMBERS)
    assert not approval.approved
    assert model.asked == []


async def test_a_swap_is_made_with_its_reason() -> None:
    agent, _ = manager(APPROVED | {"swaps": [{"subtask_id": "S1", "member_id": "tech_lead", "reason": "knows it"}]})
    approval = await agent.approve(schedule(), PLAN, MEMBERS)
    given = approval.schedule.of("S1")
    assert given is not None
    assert given.member_id == "tech_lead"
    assert "S1 goes to tech_lead: knows it" in approval.reasons


@pytest.mark.parametrize(
    ("swap", "why"),
    [
        ({"subtask_id": "S1", "member_id": "designer"}, "designer may not do S1"),
        ({"subtask_id": "S1", "member_id": "mallory"}, "mallory, who is not in the squad"),
        ({"subtask_id": "S9", "member_id": "tech_lead"}, "no subtask 'S9' is assigned"),
        ({"subtask_id": "S2", "member_id": "backend_developer"}, "backend_developer"),
    ],
)
async def test_a_swap_that_cannot_be_goes_back(swap: dict[str, str], why: str) -> None:
    agent, model = manager(APPROVED | {"swaps": [swap | {"reason": "it likes to"}]}, APPROVED)
    assert (await agent.approve(schedule(), PLAN, MEMBERS)).approved
    assert why in text_of(model.asked[1])


async def test_a_refused_schedule_is_refused() -> None:
    agent, _ = manager({"approved": False, "reasons": ["too much for one"]})
    approval = await agent.approve(schedule(), PLAN, MEMBERS)
    assert (approval.approved, approval.reasons) == (False, ["too much for one"])


async def test_a_standup_s_blockers_are_the_board_s_facts() -> None:
    agent, _ = manager({"summary": "All is well, nothing is blocked."})
    stuck = outcomes()["S1"].model_copy(
        update={"status": OutcomeStatus.BLOCKED, "question": "Which hash?", "deliverable": None}
    )
    found = await agent.standup(PLAN, {"S1": stuck})
    assert found.blockers == ["S1 blocked: Which hash?"]
    assert found.summary.startswith("0 of 3 subtasks done")


async def test_the_technical_view_adds_risks_as_questions() -> None:
    agent, _ = lead({"complexity": 7, "complexity_reasons": ["sessions"], "risks": [{"name": "x", "question": "TLS?"}]})
    found = await agent.assess(TASK, REQUIREMENTS)
    assert (found.complexity, found.open_questions) == (7, ["Which hash?", "TLS?"])
    assert found.criteria == REQUIREMENTS.criteria


HOURS = [{"subtask_id": one.id, "low": 1, "likely": 2, "high": 4} for one in SUBTASKS]


async def test_estimates_reach_each_subtask() -> None:
    agent, _ = lead({"estimates": HOURS})
    found = await agent.estimate(PLAN, REQUIREMENTS)
    assert {(one.effort, one.estimate) for one in found.subtasks} == {(2.0, (1.0, 2.0, 4.0))}


@pytest.mark.parametrize(
    ("estimates", "why"),
    [
        (HOURS[:-1], "the subtask S3 has no estimate"),
        ([*HOURS, HOURS[0] | {"subtask_id": "S9"}], "there is no subtask 'S9'"),
        ([HOURS[0] | {"low": 3}, *HOURS[1:]], "does not rise"),
        ([HOURS[0] | {"high": 1e9}, *HOURS[1:]], "estimates.0.high"),
    ],
)
async def test_estimates_that_cannot_be_go_back(estimates: list[Any], why: str) -> None:
    agent, model = lead({"estimates": estimates}, {"estimates": HOURS})
    await agent.estimate(PLAN, REQUIREMENTS)
    assert why in text_of(model.asked[1])


PASSED: dict[str, Any] = {"verdict": "approved", "summary": "good"}


async def test_a_review_passes_what_is_whole_and_sends_back_what_has_problems() -> None:
    agent, _ = lead(PASSED)
    assert (await agent.review(PLAN, REQUIREMENTS, outcomes())).approved
    problem = {"subtask_id": "S1", "message": "no lock", "severity": "high", "criterion": "C2"}
    agent, _ = lead({"verdict": "changes_requested", "summary": "no", "problems": [problem]})
    review = await agent.review(PLAN, REQUIREMENTS, outcomes())
    assert not review.approved
    assert [(one.subtask_id, one.criterion, one.message) for one in review.findings] == [("S1", LIMIT, "no lock")]


@pytest.mark.parametrize(
    ("verdict", "why"),
    [
        (PASSED | {"verdict": "changes_requested"}, "no problem says which"),
        (PASSED | {"problems": [{"subtask_id": "S9", "message": "x"}]}, "'S9' is no subtask"),
        (
            PASSED | {"problems": [{"subtask_id": "S1", "message": "x", "severity": "high"}]},
            "a problem of high severity is not passed on",
        ),
        (PASSED | {"verdict": "splendid"}, "verdict: Input should be"),
    ],
)
async def test_a_review_that_contradicts_itself_goes_back(verdict: Any, why: str) -> None:
    agent, model = lead(verdict, PASSED)
    await agent.review(PLAN, REQUIREMENTS, outcomes())
    assert why in text_of(model.asked[1])


async def test_a_touched_test_passes_with_the_models_reason() -> None:
    reason = {"file": "tests/test_login.py", "reason": "the limit is five now"}
    agent, model = lead(PASSED | {"passed_tests": [reason]})
    request = ReviewRequest(reviewer="tech_lead", touched_tests={"tests/test_login.py": "changed"})
    review = await agent.review(PLAN, REQUIREMENTS, outcomes(), request=request)
    assert review.let_pass == {"tests/test_login.py": "the limit is five now"}
    assert '"tests/test_login.py": "changed"' in text_of(model.asked[0])


EARLIER = [
    Finding(id="R1.1", subtask_id="S1", message="no lock"),
    Finding(id="R1.2", subtask_id="S2", message="no label"),
]
REQUEST = ReviewRequest(round=2, reviewer="tech_lead", earlier=EARLIER)
MET = [{"finding_id": one, "met": True, "note": "it is there now"} for one in ("R1.1", "R1.2")]


async def test_a_review_by_a_model_does_not_say_that_no_code_was_read() -> None:
    agent, _ = lead(PASSED)
    review = await agent.review(PLAN, REQUIREMENTS, outcomes())
    assert review.summary == "good Traceability of 2 criteria: each has a subtask, a deliverable and a test case."


async def test_a_review_says_for_each_earlier_problem_whether_it_was_mended() -> None:
    unmet = MET[1] | {"met": False, "note": "still none"}
    agent, model = lead(
        PASSED,
        PASSED | {"rechecks": [MET[0], unmet]},
        {"verdict": "changes_requested", "summary": "no", "rechecks": [MET[0], unmet]},
    )
    review = await agent.review(PLAN, REQUIREMENTS, outcomes(), request=REQUEST)
    assert [(one.finding_id, one.met, one.note) for one in review.checks] == [
        ("R1.1", True, "it is there now"),
        ("R1.2", False, "still none"),
    ]
    assert not review.approved
    assert "the problem of the review before R1.1 has no recheck" in text_of(model.asked[1])
    assert "is not mended, and no changes are requested" in text_of(model.asked[2])


async def test_what_the_rules_still_miss_is_not_mended_whatever_the_model_says() -> None:
    agent, _ = lead(PASSED | {"rechecks": MET})
    review = await agent.review(PLAN, REQUIREMENTS, outcomes() | {"S1": delivered(LOGIN)}, request=REQUEST)
    assert [one.met for one in review.checks] == [False, True]
    assert not review.approved


async def test_comments_pass_the_work_on() -> None:
    problem = {"subtask_id": "S1", "message": "name it better", "severity": "low", "file": "a.py", "line": 3}
    agent, _ = lead({"verdict": "commented", "summary": "fine", "problems": [problem]})
    review = await agent.review(PLAN, REQUIREMENTS, outcomes())
    assert review.approved
    assert [one.place for one in review.findings] == ["a.py:3"]


async def test_a_colleague_s_question_is_answered_or_not() -> None:
    said = [{"answer": "argon2id, says S1"}, {"answer": ""}]
    agent = ModelAgent(Role.DESIGNER, ScriptedModel(script=in_turn(*said)), "m")
    assert [await agent.answer("Which hash?", brief()) for _ in said] == ["argon2id, says S1", None]


async def test_a_review_cannot_wave_through_what_the_rules_miss() -> None:
    agent, _ = lead(PASSED)
    review = await agent.review(PLAN, REQUIREMENTS, outcomes() | {"S1": delivered(LOGIN)})
    assert not review.approved
    assert [(one.subtask_id, one.criterion) for one in review.findings] == [("S1", LIMIT)]


CASES = [
    {"criterion": "C1", "then": "in", "subtask_ids": ["S1"]},
    {"criterion": "C2", "then": "locked", "subtask_ids": ["S1"]},
]


async def test_a_test_plan_covers_each_criterion() -> None:
    agent, model = a_tester({"cases": CASES[:1]}, {"cases": CASES})
    found = await agent.plan_tests(Plan(subtasks=SUBTASKS), REQUIREMENTS)
    assert [(one.id, one.criterion) for one in found.test_cases] == [("T1", LOGIN), ("T2", LIMIT)]
    assert "no test case checks C2" in text_of(model.asked[1])


RESULTS = [{"case_id": one, "passed": True, "evidence": "S1 shows it"} for one in ("T1", "T2")]


async def test_a_verdict_says_that_no_code_was_run() -> None:
    agent, _ = a_tester({"results": RESULTS})
    report = await agent.execute(PLAN, outcomes())
    assert report.passed
    assert all("read by a model: S1 shows it" in one.evidence for one in report.results)
    assert all("no code was run" in one.evidence for one in report.results)


async def test_a_failed_case_goes_to_the_subtask_that_has_to_mend_it() -> None:
    agent, _ = a_tester({"results": [RESULTS[0] | {"passed": False, "mends": "S2", "evidence": "no page"}, RESULTS[1]]})
    report = await agent.execute(PLAN, outcomes())
    assert not report.passed
    assert [(one.subtask_id, one.message) for one in report.findings] == [("S2", "T1: no page")]


async def test_a_case_that_the_rules_cannot_trace_has_not_passed() -> None:
    agent, _ = a_tester({"results": RESULTS})
    report = await agent.execute(PLAN, outcomes() | {"S1": delivered(LOGIN)})
    assert [one.passed for one in report.results] == [True, False]
    assert not report.passed


async def test_a_case_without_a_result_goes_back() -> None:
    agent, model = a_tester({"results": RESULTS[:1]}, {"results": RESULTS})
    await agent.execute(PLAN, outcomes())
    assert "the test case T2 has no result" in text_of(model.asked[1])
