"""Secrets kept out of what is stored, logged and shown: the errors of HTTP clients quote whole URLs and headers."""

import re

__all__ = ["masked"]

_USER = re.compile(r"(?<=://)[^/\s@]+@")
_QUERY = re.compile(r"(?<=\w)\?[^\s'\"<>]*=[^\s'\"<>]*")
_NAMED = re.compile(
    r"\b(token|api[-_ ]?key|secret|password|authorization)(['\"]?\s*[:=]\s*)['\"]?[\w.~+/=-]{6,}", re.IGNORECASE
)
_SCHEME = re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]{8,}")
_KEY = re.compile(r"\b(?:sk|pk|ghp|gho|xox[abp])[-_][\w-]{8,}")


def masked(text: str) -> str:
    """Return an error's text in one line, without users and passwords in URLs, query strings, keys and tokens."""
    line = _QUERY.sub("?***", _USER.sub("***@", " ".join(text.split())))
    line = _NAMED.sub(r"\1\2***", _SCHEME.sub(r"\1 ***", line))
    return _KEY.sub("***", line)
