"""A node's act under the step protocol, and what is decided where an agent fails it."""

from collections.abc import Awaitable, Callable
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from delegation import AgentFailed, BudgetSpent, EffectInDoubt, GateKind, NewGate
from graph.asking import doubt_gate
from graph.budget import budget_gate
from graph.context import RunSettings
from graph.lifecycle import WorkflowState
from graph.outside import carried_on, scope_of
from graph.services import Services
from graph.state import WorkingState
from graph.step import Decided, Step, open_step
from persistence import Effects

__all__ = ["FAILURES", "Act", "decided", "on_failure", "run_step"]

FAILURES = (AgentFailed, EffectInDoubt, BudgetSpent)
"""What an agent may fail a step by, and the step goes on from; see :func:`on_failure`."""


Act = Callable[[Step], Awaitable[Decided]]


async def run_step(
    services: Services,
    node: WorkflowState,
    act: Act,
    state: WorkingState,
    config: RunnableConfig,
    runtime: Runtime[RunSettings],
) -> dict[str, Any]:
    """Run one node under the step protocol and return the update of the thread."""
    step, recorded = await open_step(services, node, state, config, runtime)
    if recorded is not None:
        return recorded
    with step.at_work():
        return await step.commit(await decided(step, act))


async def decided(step: Step, act: Act) -> Decided:
    """Return what the act decides, or what follows where an agent fails it."""
    try:
        return await act(step)
    except FAILURES as failure:
        return on_failure(step, failure)


def on_failure(step: Step, failure: AgentFailed | EffectInDoubt | BudgetSpent) -> Decided:
    """Return what follows where an agent fails a step: the task fails or, as the run chose, a human is asked.

    An outside effect in doubt always is a question to a human, and so is a budget that is spent: what models have
    answered until then is kept for the step that goes on after the answer.
    """
    if isinstance(failure, BudgetSpent):
        effects = Effects(gates=[budget_gate(failure, next_state=step.node)], carried=carried_on(step))
        return Decided(to_state=WorkflowState.BLOCKED, reason=failure.message, effects=effects)
    if isinstance(failure, EffectInDoubt):
        gate = doubt_gate(scope_of(step.node, step.round), failure, next_state=step.node)
    elif step.settings.on_failure == "fail":
        return Decided(to_state=WorkflowState.FAILED, reason=failure.message)
    else:
        gate = NewGate(
            kind=GateKind.ESCALATION,
            question=f"{failure.message}. Try once more?",
            reason=failure.message,
            attempted_solutions=[f"up to {step.settings.max_attempts} calls"],
            next_state=step.node,
        )
    return Decided(to_state=WorkflowState.BLOCKED, reason=failure.message, effects=Effects(gates=[gate]))
