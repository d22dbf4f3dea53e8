"""The interfaces that a task names: routes, files, functions, classes, settings. Found, never made up."""

import re
from collections.abc import Iterable

from delegation.reading import Reading
from delegation.text import BlockKind

__all__ = ["files_in", "interfaces_in", "mentions_of"]

MOST_MENTIONS = 40
LONGEST_MENTION = 120

MOST_READ = 100_000
"""Characters that are looked through; what is named first comes first anyway."""

_ENDINGS = (
    "py|pyi|js|jsx|ts|tsx|mjs|cjs|css|scss|html|vue|java|kt|go|rs|c|cc|cpp|cxx|h|hpp|cu|cs|rb|php|swift|m|mm|sh|sql|"
    "json|yaml|yml|toml|ini|cfg|conf|xml|md|rst|txt|proto|gradle|cmake|ipynb|csv|env|lock"
)
_PATTERNS = (
    re.compile(r"\b(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) (/[\w./:{}<>-]{0,100})"),
    re.compile(r"(?<![\w./:<-])(/[a-zA-Z_{][\w{}:.-]{0,60}(?:/[\w{}:.-]{1,60}){0,8})(?![\w>])"),
    re.compile(
        rf"(?<![\w/.-])((?:[\w.-]{{1,60}}/){{0,10}}[\w-]{{1,60}}(?:\.[\w-]{{1,30}}){{0,3}}\.(?:{_ENDINGS}))\b(?!\.\w)"
    ),
    re.compile(r"(?<![\w.])((?:[A-Za-z_]\w{0,60}(?:\.|::)){0,6}[A-Za-z_]\w{1,60})\(\)"),
    re.compile(r"(?<![\w.])([a-z_]\w{0,60}(?:_[a-z0-9]{1,60}){1})\b(?!\.\w)"),
    re.compile(r"(?<![\w.])([A-Z][a-z0-9]{1,40}(?:[A-Z][a-z0-9]{1,40}){1,6})\b"),
)
_FILE = re.compile(rf"(?:[\w.-]+/)*[\w.-]+\.(?:{_ENDINGS})")
_BACKTICKED = re.compile(r"`([^`\n]{1,120})`")
_BRANDS = frozenset(
    {"GitHub", "GitLab", "JavaScript", "TypeScript", "TensorFlow", "PyTorch", "YouTube", "StackOverflow", "LinkedIn"}
)
_CLASS = re.compile(r"[\w.:/\\$@<>{}()\[\],=*&-]{2,120}(?: [\w.:/\\$@<>{}()\[\],=*&-]{1,60}){0,3}$")
_METHOD = re.compile(r"(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) /\S{0,100}$")


def mentions_of(reading: Reading) -> list[str]:
    """Return the interfaces that the title, the prose and the criteria name, in order, without repetition."""
    prose = [block.text for block in reading.blocks if block.kind in {BlockKind.PARAGRAPH, BlockKind.ITEM}]
    return interfaces_in([reading.task.title, *prose, *reading.criteria])


def files_in(texts: Iterable[str]) -> list[str]:
    """Return the files named in the texts, at most ``MOST_MENTIONS``, in order of appearance."""
    return [one for one in interfaces_in(texts) if _FILE.fullmatch(one)]


def interfaces_in(texts: Iterable[str]) -> list[str]:
    """Return the interfaces named in the texts, at most ``MOST_MENTIONS``, in order of appearance."""
    found: dict[str, None] = {}
    left = MOST_READ
    for text in texts:
        read, left = text[:left], left - min(left, len(text))
        for mention in _in_text(read):
            found.setdefault(mention)
            if len(found) >= MOST_MENTIONS:
                return list(found)
    return list(found)


def _in_text(text: str) -> tuple[str, ...]:
    hits: list[tuple[int, str]] = [
        (match.start(), match[1].strip()) for match in _BACKTICKED.finditer(text) if _is_name(match[1].strip())
    ]
    bare = _BACKTICKED.sub(lambda match: " " * len(match[0]), text)
    bare = re.sub(r"(?:https?|ftp|file)://\S+", lambda match: " " * len(match[0]), bare)
    hits += [
        (match.start(), match[0] if "()" in match[0] else match[0].strip("() "))
        for pattern in _PATTERNS
        for match in pattern.finditer(bare)
    ]
    hits.sort(key=lambda hit: (hit[0], -len(hit[1])))
    return tuple(dict.fromkeys(_outermost(hits)))


def _outermost(hits: list[tuple[int, str]]) -> Iterable[str]:
    """Yield the hits that lie in no hit before them: the file, not the folder's name in it."""
    end = -1
    for start, text in hits:
        if start >= end and text not in _BRANDS:
            end = start + len(text)
            yield text[:LONGEST_MENTION]


def _is_name(text: str) -> bool:
    return bool(
        _METHOD.match(text) or (" " not in text and _CLASS.match(text)) or (text.endswith(")") and _CLASS.match(text))
    )
