"""What the rules say to one another: answers from what is known, standups from facts, findings of before checked."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import Answering, Brief, MessageBus
from agents.rules import RuleDeveloper, RuleProjectManager, RuleTechLead, RuleTester, rule_based_agents
from delegation import (
    Assignment,
    Board,
    Deliverable,
    Finding,
    Outcome,
    OutcomeStatus,
    Plan,
    Requirements,
    ReviewRequest,
    Role,
    Schedule,
    SquadMember,
    Subtask,
    Task,
    board_status,
)
from delegation.review import settled_review

MANAGER, LEAD, TESTER, DEVELOPER = (
    RuleProjectManager(),
    RuleTechLead(),
    RuleTester(),
    RuleDeveloper(Role.BACKEND_DEVELOPER),
)
TASK = Task(
    title="Add a login API",
    description="Use `POST /login`. Passwords are hashed with argon2id. A session lasts an hour.",
    acceptance_criteria=["A wrong password gives status 401", "A locked account gives status 423"],
)
DEV = Role.BACKEND_DEVELOPER
ADA, BOB = (SquadMember(id=one, name=one, role=DEV) for one in ("ada", "bob"))


async def planned() -> tuple[Requirements, Plan]:
    requirements = await LEAD.assess(TASK, await MANAGER.analyze(TASK))
    return requirements, await TESTER.plan_tests(await MANAGER.break_down(TASK, requirements), requirements)


async def brief(**more: object) -> Brief:
    requirements, plan = await planned()
    found = Brief(
        execution_id=UUID(int=1), task=TASK, requirements=requirements, plan=plan, subtask=plan.subtasks[0], member=ADA
    )
    return found.model_copy(update=more)


async def test_rules_answer_with_what_is_written_and_where() -> None:
    order = Deliverable(kind="work_order", title="x", body="# Order\n\nThe token table has a column expires_at.")
    known = await brief(inputs={"S7": order}, answers=["Accounts are locked after five wrong passwords"])
    answers = {
        "Which status does a wrong password give?": "Among the criteria: “A wrong password gives status 401”",
        "How are passwords hashed?": "In the task: “Passwords are hashed with argon2id.”",
        "When are accounts locked?": "A human answered: “Accounts are locked after five wrong passwords”",
        "Which column has the token table?": "In the work order of S7: “The token table has a column expires\\_at.”",
    }
    for question, expected in answers.items():
        assert expected in str(await DEVELOPER.answer(question, known)).splitlines(), question


@pytest.mark.parametrize("question", ["Which colour has the moon?", "Why?", "", "\x1b[31m", "password of the unicorn"])
async def test_rules_invent_no_answer(question: str) -> None:
    assert await DEVELOPER.answer(question, await brief()) is None


@given(st.text(max_size=60), st.text(max_size=60))
async def test_an_answer_holds_no_line_of_anybodys_making(question: str, said: str) -> None:
    answer = await DEVELOPER.answer(question, await brief(answers=[said]))
    for line in (answer or "").splitlines():
        assert line.startswith(("Among the criteria: “", "In the task: “", "A human answered: “"))


def test_every_rule_based_agent_answers() -> None:
    assert all(isinstance(agent, Answering) for agent in rule_based_agents().values())


PLAN = Plan(
    subtasks=[
        Subtask(id="S1", title="first", role=DEV, effort=1.0),
        Subtask(id="S2", title="second", role=DEV, effort=1.0),
        Subtask(id="S3", title="third", role=DEV, effort=1.0, depends_on=["S4"]),
        Subtask(id="S4", title="fourth", role=DEV, effort=1.0),
    ]
)


def board() -> Board:
    owners = [Assignment(subtask_id=one.id, member_id="ada", start=0, finish=1) for one in PLAN.subtasks[:3]]
    owners.append(Assignment(subtask_id="S4", member_id="bob", start=0, finish=1))
    found = Board(PLAN, Schedule(assignments=owners, makespan=0, critical_path=[]), [ADA, BOB])
    assert found.take("ada")
    assert found.take("bob")
    found.finish("S4", OutcomeStatus.BLOCKED, by="bob")
    return found


async def test_a_standup_of_the_rules_says_the_facts_and_hands_on_what_waits_behind_somebody() -> None:
    status = board_status(board(), PLAN, [ADA, BOB], running={"S1": 1.6}, elapsed=1.6, because=["behind"])
    outcomes = {"S4": Outcome(status=OutcomeStatus.BLOCKED, question="Which?")}
    standup = await MANAGER.standup(PLAN, outcomes, board=status)
    for part in (
        "0 of 4 subtasks done; 1 blocked; 3 to do: S1, S2, S3.",
        "Velocity: 0 h of work done in 1.6 h, 4 h to go.",
        "Blocker (medium): S4 blocked: it waits for an answer, and 1 more wait for it.",
        "ada needs help: is behind on S1.",
        "bob needs help: cannot go on with S4.",
        "At risk: S4, on the critical path: blocked: it waits for an answer.",
    ):
        assert part in standup.summary
    assert [(one.kind, one.subtask_id, one.to) for one in standup.actions] == [
        ("reassign", "S2", "bob"),
        ("ask_human", "S4", None),
    ]
    assert standup.actions[0].reason == "ada is behind, and bob has nothing at hand"


async def test_without_facts_a_standup_is_what_it_was() -> None:
    assert (await MANAGER.standup(PLAN, {})).actions == []


async def test_the_next_review_says_of_each_finding_whether_it_was_met() -> None:
    requirements, plan = await planned()
    outcomes = {}
    for subtask in plan.subtasks:
        outcomes[subtask.id] = await DEVELOPER.work(await brief(subtask=subtask, plan=plan))
    first = plan.subtasks[0]
    criterion = first.criteria[0]
    earlier = [
        Finding(id="R1.1", subtask_id=first.id, criterion=criterion, message="it was left out"),
        Finding(id="R1.2", subtask_id=first.id, message="say more"),
    ]
    request = ReviewRequest(round=2, reviewer="lea", earlier=earlier)
    good = await LEAD.review(plan, requirements, outcomes, request=request)
    assert good.approved
    assert [(one.finding_id, one.met) for one in good.checks] == [("R1.1", True), ("R1.2", True)]
    assert "not read" in good.checks[1].note
    lacking = outcomes[first.id].deliverable
    assert lacking is not None
    left = lacking.model_copy(update={"criteria": [one for one in lacking.criteria if one != criterion]})
    outcomes[first.id] = outcomes[first.id].model_copy(update={"deliverable": left})
    wanting = await LEAD.review(plan, requirements, outcomes, request=request)
    assert [(one.finding_id, one.met) for one in wanting.checks] == [("R1.1", False), ("R1.2", False)]
    assert {"R1.1", "R1.2"} <= {one.id for one in settled_review(wanting, earlier, was_asked=True).findings}


async def test_a_members_conversation_is_what_it_said_and_heard() -> None:
    bus, execution = MessageBus(), UUID(int=1)
    await bus.send_message(sender="a", recipient="b", content="1", execution_id=execution)
    await bus.send_message(sender="b", recipient="c", content="2", execution_id=execution)
    await bus.broadcast_message(sender="c", content="3", execution_id=execution)
    heard = await bus.get_conversation(execution, member_id="a")
    assert [one.content for one in heard] == ["1", "3"]
    assert [one.content for one in await bus.get_conversation(execution, member_id="b", limit=2)] == ["2", "3"]
