"""Texts ranked by the words that they share with another one: Okapi BM25, for as many texts as fit into memory."""

import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import TypeVar

__all__ = ["ranked", "strings_in", "words_of"]

K = TypeVar("K")

_WORD = re.compile(r"[^\W_]+")

_SILENT = frozenset(
    """an and are as at be but by can do does for from had has have how if in into is it its may must no not of on or
    our shall should so than that the their then there they this to was we were what when where which who will with
    would you your""".split()  # noqa: SIM905 - a list of them would be a page long
)
"""Words that say nothing of what a text is about; in few texts, counting would take them for rare ones."""

SATURATION, LENGTH = 1.2, 0.75
"""The usual k1 and b: how soon a word that is repeated says no more, and how much long texts are held back."""


def words_of(text: str) -> list[str]:
    """Return the telling words of a text in their order: runs of letters and digits, two characters or more."""
    return [word for word in _WORD.findall(text.casefold()) if len(word) > 1 and word not in _SILENT]


def strings_in(value: object) -> str:
    """Return all text that a JSON value holds, without the names of its fields."""
    if isinstance(value, Mapping):
        return "\n".join(strings_in(one) for one in value.values())
    if isinstance(value, list):
        return "\n".join(strings_in(one) for one in value)
    return value if isinstance(value, str) else ""


def ranked(texts: Mapping[K, str], query: str) -> list[tuple[K, float]]:
    """Return those of the texts that share words with the query, most similar first, each with its score."""
    asked = set(map(_stem, words_of(query)))
    bags = {key: Counter(map(_stem, words_of(text))) for key, text in texts.items()} if asked else {}
    usual = sum(bag.total() for bag in bags.values()) / max(len(bags), 1)
    found = {word: sum(word in bag for bag in bags.values()) for word in asked}
    weights = {word: math.log(1 + (len(bags) - n + 0.5) / (n + 0.5)) for word, n in found.items()}
    scores = {key: sum(_score(bag, word, weights[word], usual) for word in asked) for key, bag in bags.items()}
    best = sorted(scores.items(), key=lambda one: -one[1])
    return [(key, score) for key, score in best if score > 0]


def _stem(word: str) -> str:
    """Return what forms of an English word have in common, roughly."""
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _score(bag: Counter[str], word: str, weight: float, usual: float) -> float:
    times = bag[word]
    held_back = SATURATION * (1 - LENGTH + LENGTH * bag.total() / usual) if usual else SATURATION
    return weight * times * (SATURATION + 1) / (times + held_back) if times else 0.0
