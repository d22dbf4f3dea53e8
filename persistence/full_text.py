"""Searching past tasks for words: a query made of anybody's text, which is never read as anything but words.

A search that ranks looks at every row with one of its words, and at the whole index to see how rare each word is. So
what it costs is bounded here: the rarest words are asked for, as many as have few enough rows together. Where even the
rarest is common, no rank is worked out: the newest rows are taken that have the most of these words.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from delegation import words_of
from persistence.hops import driver_of

__all__ = ["Range", "search_words"]

MAX_WORDS = 32
"""How many different words of a text are looked up at most; its first ones, as a title stands before all else."""
COMMON = 1_000
"""In how many rows a word is common, and no more of them are counted."""
MAX_RANKED = 3_000
"""How many rows are ranked at most."""
MAX_COMMON = 6
"""Of how many common words the newest rows are taken, where there are no others."""

_NEWEST = (
    "SELECT rowid FROM past_tasks_text WHERE past_tasks_text MATCH ? AND rowid BETWEEN ? AND ?"
    " ORDER BY rowid DESC LIMIT ?"
)
_COUNT = (
    "SELECT count(*) FROM (SELECT rowid FROM past_tasks_text"
    " WHERE past_tasks_text MATCH ? AND rowid BETWEEN ? AND ? LIMIT ?)"
)
# A title says most, then what was learnt and what came of it.
_BEST = text(
    "SELECT rowid FROM past_tasks_text WHERE past_tasks_text MATCH :match AND rowid BETWEEN :first AND :last"
    " AND rank MATCH 'bm25(4.0, 1.0, 2.0, 2.0)' ORDER BY rank, rowid DESC LIMIT :most"
)


@dataclass(frozen=True)
class Range:
    """The rows that may be looked at, first and last included."""

    first: int
    last: int


def search_words(connection: Connection, rows: Range, words: str, limit: int) -> list[int]:
    """Return the rows of the range that share words with a text, the most similar first."""
    asked = list(dict.fromkeys(words_of(words)))[:MAX_WORDS]
    counts = {word: _count(connection, rows, word) for word in asked}
    rare = _rarest({word: count for word, count in counts.items() if 0 < count < COMMON})
    if not rare:
        common = [word for word in asked if counts[word]]
        return _newest(connection, rows, common[:MAX_COMMON], limit)
    match = " OR ".join(_quoted(word) for word in rare)
    values = {"match": match, "first": rows.first, "last": rows.last, "most": limit}
    return list(connection.execute(_BEST, values).scalars())


def _rarest(counts: Mapping[str, int]) -> Sequence[str]:
    """Return the rarest words, as many as have few enough rows together."""
    chosen: list[str] = []
    total = 0
    for word in sorted(counts, key=lambda one: counts[one]):
        total += counts[word]
        if total > MAX_RANKED:
            break
        chosen.append(word)
    return chosen


def _newest(connection: Connection, rows: Range, words: Sequence[str], limit: int) -> list[int]:
    """Return the newest rows with these words, those with the most of them first."""
    shared: Counter[int] = Counter()
    for word in words:
        found = driver_of(connection).execute(_NEWEST, (_quoted(word), rows.first, rows.last, COMMON))
        shared.update(one for (one,) in found)
    return sorted(shared, key=lambda one: (-shared[one], -one))[:limit]


def _quoted(word: str) -> str:
    """Return a word as a string of FTS5's language, in which nothing but a quotation mark has a meaning."""
    return '"' + word.replace('"', '""') + '"'


def _count(connection: Connection, rows: Range, word: str) -> int:
    """Return how many rows have the word, as far as is worth knowing."""
    found = driver_of(connection).execute(_COUNT, (_quoted(word), rows.first, rows.last, COMMON)).fetchone()
    return int(found[0])
