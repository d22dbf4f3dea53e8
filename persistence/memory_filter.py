"""Which items a search of the memory is for: LangGraph's filters, by value or by comparison."""

from collections.abc import Callable, Mapping
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from delegation import InputError

__all__ = ["matches"]

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": eq,
    "$ne": ne,
    "$gt": gt,
    "$gte": ge,
    "$lt": lt,
    "$lte": le,
}


def matches(value: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Tell whether an item's value has all that is wanted of it, field by field.

    Raises:
        InputError: a comparison is none that there is.
    """
    return all(_fits(value.get(name), one) for name, one in wanted.items())


def _fits(value: Any, wanted: Any) -> bool:
    if not isinstance(wanted, Mapping):
        return bool(value == (list(wanted) if isinstance(wanted, tuple) else wanted))
    if not any(str(name).startswith("$") for name in wanted):
        return isinstance(value, Mapping) and matches(value, wanted)
    return all(_holds(value, str(name), one) for name, one in wanted.items())


def _holds(value: Any, comparison: str, other: Any) -> bool:
    """Tell whether a comparison holds; between what cannot be compared, only that both differ does."""
    if comparison not in _COMPARISONS:
        raise InputError(f"{comparison!r} compares nothing", hint=f"there are {', '.join(_COMPARISONS)}")
    try:
        return bool(_COMPARISONS[comparison](value, other))
    except TypeError:
        return False
