"""How long something may take, as it is typed: ``45s``, ``30m``, ``2h``, ``7d``, or a number of seconds."""

import re

__all__ = ["seconds_of"]

_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)", re.ASCII)
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_LONGEST_S = 100 * 365 * 86_400.0


def seconds_of(text: str) -> float:
    """Return a duration in seconds.

    Raises:
        ValueError: the text is no duration, or one of nothing, or one of more than a hundred years.
    """
    found = _FORM.fullmatch(text.strip().lower())
    seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if not 0 < seconds <= _LONGEST_S:
        raise ValueError("a duration is a number with s, m, h or d behind it, such as 45s, 30m, 2h or 7d")
    return seconds
