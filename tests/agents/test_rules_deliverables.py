"""What the deliverables say: the task's own words, arranged, bounded, and never more than that."""

from uuid import UUID

import pytest

from agents import Brief
from agents.rules import RuleDeveloper, RuleProjectManager, RuleTechLead, RuleTester
from agents.rules.document import LARGEST_BODY, Document
from agents.rules.quoting import block, clip, code, inline, visible
from delegation import Deliverable, Finding, Role, SquadMember, SubtaskKind, Task

MANAGER, LEAD, TESTER = RuleProjectManager(), RuleTechLead(), RuleTester()
AGENT = RuleDeveloper(Role.BACKEND_DEVELOPER)
MEMBER = SquadMember(id="b1", name="Bea", role=Role.BACKEND_DEVELOPER)


async def briefs(task: Task) -> list[Brief]:
    requirements = await LEAD.assess(task, await MANAGER.analyze(task))
    plan = await TESTER.plan_tests(await MANAGER.break_down(task, requirements), requirements)
    return [
        Brief(execution_id=UUID(int=1), task=task, requirements=requirements, plan=plan, subtask=subtask, member=MEMBER)
        for subtask in plan.subtasks
    ]


async def deliver(brief: Brief) -> Deliverable:
    outcome = await AGENT.work(brief)
    assert outcome.deliverable is not None
    return outcome.deliverable


TASK = Task(
    title="Add a REST endpoint for orders",
    description="The server offers `POST /orders` in `shop/orders.py`.\n\n1. Check the input\n2. Store the order\n\n"
    "```python\nclass Order: ...\n```\n",
    acceptance_criteria=["Invalid input returns 422", "The documentation names the endpoint"],
)


async def test_a_work_order_arranges_what_the_task_says() -> None:
    made = await deliver((await briefs(TASK))[0])
    assert made.kind == "work_order"
    assert made.criteria == TASK.acceptance_criteria
    assert made.interfaces[:2] == ["POST /orders", "shop/orders.py"]
    for expected in (
        "# Work order S1: “Back end: Add a REST endpoint for orders”",
        "it orders the work and contains no code",
        "1. “Invalid input returns 422”",
        "- `POST /orders`",
        "2. “Store the order”",
        "```text\nclass Order: ...\n```",
        "It depends on no other subtask.",
        "## Open questions",
    ):
        assert expected in made.body


async def test_each_kind_of_subtask_has_its_document() -> None:
    made = {one.subtask.kind: (await deliver(one)).kind for one in await briefs(TASK)}
    assert made == {
        SubtaskKind.IMPLEMENTATION: "work_order",
        SubtaskKind.DOCUMENTATION: "documentation",
        SubtaskKind.TEST: "test_plan",
    }
    (design, *_) = await briefs(Task(title="Draw wireframes and a mockup"))
    assert (await deliver(design)).kind == "design"


async def test_a_test_plan_holds_every_case() -> None:
    made = await deliver((await briefs(TASK))[-1])
    assert made.criteria == TASK.acceptance_criteria
    assert "- **T1**\n  - Criterion: “Invalid input returns 422”\n  - Checked in: S1\n" in made.body
    assert "  - Checked in: S1, S2" in made.body
    timed = Task(title="x", acceptance_criteria=["When it rains, it pours"])
    assert "  - When: “it rains”\n  - Then: “it pours”\n" in (await deliver((await briefs(timed))[-1])).body


async def test_an_answer_quotes_the_text_and_owns_up_to_what_it_does_not_know() -> None:
    task = Task(title="How do I install this?", description="I tried `pip install squad`. Is Python 3.9 enough?")
    made = await deliver((await briefs(task))[0])
    assert made.kind == "answer"
    assert "“How do I install this?”" in made.body
    assert "“Is Python 3.9 enough?”" in made.body
    assert "The answer itself, as far as it is not in the text above" in made.body


async def test_findings_are_answered_one_by_one() -> None:
    first = (await briefs(TASK))[0]
    findings = [
        Finding(subtask_id="S1", criterion=TASK.acceptance_criteria[0], message="where is # 422?"),
        Finding(subtask_id="S1", criterion="Something else", message="not served"),
        Finding(subtask_id="S1", message="too short", severity="low"),
    ]
    made = await deliver(first.model_copy(update={"findings": findings, "attempt": 2}))
    assert "## Answers to findings" in made.body
    assert "- “where is \\# 422?” (high): the criterion is listed below." in made.body
    assert "the plan has to give it to a subtask" in made.body
    assert "- “too short” (low): taken up in this version." in made.body
    assert "- Attempt: 2" in made.body
    assert "Answers to findings" not in (await deliver(first)).body


async def test_what_people_answered_is_quoted() -> None:
    first = (await briefs(TASK))[0]
    made = await deliver(first.model_copy(update={"answers": ["Use *version 2*"]}))
    assert "## What people answered to questions\n\n- “Use \\*version 2\\*”" in made.body


async def test_inputs_from_other_subtasks_are_named() -> None:
    *_, last = await briefs(TASK)
    given = await deliver((await briefs(TASK))[0])
    made = await deliver(last.model_copy(update={"inputs": {"S1": given}}))
    assert "- S1: Work order S1: Back end: Add a REST endpoint for orders; names `POST /orders`" in made.body
    assert "- S1: nothing was handed over." in (await deliver(last)).body


@pytest.mark.parametrize("unit", ["x", "é*", "😀 must. ", "a b. It should. ", "- item\n", "```\ncode\n```\n", "`a_b` "])
async def test_huge_tasks_make_bounded_documents_that_say_what_was_cut(unit: str) -> None:
    task = Task(
        title=(unit * 10_000)[:10_000],
        description=unit * 50_000,
        acceptance_criteria=[f"{number} {unit * 300}" for number in range(500)],
    )
    for brief in await briefs(task):
        made = await deliver(brief)
        assert len(made.body.encode()) <= LARGEST_BODY
        if len(brief.subtask.criteria) > 100:
            assert "are not shown here, for length" in made.body


def test_inline_text_is_one_escaped_line() -> None:
    assert inline("a\n# b\t *c* <d> [e](f) `g` & ~h~ |") == r"a \# b \*c\* \<d\> \[e\](f) \`g\` \& \~h\~ \|"
    assert inline("a\x1b[31m\u202eb\u2028c") == r"a\[31mb c"
    assert inline("x" * 500, 10) == "x" * 9 + "…"


def test_code_and_blocks_outlast_the_backticks_in_them() -> None:
    assert code("a`b``c") == "``` a`b``c ```"
    assert code("POST /x") == "`POST /x`"
    assert block("```\nx\n````").startswith("`````text\n")
    assert block("x") == "```text\nx\n```"


def test_invisible_marks_are_taken_out_and_words_stay() -> None:
    assert visible("naïve 日本語 😀\tx\r\ny") == "naïve 日本語 😀\tx\ny"
    assert visible("a\x00b\u200bc\u202ed") == "abcd"
    assert clip("abc", 3) == "abc"


def test_a_document_keeps_to_its_size() -> None:
    document = Document("T", most=600)
    document.section("One", [f"- {'é' * 20}"] * 50, empty="")
    document.section("Two", [f"- {'é' * 20}"] * 50, empty="")
    document.paragraph("x" * 1_000)
    assert len(document.text().encode()) <= 600
    assert "of 50 are not shown here" in document.text()
