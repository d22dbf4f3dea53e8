"""What models may take: counted over what is stored, asked for where it is spent, and granted by a human's answer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from delegation import Answer, BudgetSpent, Decision, Gate, GateError, GateKind, NewGate
from graph.brains import price_of
from graph.context import RunSettings, settings_from
from persistence import ModelUsage

__all__ = ["Spending", "budget_gate", "check_budget", "check_grant", "is_budget", "spending", "told_spending"]

TOKENS, MONEY = "tokens", "money"
_MOST = 10**12


@dataclass(frozen=True)
class Spending:
    """What an execution's models took; ``cost`` is None where a price is missing."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = 0.0


def spending(usage: Iterable[ModelUsage], settings: RunSettings) -> Spending:
    """Add up what was taken, and what it cost by the settings' prices."""
    found = Spending()
    for one in usage:
        price = price_of(settings, one.model)
        cost = None
        if price is not None and found.cost is not None:
            cost = found.cost + (one.input_tokens * price.input + one.output_tokens * price.output) / 1e6
        found = Spending(
            found.calls + one.calls,
            found.input_tokens + one.input_tokens,
            found.output_tokens + one.output_tokens,
            cost,
        )
    return found


def told_spending(usage: Sequence[ModelUsage], stored: dict[str, Any] | None) -> dict[str, Any]:
    """Return what progress and summary tell, by an execution's stored settings; nothing where it has no models."""
    kept = {name: value for name, value in (stored or {}).items() if name in {"model", "models", "prices"}}
    if not kept.keys() & {"model", "models"}:
        return {}
    found = spending(usage, settings_from(kept))
    return {
        "model_calls": found.calls,
        "input_tokens": found.input_tokens,
        "output_tokens": found.output_tokens,
        "cost": None if found.cost is None else round(found.cost, 6),
    }


def check_budget(settings: RunSettings, usage: Iterable[ModelUsage], gates: Iterable[Gate]) -> None:
    """Raise BudgetSpent where nothing is left of what the settings and humans' answers allow.

    It is asked before each call, so calls that are under way at the same time may go beyond it by what they take.
    """
    spent = spending(usage, settings)
    granted = [gate for gate in gates if is_budget(gate) and gate.answer]
    limits = (
        (TOKENS, settings.max_tokens, spent.input_tokens + spent.output_tokens),
        (MONEY, settings.max_cost, spent.cost),
    )
    for unit, limit, taken in limits:
        if limit is None or taken is None:
            continue
        allowed = _allowed(float(limit), [gate for gate in granted if gate.metadata["budget"] == unit])
        if taken >= allowed:
            raise BudgetSpent(unit, taken, allowed, limit)


def _allowed(limit: float, granted: Sequence[Gate]) -> float:
    """Return how much may be taken in all: each answer lets as much more be taken than there was when it was asked."""
    allowed = limit
    for gate in sorted(granted, key=lambda gate: float(gate.metadata["spent"])):
        allowed = max(allowed, float(gate.metadata["spent"])) + grant_of(gate)
    return allowed


def budget_gate(spent: BudgetSpent, *, next_state: str) -> NewGate:
    """Return the question whether, and with how much more, it goes on."""
    return NewGate(
        kind=GateKind.ESCALATION,
        question=f"{spent.message}. How much more may it take?",
        reason="the budget of models is spent",
        details=f"Respond with a number: so much more {spent.unit}. Approve for {_number(spent.limit)} more, as at the "
        "beginning. Reject to give the task up. What the models have answered so far is not asked again.",
        metadata={"budget": spent.unit, "limit": spent.limit, "spent": spent.taken},
        next_state=next_state,
    )


def is_budget(gate: NewGate) -> bool:
    """Tell whether the question is about what models may take."""
    return "budget" in gate.metadata


def check_grant(gate: Gate, answer: Answer) -> None:
    """Raise GateError where an answer to the question for more budget is no number."""
    if is_budget(gate) and answer.decision == Decision.RESPOND:
        _read(gate, answer.text)


def grant_of(gate: Gate) -> float:
    """Return how much an answered question has granted."""
    answer = Answer.model_validate(gate.answer)
    if answer.decision == Decision.RESPOND:
        return _read(gate, answer.text)
    return float(gate.metadata["limit"]) if answer.decision == Decision.APPROVE else 0.0


def _read(gate: Gate, text: str | None) -> float:
    unit, said = gate.metadata["budget"], (text or "").strip()
    try:
        number = float(int(said)) if unit == TOKENS else float(said)
    except ValueError:
        number = 0.0
    if not 0 < number <= _MOST:
        raise GateError(
            f"{said[:80]!r} is no number of {unit}",
            hint=f"answer with how much more it may take, such as {'50000' if unit == TOKENS else '2.50'}; approve for "
            f"{_number(gate.metadata['limit'])} more; or reject",
        )
    return number


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"
