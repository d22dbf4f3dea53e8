"""Calling an agent: again where its trouble may pass, within a time limit, and checked for what it gives back."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from agents import RoleAgent, journalled
from delegation import AgentFailed, EffectInDoubt
from graph.context import RunSettings
from graph.outside import Outside, scope_of
from graph.step import Step

__all__ = ["called", "consult", "is_cancelled", "is_passing"]

T = TypeVar("T")

logger = logging.getLogger(__name__)

_LASTING = (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError)
"""Kinds of OSError that another try meets again."""

_NAMES = frozenset(
    {
        "APIConnectionError",
        "APITimeoutError",
        "InternalServerError",
        "OverloadedError",
        "RateLimitError",
        "ServiceUnavailableError",
        "TransportError",
    }
)
"""What the clients of model providers, and httpx beneath them, call passing trouble; none of them is imported here."""

_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, 529})


def is_passing(error: BaseException) -> bool:
    """Tell whether another try may fare better: time-outs, connections, rate limits, a server's own trouble."""
    if isinstance(error, TimeoutError | OSError):
        return not isinstance(error, _LASTING)
    if any(kind.__name__ in _NAMES for kind in type(error).__mro__):
        return True
    response = getattr(error, "response", None)
    return getattr(error, "status_code", getattr(response, "status_code", None)) in _STATUSES


def is_cancelled() -> bool:
    """Tell whether the running task is being cancelled, also where an agent has caught that."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


async def called(settings: RunSettings, outside: Outside, agent: Callable[..., Awaitable[T]], *given: Any) -> T:
    """Call an agent, again with back-off where its trouble may pass; what is raised at the last try is raised.

    Raises:
        EffectInDoubt: an effect of its is in doubt, whatever the agent itself made of that.
    """
    retrying = AsyncRetrying(
        stop=stop_after_attempt(settings.max_attempts),
        wait=wait_random_exponential(multiplier=settings.retry_wait_s, max=settings.retry_ceiling_s),
        retry=retry_if_exception(lambda error: is_passing(error) and not is_cancelled()),
        before_sleep=_note,
        reraise=True,
    )
    try:
        with journalled(outside):
            found: T = await retrying(agent, *given)
    except Exception as error:
        if outside.doubt:
            raise outside.doubt from error
        raise
    if outside.doubt:
        raise outside.doubt
    return found


async def consult(step: Step, agent: RoleAgent, judgement: str, *given: Any, returns: type[T]) -> T:
    """Have an agent judge, by the name of its method, and return its judgement.

    Raises:
        AgentFailed: it raised, was late, or gave back something else than ``returns``.
        EffectInDoubt: an outside effect of its was begun before, and nobody knows whether it happened.
    """
    who, limit = f"{agent.role}'s {judgement}", step.settings.subtask_timeout_s
    outside = Outside(step, scope_of(step.node, step.state.get("round") or 1))
    try:
        async with asyncio.timeout(limit) as time:
            found: Any = await called(step.settings, outside, getattr(agent, judgement), *given)
    except EffectInDoubt:
        raise
    except asyncio.CancelledError as error:
        if is_cancelled():
            raise  # ours: the run is being cancelled
        raise AgentFailed(f"{who} was cancelled by something of its own: {error}") from error
    except Exception as error:
        if is_cancelled():  # what the agent made of that says nothing about its judgement
            raise asyncio.CancelledError from error
        if outside.doubt:  # ended by the time limit, amid the effect
            raise outside.doubt from error
        late = isinstance(error, TimeoutError) and time.expired()
        why = f"did not end within {limit:g} s" if late else f"failed: {type(error).__name__}: {error}"
        raise AgentFailed(f"{who} {why}", hint="mend the agent; a task that failed is run anew") from error
    if not isinstance(found, returns):
        raise AgentFailed(f"{who} gave back {type(found).__name__}, which is no {returns.__name__}")
    return found


def _note(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    wait = state.next_action.sleep if state.next_action else 0.0
    logger.info("%s: %s; try %d follows in %.1f s", type(error).__name__, error, state.attempt_number + 1, wait)
