"""What the rules make of a human's feedback on a plan: the areas that it asks for, and those that it does without."""

import re

from delegation.breakdown import AREA_NAMES
from delegation.keywords import AREAS
from delegation.lexicon import words_of
from delegation.plan import Requirements

__all__ = ["heeding"]

_PART = re.compile(r"[.;!?,\n]+|\b(?:but|and then)\b", re.IGNORECASE)
_WITHOUT = re.compile(r"\b(?:no|without|drop|remove|skip|omit|leave\s+out|do\s+without|instead\s+of)\s+", re.IGNORECASE)
_NEAR = 4
"""So many words after a "without" may name what is not wanted; further on the sentence speaks of something else."""


def heeding(requirements: Requirements) -> Requirements:
    """Return the requirements with the areas as humans want them, who rejected earlier plans; the newest word wins."""
    areas = list(requirements.areas)
    for text in requirements.feedback:
        for part in _PART.split(text[:10_000]):
            wanted, *unwanted = _WITHOUT.split(part)
            areas += [area for area in sorted(_areas(wanted)) if area not in areas]
            for words in unwanted:
                without = _areas(" ".join(words.split()[:_NEAR]))
                areas = [area for area in areas if area not in without]
    return requirements.model_copy(update={"areas": areas})


def _areas(text: str) -> set[str]:
    named = {hit.finding for hit in AREAS.find(words_of(text))}
    return (named | ({"backend", "frontend"} if "both" in named else set())) & AREA_NAMES
