"""LangChain's own agent in the place of a role, over HTTP: its tools, and its middleware that asks a human."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from model_server import Call, ModelServer, Say, Script
from pydantic import SecretStr

from agents import Brief, Roster
from delegation import OutcomeStatus, Plan, Requirements, Role, SquadMember, Subtask, Task, TaskType

SUBTASK = Subtask(id="S1", title="Publish the notes", criteria=["the notes are out"])


@pytest.fixture
def server() -> Iterator[ModelServer]:
    script = Script().on(Say(calls=(Call("publish", {"name": "notes"}),)), turn=0)
    with ModelServer(script.on(lambda asked: Say(f"It said: {asked.results[-1]}"), turn=1)) as running:
        yield running
    assert running.unscripted == []


def brief(*answers: str, question: str = "") -> Brief:
    return Brief(
        execution_id=UUID(int=1),
        task=Task(title="Publish"),
        requirements=Requirements(type=TaskType.GENERAL, complexity=1, criteria=[]),
        plan=Plan(subtasks=[SUBTASK]),
        subtask=SUBTASK,
        member=SquadMember(id="dee", name="Dee", role=Role.DEVOPS_ENGINEER),
        questions=[question] * len(answers),
        answers=list(answers),
        attempt=len(answers) + 1,
    )


@pytest.mark.parametrize("keeps", [True, False], ids=["with a checkpointer", "without one"])
@pytest.mark.parametrize(
    ("answer", "said", "published"),
    [("approve", "It said: published notes", ["notes"]), ("not today", "with reason: not today", [])],
    ids=["approved", "rejected"],
)
async def test_what_its_middleware_asks_is_asked_and_the_answer_is_a_decision(server, keeps, answer, said, published):
    done: list[str] = []

    @tool
    def publish(name: str) -> str:
        """Publish something."""
        done.append(name)
        return f"published {name}"

    agent: Any = create_agent(
        ChatOpenAI(model="scripted", base_url=server.url, api_key=SecretStr("test"), max_retries=0),
        [publish],
        middleware=[HumanInTheLoopMiddleware(interrupt_on={"publish": {"allowed_decisions": ["approve", "reject"]}})],
        checkpointer=InMemorySaver() if keeps else None,
    )
    member = Roster({Role.DEVOPS_ENGINEER: agent}).of(Role.DEVOPS_ENGINEER)
    first = await member.work(brief())
    assert first.status is OutcomeStatus.BLOCKED
    assert first.question
    assert 'publish {"name": "notes"}' in first.question
    assert done == []
    second = await member.work(brief(answer, question=f"S1 (Publish the notes): {first.question}"))
    assert second.status is OutcomeStatus.DONE
    assert second.deliverable
    assert said in second.deliverable.body
    assert done == published
    assert len(server.asked) == (2 if keeps else 3)  # with a checkpointer nothing is asked for again
