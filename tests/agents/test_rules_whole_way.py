"""Any text goes the whole way: analysed, planned, worked, reviewed and tested by the rules alone."""

from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from agents import Brief, ProjectManager, RoleAgent, TechLead, rule_based_agents
from agents import Tester as ATester  # a name that pytest does not take for a test class
from agents.rules.document import LARGEST_BODY
from delegation import (
    STAND_INS,
    DelegationEngine,
    Deliverable,
    MessageType,
    Outcome,
    OutcomeStatus,
    Plan,
    Requirements,
    Role,
    Squad,
    SubtaskKind,
    Task,
)
from delegation.dependencies import topological_order

EXECUTION = UUID(int=7)
MEMBERS = {member.role: member for member in Squad.default().members}

MARKUP = st.sampled_from(
    ["# Heading", "- item", "1. step", "```", "~~~", "<details>", "</details>", "<!--", "-->", "> quote", "| a | b |",
     "[x]: http://example.org", "<script>alert(1)</script>", "\x1b[31m", "\u202e", "Expected behavior",
     "It should work.",
     "Given a, when b, then c", "    code", "`POST /login`", "***", "===", "$x$", "&amp;", "\\", "How do I do this?",
     "Traceback (most recent call last)", "- [ ] box", "the database and the button", "x" * 400,
     "### Acceptance criteria"]
)  # fmt: skip
TEXT = st.text(max_size=60) | MARKUP
TASKS = st.builds(
    Task,
    title=st.text(min_size=1, max_size=80).filter(str.strip) | MARKUP,
    description=st.lists(TEXT, max_size=12).map("\n".join),
    acceptance_criteria=st.lists(TEXT, max_size=6),
)


async def work_all(
    agents: dict[Role, RoleAgent], task: Task, requirements: Requirements, plan: Plan
) -> dict[str, Outcome]:
    outcomes: dict[str, Outcome] = {}
    for subtask_id in topological_order(plan.subtasks):
        subtask = plan.subtask(subtask_id)
        assert subtask.role is not None
        inputs = {one: deliverable(outcomes, one) for one in subtask.depends_on}
        brief = Brief(
            execution_id=EXECUTION,
            task=task,
            requirements=requirements,
            plan=plan,
            subtask=subtask,
            member=MEMBERS[subtask.role],
            inputs=inputs,
        )
        outcomes[subtask_id] = await agents[subtask.role].work(brief)
    return outcomes


def deliverable(outcomes: dict[str, Outcome], subtask_id: str) -> Deliverable:
    found = outcomes[subtask_id].deliverable
    assert found is not None
    return found


async def planned(agents: dict[Role, RoleAgent], task: Task) -> tuple[Requirements, Plan]:
    manager, lead, tester = agents[Role.PROJECT_MANAGER], agents[Role.TECH_LEAD], agents[Role.TESTER]
    assert isinstance(manager, ProjectManager)
    assert isinstance(lead, TechLead)
    assert isinstance(tester, ATester)
    requirements = await lead.assess(task, await manager.analyze(task))
    plan = await manager.break_down(task, requirements)
    return requirements, await tester.plan_tests(await lead.estimate(plan, requirements), requirements)


def without_chance(outcomes: dict[str, Outcome]) -> dict[str, object]:
    return {
        key: outcome.model_dump(exclude={"messages": {"__all__": {"id", "at"}}}) for key, outcome in outcomes.items()
    }


@settings(max_examples=150, deadline=None)
@given(task=TASKS)
async def test_any_text_is_planned_worked_approved_and_passed(task: Task) -> None:
    agents = rule_based_agents()
    requirements, plan = await planned(agents, task)
    outcomes = await work_all(agents, task, requirements, plan)
    lead, tester = agents[Role.TECH_LEAD], agents[Role.TESTER]
    assert isinstance(lead, TechLead)
    assert isinstance(tester, ATester)

    review = await lead.review(plan, requirements, outcomes)
    report = await tester.execute(plan, outcomes)

    assert review.approved, review.findings
    assert report.passed, report.findings
    assert len(report.results) == len({criterion.text for criterion in requirements.criteria}) >= 1
    assert all("no code was run" in result.evidence for result in report.results)
    assert all(outcome.status is OutcomeStatus.DONE for outcome in outcomes.values())
    again = rule_based_agents()
    assert await planned(again, task) == (requirements, plan)
    assert without_chance(await work_all(again, task, requirements, plan)) == without_chance(outcomes)


@settings(max_examples=150, deadline=None)
@given(task=TASKS)
async def test_no_text_becomes_structure_of_a_deliverable(task: Task) -> None:
    agents = rule_based_agents()
    requirements, plan = await planned(agents, task)
    for outcome in (await work_all(agents, task, requirements, plan)).values():
        assert outcome.deliverable is not None
        body = outcome.deliverable.body
        assert len(body.encode()) <= LARGEST_BODY
        assert "\x1b" not in body
        assert "\u202e" not in body
        tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(body)
        headings = [token for token in tokens if token.type == "heading_open"]
        assert len(headings) == sum(line.startswith(("# ", "## ")) for line in outside_fences(body))
        kinds = {token.type for token in tokens}
        assert not kinds & {"html_block", "hr", "blockquote_open", "table_open", "code_block"}
        inline = {child.type for token in tokens for child in token.children or ()}
        assert not inline & {"html_inline", "link_open", "image"}


def outside_fences(body: str) -> list[str]:
    kept, fence = [], ""
    for line in body.split("\n"):
        if fence:
            fence = "" if line == fence else fence
        elif line.startswith("```"):
            fence = line.removesuffix("text")
        else:
            kept.append(line)
    return kept


@settings(max_examples=100, deadline=None)
@given(task=TASKS)
def test_every_plan_serves_every_criterion_and_is_tested_and_documented(task: Task) -> None:
    engine = DelegationEngine()
    requirements = engine.analyze_task_requirements(task)
    plan = engine.break_down_task(task, requirements)
    kinds = [subtask.kind for subtask in plan.subtasks]
    assert kinds[-1] is SubtaskKind.TEST
    assert (SubtaskKind.DOCUMENTATION in kinds) == (requirements.type != "question")
    served = {text for subtask in plan.subtasks if subtask.kind is not SubtaskKind.TEST for text in subtask.criteria}
    assert served == {criterion.text for criterion in requirements.criteria}
    assert 2 <= len(plan.subtasks) <= 12
    for subtask in plan.subtasks:
        assert subtask.estimate is not None
        low, likely, high = subtask.estimate
        assert 0 < low <= likely == subtask.effort <= high


async def test_every_role_can_work_every_kind_so_that_stand_ins_deliver() -> None:
    agents = rule_based_agents()
    task = Task(title="Implement user authentication")
    requirements, plan = await planned(agents, task)
    assert set(agents) == set(Role) == set(STAND_INS)
    for role, agent in agents.items():
        for kind in SubtaskKind:
            subtask = plan.subtasks[0].model_copy(update={"kind": kind})
            brief = Brief(
                execution_id=EXECUTION,
                task=task,
                requirements=requirements,
                plan=plan,
                subtask=subtask,
                member=MEMBERS[role],
            )
            outcome = await agent.work(brief)
            assert outcome.status is OutcomeStatus.DONE
            assert [message.metadata["progress"] for message in outcome.messages] == ["started", "done"]
            assert {message.type for message in outcome.messages} == {MessageType.STATUS_UPDATE}
            assert {message.sender for message in outcome.messages} == {MEMBERS[role].id}
            assert {message.execution_id for message in outcome.messages} == {EXECUTION}
