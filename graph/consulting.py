"""Calling an agent: again where its trouble may pass, within a time limit, and checked for what it gives back."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from json import JSONDecodeError
from typing import Any, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from agents import Colleagues, RoleAgent, Surroundings, surrounded
from agents.workspace import CopyHands
from delegation import AgentFailed, BudgetSpent, EffectInDoubt
from graph.apart import apart
from graph.context import RunSettings
from graph.hands import judging
from graph.kept_answers import KeptAnswers
from graph.masking import masked
from graph.outside import Outside, scope_of
from graph.recalling import memory_of, recalling
from graph.step import Step

__all__ = ["Late", "called", "consult", "is_cancelled", "is_passing", "takes"]

T = TypeVar("T")

logger = logging.getLogger(__name__)

STUBBORN_S = 5.0
"""How long an agent that is cancelled has to end, in seconds."""

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
    """Tell whether another try may fare better: time-outs, connections, rate limits, a server's own trouble.

    So may an answer that is no JSON: clients raise that as it is where a proxy or an overloaded server garbles it.
    """
    if isinstance(error, TimeoutError | OSError | JSONDecodeError):
        return not isinstance(error, _LASTING)
    if any(kind.__name__ in _NAMES for kind in type(error).__mro__):
        return True
    response = getattr(error, "response", None)
    return getattr(error, "status_code", getattr(response, "status_code", None)) in _STATUSES


def is_cancelled() -> bool:
    """Tell whether the running task is being cancelled, also where an agent has caught that."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


async def called(
    settings: RunSettings,
    outside: Outside,
    agent: Callable[..., Awaitable[T]],
    *given: Any,
    colleagues: Colleagues | None = None,
    hands: CopyHands | None = None,
) -> T:
    """Call an agent, again with back-off where its trouble may pass; what is raised at the last try is raised.

    Raises:
        Late: all tries together took longer than the time limit.
        EffectInDoubt: an effect of its is in doubt, whatever the agent itself made of that.
        BudgetSpent: its model was not called, since nothing is left of the budget; whatever it made of that.
    """

    async def once() -> T:
        if hands is not None:
            await hands.afresh()
        try:
            return await agent(*given)
        except SystemExit as error:  # an agent's own; let through, it would end the event loop and all that runs in it
            raise RuntimeError(f"it called sys.exit({error.code})") from None

    memory = memory_of(outside)
    context = recalling(outside, agent, given)
    answers = KeptAnswers(outside.step, outside.piece)
    around = Surroundings(
        effects=outside, answers=answers, hands=hands, colleagues=colleagues, context=context, memory=memory
    )
    try:
        with surrounded(around), apart(outside.scope, memory):
            found: T = await _within(settings.subtask_timeout_s, _persistently(settings, once))
    except Exception as error:
        if hidden := outside.doubt or answers.spent:
            raise hidden from error
        raise
    if hidden := outside.doubt or answers.spent:
        raise hidden
    return found


async def _persistently(settings: RunSettings, once: Callable[[], Awaitable[T]]) -> T:
    """Await a call, again as the settings say; the machinery of that is only set up where the first one fails."""
    try:
        return await once()
    except Exception as error:
        if not _again(error):
            raise
        behind = [error]

    async def tried() -> T:
        if behind:
            raise behind.pop()
        return await once()

    retrying = AsyncRetrying(
        stop=stop_after_attempt(settings.max_attempts),
        wait=wait_random_exponential(multiplier=settings.retry_wait_s, max=settings.retry_ceiling_s),
        retry=retry_if_exception(_again),
        before_sleep=_note,
        reraise=True,
    )
    return await retrying(tried)


def _again(error: BaseException) -> bool:
    return is_passing(error) and not is_cancelled()


async def consult(
    step: Step, agent: RoleAgent, judgement: str, *given: Any, returns: type[T], offered: Mapping[str, Any] = {}
) -> T:
    """Have an agent judge, by the name of its method, and return its judgement.

    Of what is ``offered`` by name it gets what its method takes: an agent of a user's own may do without.

    Raises:
        AgentFailed: it raised, was late, or gave back something else than ``returns``.
        EffectInDoubt: an outside effect of its was begun before, and nobody knows whether it happened.
        BudgetSpent: nothing is left of what its model may take.
    """
    who = f"{agent.role}'s {judgement}"
    judge = getattr(agent, judgement)
    if offered:
        judge = partial(judge, **{name: value for name, value in offered.items() if takes(judge, name)})
    async with judging(step) as hands:
        found = await _judged(step, who, judge, given, hands)
    if not isinstance(found, returns):
        raise AgentFailed(f"{who} gave back {type(found).__name__}, which is no {returns.__name__}")
    return found


async def _judged(
    step: Step, who: str, judge: Callable[..., Awaitable[Any]], given: tuple[Any, ...], hands: CopyHands | None
) -> Any:
    """Have an agent judge, whatever it raises being its failure."""
    outside = Outside(step, scope_of(step.node, step.round))
    try:
        return await called(step.settings, outside, judge, *given, hands=hands)
    except (EffectInDoubt, BudgetSpent):
        raise
    except asyncio.CancelledError as error:
        if is_cancelled():
            raise  # ours: the run is being cancelled
        if outside.doubt:
            raise outside.doubt from error
        raise AgentFailed(f"{who} was cancelled by something of its own: {error}") from error
    except Exception as error:
        if is_cancelled():  # what the agent made of that says nothing about its judgement
            raise asyncio.CancelledError from error
        late = isinstance(error, Late)
        why = str(error) if late else f"failed: {type(error).__name__}: {masked(str(error))}"
        raise AgentFailed(f"{who} {why}", hint="mend the agent; a task that failed is run anew") from error


def takes(method: Callable[..., Any], name: str) -> bool:
    """Tell whether a method can be given an argument of that name."""
    try:
        parameters = inspect.signature(method).parameters
    except (TypeError, ValueError):  # some callables do not say what they take
        return False
    known = parameters.get(name)
    if known is not None:
        return known.kind in {known.KEYWORD_ONLY, known.POSITIONAL_OR_KEYWORD}
    return any(one.kind is one.VAR_KEYWORD for one in parameters.values())


class Late(Exception):
    """An agent took longer than it has."""


async def _within(limit_s: float, work: Coroutine[Any, Any, T]) -> T:
    """Await an agent's work for so long, and end it where it takes longer or whoever waits is cancelled.

    One that does not let itself be cancelled is left behind after a moment: nothing of it is stored any more, and it
    must not hold up the execution, its lease and whoever wants to stop it.
    """
    task = asyncio.create_task(work)
    try:
        done, _ = await asyncio.wait([task], timeout=limit_s)
    except asyncio.CancelledError:
        await _end(task)
        raise
    if not done:
        await _end(task)
        raise Late(f"did not end within {limit_s:g} s")
    return task.result()


async def _end(task: asyncio.Task[Any]) -> None:
    task.cancel()
    try:
        await asyncio.wait([task], timeout=STUBBORN_S)
    finally:
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # seen
        if not task.done():
            logger.warning("an agent does not let itself be cancelled, and is left behind")


def _note(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    wait = state.next_action.sleep if state.next_action else 0.0
    told = (type(error).__name__, masked(str(error)), state.attempt_number + 1, wait)
    logger.info("%s: %s; try %d follows in %.1f s", *told)
