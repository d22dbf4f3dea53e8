"""The three families of tasks (a fault, a wish, a question): words with their points, and signs in the text's shape."""

from delegation.lexicon import Lexicon
from delegation.reading import Reading
from delegation.sections import Section
from delegation.text import BlockKind

__all__ = ["FAMILIES", "SIGNS", "TITLE_FACTOR", "signs_of"]

TITLE_FACTOR = 2.0

FAMILIES = Lexicon(
    {
        "bug": {
            1.5: "bug~, crash~, segfault, segmentation fault, broken, regression, fails, fail, failed, failing, "
            "failure~, "
            "incorrect, incorrectly, wrong, memory leak, does not work, doesnt work, not working, stopped working",
            1.0: "error~, exception~, freeze~, hang~, unexpected, unexpectedly, throws, leak~, breaks, fix, fixes, "
            "missing, race condition, no longer, instead of, corrupted, undefined behavior, assertion~",
        },
        "feature": {
            1.5: "feature request, feature, support for, would be nice, would be great, would be useful, "
            "add support, "
            "enhancement, proposal, propose, add, implement, allow, it would be, improve, option to, ability to",
            0.7: "support, should be able, useful, helpful, motivation, introduce, provide~, enable, currently, new",
        },
        "question": {
            1.5: "how to, how do i, how can i, is it possible, question~, is there a way, is there any way, why is, "
            "why does, what is the, does anyone, can someone, can anyone, wondering, how can, how do, confused",
            0.7: "help, please help, i am trying, im trying, i want to, thanks, thank you, understand, anyone, "
            "any idea, tutorial, stackoverflow",
        },
    }
)

SIGNS: dict[str, dict[str, float]] = {
    "a stack trace": {"bug": 0.5, "question": 0.3},
    "steps to reproduce": {"bug": 1.0},
    "expected and actual behaviour": {"bug": 1.5},
    "a section for a wish": {"feature": 3.0},
    "a section for a question": {"question": 3.0},
    "the title asks": {"question": 2.0},
    "says it is a bug": {"bug": 2.0},
    "says it is a feature": {"feature": 3.0},
}
"""A sign's name, as it stands in the evidence, to the points that it gives to each family."""

_ASKING = frozenset({"how", "why", "what", "is", "can", "does", "do", "where", "which", "are", "who", "when", "could"})
_SAYING = {"bug": "says it is a bug", "feature": "says it is a feature"}


def signs_of(reading: Reading) -> list[str]:
    """Return the names of the signs that the text's shape gives."""
    sections = {block.section for block in reading.blocks}
    found = [
        ("a stack trace", reading.has(BlockKind.TRACE)),
        ("steps to reproduce", Section.REPRODUCTION in sections),
        ("expected and actual behaviour", {Section.EXPECTED, Section.ACTUAL} <= sections),
        ("a section for a wish", Section.WISH in sections),
        ("a section for a question", Section.QUESTION in sections),
        (
            "the title asks",
            reading.title.endswith("?") or (reading.title_words[:1] and reading.title_words[0] in _ASKING),
        ),
    ]
    said = [_SAYING[word] for word in _said(reading) if word in _SAYING]
    return [name for name, holds in found if holds] + said[:1]


def _said(reading: Reading) -> list[str]:
    """Return what the author answered where a template asks for the kind of issue."""
    return [word for block in reading.under(Section.KIND) for word in block.text.lower().strip("*_ .").split()[:3]]
