"""Finding whole words and phrases in a text: the mechanism, apart from the tables that it is given.

A text is turned into words once; each table is looked up by a phrase's first word. The time is linear in the text,
whatever the text and however long the table, and "ui" is found in "the UI" but not in "build", "require" or "suite".
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Hit", "Lexicon", "words_of"]

_WORD = re.compile(r"\w+(?:\.\w+)*(?:\+\+|#)?")

LONGEST_WORD = 60
"""A longer run of letters is data: it is no word of a table, and would only make evidence unreadable."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A phrase of a table that the text holds."""

    finding: str
    phrase: str
    weight: float


def words_of(text: str) -> list[str]:
    """Return the words in lower case. Hyphens part words, apostrophes do not, and an identifier is one word."""
    lowered = text.lower().replace("'", "").replace("\N{RIGHT SINGLE QUOTATION MARK}", "")
    return [word[:LONGEST_WORD] for word in _WORD.findall(lowered)]


def _forms(word: str) -> Iterable[str]:
    """Return a word's inflections where it is marked with ``~``: report~ gives report, reports, reported, reporting."""
    if not word.endswith("~"):
        return (word,)
    stem = word[:-1]
    if stem.endswith("e"):
        return (stem, stem + "s", stem + "d", stem[:-1] + "ing")
    if stem.endswith("y") and stem[-2:-1] not in "aeiou":
        return (stem, stem[:-1] + "ies", stem[:-1] + "ied", stem + "ing")
    if stem.endswith(("sh", "ch", "s", "x")):
        return (stem, stem + "es", stem + "ed", stem + "ing")
    return (stem, stem + "s", stem + "ed", stem + "ing")


def _expand(phrase: str) -> list[tuple[str, ...]]:
    """Return every sequence of words that a table's phrase stands for."""
    found: list[tuple[str, ...]] = [()]
    for word in phrase.split():
        found = [(*before, form) for before in found for form in _forms(word)]
    return found


class Lexicon:
    """A table of findings, each with its phrases and their weights, ready to be looked up.

    The table maps a finding to ``{weight: "phrase, phrase, …"}``; a word ending in ``~`` stands for its inflections.
    """

    def __init__(self, table: Mapping[str, Mapping[float, str]]) -> None:
        self._by_first: dict[str, list[tuple[tuple[str, ...], str, float]]] = {}
        for finding, weighted in table.items():
            for weight, phrases in weighted.items():
                for phrase in phrases.split(","):
                    self._add(finding, weight, phrase.strip())
        for entries in self._by_first.values():
            entries.sort(key=lambda entry: -len(entry[0]))

    def _add(self, finding: str, weight: float, phrase: str) -> None:
        for words in _expand(phrase):
            if words:
                self._by_first.setdefault(words[0], []).append((words, finding, weight))

    def find(self, words: Sequence[str]) -> list[Hit]:
        """Return what the words hold, each phrase once, in order of appearance.

        Of phrases that begin at the same word and speak for the same finding the longest counts alone.
        """
        hits: dict[tuple[str, str], Hit] = {}
        for at, word in enumerate(words):
            seen: set[str] = set()
            for phrase, finding, weight in self._by_first.get(word, ()):
                if finding not in seen and tuple(words[at : at + len(phrase)]) == phrase:
                    seen.add(finding)
                    text = " ".join(phrase)
                    hits.setdefault((finding, text), Hit(finding, text, weight))
        return list(hits.values())
