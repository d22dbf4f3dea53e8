"""A Runnable that stands in for a role: the brief goes in, and what comes out is read as an outcome.

A graph that interrupts is blocked with its question, and goes on where it asked once that is answered. With a
checkpointer of its own its thread is kept there, one for each subtask and member, so that it also goes on after a
crash. Without one it is run again from its beginning, and each of its questions that was answered before gets that
answer again.
"""

from hashlib import sha256
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.pregel import Pregel
from langgraph.types import Command

from agents.foreign.given import given_to
from agents.foreign.questions import Asked, Heard, question_of
from agents.foreign.returned import outcome_of
from agents.role_agent import Brief
from delegation import Outcome, OutcomeStatus, Role

__all__ = ["ForeignAgent"]

RESUME = "__resume__"
"""The channel under which LangGraph keeps what interrupts were answered."""

ATTEMPT, HEARD = "squad_attempt", "squad_heard"
"""What a kept thread remembers of the brief that it was last run for: its attempt, and how many answers it held."""


class ForeignAgent:
    """A role whose work a compiled graph or another Runnable does.

    Args:
        role: the role that it works in.
        runnable: what does the work.

    Raises:
        ConfigurationError: it takes an input of which nothing is known here.
    """

    def __init__(self, role: Role, runnable: Runnable[Any, Any]) -> None:
        self.role = role
        self._runnable = runnable
        self._given = given_to(runnable, f"the agent given for {role.value}")

    async def work(self, brief: Brief) -> Outcome:
        """Do the subtask; an output that is no outcome is a failure that says so."""
        config: RunnableConfig = {"configurable": {"brief": brief.model_dump(mode="json")}}
        if not isinstance(self._runnable, Pregel):
            return outcome_of(await self._runnable.ainvoke(await self._given(brief), config), brief)
        config["configurable"]["thread_id"] = thread_of(brief)
        config["metadata"] = {ATTEMPT: brief.attempt, HEARD: len(brief.answers)}
        if isinstance(self._runnable.checkpointer, BaseCheckpointSaver):
            return await self._on_kept_thread(self._runnable, config, brief)
        graph = self._runnable.copy({"checkpointer": InMemorySaver(serde=_AsIs())})
        return await _converse(graph, config, brief, await self._given(brief), Heard(brief))

    async def _on_kept_thread(self, graph: Pregel[Any, Any, Any, Any], config: RunnableConfig, brief: Brief) -> Outcome:
        """Begin, or go on from where the graph's own checkpointer has this subtask."""
        kept = await graph.aget_state(config)
        known: dict[str, Any] = dict(kept.metadata or {})
        if kept.interrupts:
            heard = Heard(brief, since=known.get(HEARD, 0))
            used = await _used(graph, config)
            asked = [Asked(one.id, one.value, used.get(task.id, ())) for task in kept.tasks for one in task.interrupts]
            if responses := heard.responses(asked):
                return await _converse(graph, config, brief, Command(resume=responses), heard)
            return _asking(kept.interrupts)
        if known.get(ATTEMPT) == brief.attempt:  # it was killed, or its outcome was not stored
            if not kept.next:
                return outcome_of(kept.values, brief)
            return await _converse(graph, config, brief, None, Heard(brief))
        return await _converse(graph, config, brief, await self._given(brief), Heard(brief))


async def _converse(
    graph: Pregel[Any, Any, Any, Any], config: RunnableConfig, brief: Brief, given: Any, heard: Heard
) -> Outcome:
    """Run the graph, answering what has been answered before, until it ends or asks something new."""
    while True:
        found = await graph.ainvoke(given, config, durability="sync")
        interrupts = found.get("__interrupt__") if isinstance(found, dict) else None
        if not interrupts:
            return outcome_of(found, brief)
        responses = heard.responses(Asked(one.id, one.value) for one in interrupts)
        if not responses:
            return _asking(interrupts)
        given = Command(resume=responses)


async def _used(graph: Pregel[Any, Any, Any, Any], config: RunnableConfig) -> dict[str, list[Any]]:
    """Return the responses that tasks which interrupt again have used up already, by the task's id."""
    saver = graph.checkpointer
    assert isinstance(saver, BaseCheckpointSaver)
    saved = await saver.aget_tuple(config)
    writes = (saved.pending_writes if saved else None) or []
    return {task: list(value) for task, channel, value in writes if channel == RESUME and isinstance(value, list)}


def _asking(interrupts: Any) -> Outcome:
    question = "\n".join(question_of(one.value) for one in interrupts)
    return Outcome(status=OutcomeStatus.BLOCKED, note=question, question=question)


def thread_of(brief: Brief) -> str:
    """Return the thread that a graph's own checkpointer keeps for the member's work on the subtask.

    The subtask's words are in it, since another plan's subtask may have the same id.
    """
    words = sha256(f"{brief.subtask.title}\n{brief.subtask.description}".encode()).hexdigest()[:8]
    return f"{brief.execution_id}:{brief.subtask.id}:{words}:{brief.member.id}"


class _AsIs:
    """A serializer that keeps values as they are: a graph without a checkpointer may hold what nothing can store."""

    def dumps_typed(self, obj: Any) -> tuple[str, Any]:
        return "as is", _own(obj)

    def loads_typed(self, data: tuple[str, Any]) -> Any:
        return _own(data[1])


def _own(value: Any) -> Any:
    """Return lists and mappings as ones that nobody else adds to: LangGraph does, after it has stored them."""
    if type(value) is list:
        return [_own(one) for one in value]
    return {key: _own(one) for key, one in value.items()} if type(value) is dict else value
