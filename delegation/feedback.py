"""What the rules make of a human's feedback on a plan: the areas that it asks for, and those that it does without."""

import re

from delegation.breakdown import AREA_NAMES
from delegation.keywords import AREAS
from delegation.lexicon import words_of
from delegation.plan import Requirements

__all__ = ["heeding"]

_SENTENCE = re.compile(r"[.;!?\n]+|,\s*(?:but|and)\s")
_WITHOUT = re.compile(
    r"\b(?:no|not|never|without|drop|dropping|remove|skip|omit|leave\s+out|do\s+without|instead\s+of|needn't|don't)\b",
    re.IGNORECASE,
)


def heeding(requirements: Requirements) -> Requirements:
    """Return the requirements with the areas as humans want them, who rejected earlier plans; the newest word wins."""
    areas = list(requirements.areas)
    for text in requirements.feedback:
        for sentence in _SENTENCE.split(text[:10_000]):
            named = {hit.finding for hit in AREAS.find(words_of(sentence))}
            named = (named | ({"backend", "frontend"} if "both" in named else set())) & AREA_NAMES
            if _WITHOUT.search(sentence):
                areas = [area for area in areas if area not in named]
            else:
                areas += sorted(named - set(areas))
    return requirements.model_copy(update={"areas": areas})
