"""What the shape of a text says about its kind, apart from its words: how the title is put, what the template asked.

Each sign has a name that reads as evidence ("the title asks"); what it weighs stands in :mod:`delegation.families`.
"""

import re
from collections.abc import Iterable

from delegation.reading import Reading
from delegation.sections import Section
from delegation.text import BlockKind

__all__ = ["signs_of"]

_ASKING = frozenset(
    [
        "how",
        "why",
        "what",
        "is",
        "can",
        "does",
        "do",
        "where",
        "which",
        "are",
        "who",
        "when",
        "could",
        "should",
        "any",
        "anyone",
        "has",
        "did",
        "will",
        "would",
    ]
)
_ORDERS = frozenset(
    [
        "add",
        "support",
        "allow",
        "implement",
        "make",
        "improve",
        "enable",
        "provide",
        "expose",
        "introduce",
        "extend",
        "use",
        "consider",
        "remove",
        "replace",
        "refactor",
        "move",
        "change",
        "create",
        "include",
        "show",
        "update",
        "let",
        "give",
        "drop",
        "migrate",
        "upgrade",
        "convert",
        "switch",
        "reduce",
        "increase",
        "optimize",
        "optimise",
        "simplify",
        "clean",
        "document",
        "rename",
        "split",
        "deprecate",
        "proposal",
        "feature",
        "request",
        "suggestion",
        "enhancement",
        "ability",
        "option",
    ]
)
_PREFIX = re.compile(r"\[?([A-Za-z][\w ./+-]{1,24})\]?\s?:\s")
_EXCEPTION = re.compile(r"\b[A-Z]\w{0,40}(?:Error|Exception)\b|\bError:|\bE\d{4,}\b")
_KIND = re.compile(r"\b(bug|feature|question|support|performance|build|install|documentation|others?)\b")
_TEMPLATE = re.compile(r"<!--[^<>]{0,200}?\b(bug|feature)[_ -](?:report|request)")
_LOWER_I = re.compile(r"(?:^|\s)i(?:'m|'ve|m|\s)")
_REFERENCE = re.compile(r"(?:^|[\s(])#\d{2,7}\b|/(?:issues|pull)/\d{2,7}\b")
_FORUM = re.compile(r"stackoverflow|stackexchange|\bforum|discuss\.", re.IGNORECASE)
_PICTURE = re.compile(r"!\[|<img ")
_LONG_TITLE, _SHORT_TITLE, _SHORT_TEXT, _LONG_TEXT = 12, 3, 25, 200


def signs_of(reading: Reading) -> list[str]:
    """Return the names of the signs that the text's shape gives."""
    return [*_of_title(reading), *_of_template(reading), *_of_text(reading)]


def _of_title(reading: Reading) -> Iterable[str]:
    title, words = reading.task.title[:1_000], reading.title_words
    prefix = _PREFIX.match(title)
    rest = title[prefix.end() :].split() if prefix else title.split()
    first = re.sub(r"\W", "", rest[0]).lower() if rest else ""
    if title.rstrip().endswith("?"):
        yield "the title ends in a question mark"
    if first in _ASKING:
        yield "the title begins like a question"
    if first in _ORDERS:
        yield "the title asks for a change"
    if prefix and prefix[1].lower() not in {"bug", "feature", "question", "error"}:
        yield "the title names a part of the system first"
    if _EXCEPTION.search(title):
        yield "the title is an error message"
    if "`" in title or re.search(r"\w\(\)|\w_\w|::", title):
        yield "the title names code"
    if len(words) <= _SHORT_TITLE:
        yield "the title is very short"
    elif len(words) >= _LONG_TITLE:
        yield "the title is long"
    if title[:1].islower() and not prefix:
        yield "the title begins in lower case"


def _of_template(reading: Reading) -> Iterable[str]:
    sections = {block.section for block in reading.blocks}
    for section, name in _FILLED.items():
        if section in sections:
            yield name
    if {Section.EXPECTED, Section.ACTUAL} <= sections:
        yield "expected and actual behaviour"
    for block in reading.under(Section.KIND)[:1]:
        if found := _KIND.search(block.text.lower()[:60]):
            yield f"filed as {found[1]}"
    if found := _TEMPLATE.search(reading.task.description[:5_000]):
        yield f"written on a template for a {found[1]}"


_FILLED = {
    Section.REPRODUCTION: "steps to reproduce",
    Section.WISH: "a section for a wish",
    Section.QUESTION: "a section for a question",
    Section.ENVIRONMENT: "a section for the environment",
    Section.PROBLEM: "a section for the problem",
}


def _of_text(reading: Reading) -> Iterable[str]:
    if reading.has(BlockKind.TRACE):
        yield "a stack trace or log"
    if reading.has(BlockKind.CODE):
        yield "code"
    if reading.has(BlockKind.ASIDE):
        yield "a folded part"
    if any(block.number is not None for block in reading.prose):
        yield "numbered steps"
    if any("?" in block.text for block in reading.prose):
        yield "the text asks"
    if any(_LOWER_I.search(block.text) for block in reading.prose):
        yield "written casually"
    yield from _of_raw(reading)


def _of_raw(reading: Reading) -> Iterable[str]:
    raw, count = reading.task.description[:20_000], len(reading.body_words)
    if _REFERENCE.search(raw):
        yield "refers to other issues"
    if _FORUM.search(raw):
        yield "refers to a forum"
    if _PICTURE.search(raw):
        yield "a picture"
    if count < _SHORT_TEXT:
        yield "little text"
    elif count > _LONG_TEXT:
        yield "much text"
