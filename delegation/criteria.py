"""When a task counts as done: the criteria that it states, else those that its text holds, else its title.

Nothing is invented: a criterion is a sentence of the text, word for word apart from Markdown's marks.
"""

import re

from delegation.plan import Criterion
from delegation.reading import Reading
from delegation.sections import Section
from delegation.text import BlockKind, plain, sentences

__all__ = ["criteria_of"]

MOST_FROM_TEXT = 12
"""So many criteria are taken from a text that states none; beyond that it is a story, no list."""

LONGEST_FROM_TEXT = 300
SHORTEST_FROM_TEXT = 8

_OBLIGATION = re.compile(
    r"\b(?:should|must|shall|needs? to|ha(?:s|ve) to|is (?:required|expected) to|make sure|ensure)\b", re.IGNORECASE
)
_NO_OBLIGATION = re.compile(
    r"\b(?:should i|should we|what should|how should|must have been|should have (?:been )?\w+ed|i must|i have to|"
    r"we have to|you have to|you should|you must|i should)\b",
    re.IGNORECASE,
)
_OF_AUTHOR = re.compile(r"\b(?:i|i'm|i've|my|we|you|your|example)\b", re.IGNORECASE)
_WISHED = re.compile(r"\b(?:expect\w*|should|must|would)\b", re.IGNORECASE)
_SPACES = re.compile(r"\s+")


def criteria_of(reading: Reading) -> list[Criterion]:
    """Return the task's criteria, with where each was found."""
    if reading.criteria:
        return [Criterion(text=text, source="stated") for text in reading.criteria]
    listed = _listed(reading)
    if listed:
        return [Criterion(text=text, source="stated") for text in listed]
    found = _distinct([*_expected(reading), *_obligations(reading)]) or _distinct(_numbered(reading))
    if found:
        return [Criterion(text=text, source="text") for text in found[:MOST_FROM_TEXT]]
    return [Criterion(text=reading.task.title, source="title")]


def _clean(text: str) -> str:
    return _SPACES.sub(" ", plain(text)).strip(" -:;,|>")


def _distinct(texts: list[str]) -> list[str]:
    """Keep each text once, of a length at which it can be checked as one thing, with a word in it."""
    cleaned = dict.fromkeys(_clean(text) for text in texts)
    return [
        text
        for text in cleaned
        if SHORTEST_FROM_TEXT <= len(text) <= LONGEST_FROM_TEXT and any(char.isalpha() for char in text)
    ]


def _listed(reading: Reading) -> list[str]:
    """Return the list under a heading such as "Acceptance criteria", whatever the state of its check boxes."""
    items = [block.text for block in reading.under(Section.CRITERIA) if block.kind is BlockKind.ITEM]
    return [text for text in dict.fromkeys(_clean(item) for item in items) if text]


def _expected(reading: Reading) -> list[str]:
    """Return what the text says under "Expected behaviour", without what the author tells or asks there."""
    blocks = [block for block in reading.prose if block.section is Section.EXPECTED]
    said = [sentence for block in blocks for sentence in sentences(block.text)]
    return [one for one in said if not one.endswith("?") and (_WISHED.search(one) or not _OF_AUTHOR.search(one))]


def _obligations(reading: Reading) -> list[str]:
    """Return the sentences that say what should or must be; those that ask, or speak of the author, do not."""
    return [
        sentence
        for block in reading.prose
        if block.section not in {Section.EXPECTED, Section.REPRODUCTION}
        for sentence in sentences(block.text)
        if len(sentence) <= 2 * LONGEST_FROM_TEXT
        and _OBLIGATION.search(sentence)
        and not _NO_OBLIGATION.search(sentence)
        and not sentence.endswith("?")
    ]


def _numbered(reading: Reading) -> list[str]:
    """Return a numbered list's items, unless they are the steps by which a bug is shown."""
    return [
        block.text for block in reading.prose if block.number is not None and block.section is not Section.REPRODUCTION
    ]
