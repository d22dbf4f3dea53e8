"""How much one piece of work may take, besides the time that it has."""

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """Bounds of one subtask's work; time is bounded from outside, which also ends a call that hangs."""

    model_calls: int = 60
    tool_calls: int = 200
    tokens: int | None = None
    """Input and output together, of one subtask."""
