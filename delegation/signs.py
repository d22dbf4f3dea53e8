"""What the shape of a text says about its kind, apart from its words: how the title is put, what the template asked.

Each sign has a name that reads as evidence ("the title asks"); what it weighs stands in :mod:`delegation.families`.
"""

import re
from collections.abc import Iterable

from delegation.lexicon import words_of
from delegation.reading import Reading
from delegation.sections import Section
from delegation.text import BlockKind

__all__ = ["signs_of"]

_ASKING = frozenset(
    words_of("how why what is can does do where which are who when could should any anyone has did will would explain")
)
_ORDERS = frozenset(
    words_of(
        "add support allow implement make improve enable provide expose introduce extend use consider remove replace "
        "refactor move change create include show update let give drop migrate upgrade convert switch reduce increase "
        "optimize optimise simplify clean document rename split deprecate proposal feature request suggestion "
        "enhancement ability option send retry write deploy train handle validate store save encrypt rotate notify "
        "publish sort integrate automate generate rewrite redesign restructure extract merge ensure prevent avoid "
        "accept require restrict prepare translate adopt unify"
    )
)
_PREDICATES = frozenset(words_of("is are does do has have was doesnt isnt arent cant dont"))
_PREFIX = re.compile(r"\[?([A-Za-z][\w ./+-]{1,24})\]?\s?:\s")
_KIND = re.compile(r"\b(bug|feature|question|support)\b")
_WANTS = re.compile(r"(?:we|i) (?:need|want|would like) |as an? \w{1,30},? i want |please ")
_SAID = re.compile(
    r"\W{0,3}(?:\w{1,20} )?(bug|feature|proposal|rfc|suggestion|question|help)(?: re(?:quest|port))?\s?[\]:)]"
)
_SAID_NAMES = {"bug": "a bug", "question": "a question", "help": "a question"}
_HAPPENS = re.compile(r"\S{1,60} (?:\S{1,60} ){0,3}[a-z]{3,40}[^s\W]s(?: |$)")
_TEMPLATE = re.compile(r"<!--[^<>]{0,200}?\b(bug|feature)[_ -](?:report|request)")
_LOWER_I = re.compile(r"(?:^|\s)i(?:'m|'ve|'d|m)?(?=\s|$)")
_REFERENCE = re.compile(r"(?:^|[\s(])#\d{2,7}\b|/(?:issues|pull)/\d{2,7}\b")
_FORUM = re.compile(r"stackoverflow|stackexchange|\bforum|discuss\.", re.IGNORECASE)
_PICTURE = re.compile(r"!\[|<img ")
_CHANGE = re.compile(
    r"pull request (?:readiness )?checklist|\bthis (?:pr|pull request)\b"
    r"|\b(?:fix(?:es)?|close[sd]?|resolve[sd]?):? {1,3}(?:#\d|https?:)",
    re.IGNORECASE,
)
_FAILED = re.compile(r"Traceback \(most|^[ \t]{1,40}at \S{1,300} ?\(|Exception:|\bError:", re.MULTILINE)
_BULLET = re.compile(r"^[ \t]{0,20}[-*] \w", re.MULTILINE)
_VERSION = re.compile(r"\b\d{1,5}\.\d{1,5}\.\d{1,5}")
_FILE, _LINE = re.compile(r"/blob/"), re.compile(r"/blob/\S{1,300}#L\d")
_FOREIGN = re.compile("[\u0400-\u04ff\u3000-\u30ff\u4e00-\u9fff\uac00-\ud7af\uff00-\uff20]")
_GREETINGS = frozenset(["hi", "hello", "hey", "dear", "good"])
_WRITERS = frozenset(["i", "im", "ive", "my"])
_PRESENT = frozenset(["currently", "right", "today", "there"])
_FEW_WORDS, _SHORT_TITLE, _FEW_LINES, _MANY_LINES, _MANY_QUESTIONS = 10, 3, 5, 40, 2
_MOST_READ = 20_000


def signs_of(reading: Reading) -> list[str]:
    """Return the names of the signs that the text's shape gives."""
    parts = (_of_title(reading), _of_wording(reading), _of_template(reading), _of_text(reading), _of_code(reading))
    raw = reading.task.description[:_MOST_READ]
    return [*(sign for part in parts for sign in part), *(name for name, look in _IN_RAW.items() if look.search(raw))]


def _of_title(reading: Reading) -> Iterable[str]:
    """What the title begins and ends with."""
    title = reading.task.title[:1_000].strip()
    prefix = _PREFIX.match(title)
    rest = title[prefix.end() :].split() if prefix else title.split()
    first = re.sub(r"\W", "", rest[0]).lower() if rest else ""
    if title.endswith("?"):
        yield "the title ends in a question mark"
    elif title.endswith("."):
        yield "the title ends in a full stop"
    if first in _ASKING:
        yield "the title begins like a question"
    if first in _ORDERS or _WANTS.match(title.lower()):
        yield "the title asks for a change"
    if first.endswith("ing"):
        yield "the title names a doing"
    if prefix and prefix[1].lower() not in {"bug", "feature", "question", "error"}:
        yield "the title names a part of the system first"
    if title[:1].islower() and not prefix:
        yield "the title begins in lower case"
    if said := _SAID.match(title.lower()):
        yield f"the title says it is {_SAID_NAMES.get(said[1], 'a wish')}"


def _of_wording(reading: Reading) -> Iterable[str]:
    """How the title is put otherwise."""
    title, words = reading.task.title[:1_000], reading.title_words
    if len(words) <= _SHORT_TITLE:
        yield "the title is very short"
    if '"' in title or "\N{LEFT DOUBLE QUOTATION MARK}" in title:
        yield "the title quotes"
    if not _PREDICATES.isdisjoint(words):
        yield "the title is a sentence"
    if _HAPPENS.match(title) and not {*words[:1]} & (_ORDERS | _ASKING):
        yield "the title tells what happens"
    if sum(word[:1].isupper() for word in title.split()) > 0.7 * len(title.split()) > 1.4:
        yield "the title is in capitals"


def _of_template(reading: Reading) -> Iterable[str]:
    sections = {block.section for block in reading.blocks}
    for section, name in _FILLED.items():
        if section in sections:
            yield name
    for block in reading.under(Section.KIND)[:1]:
        if found := _KIND.search(block.text.lower()[:60]):
            yield f"filed as {found[1]}"
    if reading.criteria or Section.CRITERIA in sections:
        yield "says when it counts as done"
    if found := _TEMPLATE.search(reading.task.description[:5_000]):
        yield f"written on a template for a {found[1]}"


_FILLED = {
    Section.REPRODUCTION: "steps to reproduce",
    Section.WISH: "a section for a wish",
    Section.PROBLEM: "a section for the problem",
    Section.EXPECTED: "a section for what was expected",
    Section.ACTUAL: "a section for what happens",
    Section.NOTES: "a section for notes",
}


def _of_text(reading: Reading) -> Iterable[str]:
    prose = reading.prose
    first = reading.body_words[0] if reading.body_words else ""
    if reading.has(BlockKind.ASIDE):
        yield "a folded part"
    if any(block.number is not None for block in prose):
        yield "numbered steps"
    if asked := sum(block.text.count("?") for block in prose):
        yield "the text asks"
    if asked > _MANY_QUESTIONS:
        yield "several questions"
    if any(_LOWER_I.search(block.text) for block in prose):
        yield "written casually"
    if first in _GREETINGS:
        yield "begins with a greeting"
    if first in _WRITERS:
        yield "begins with the writer"
    if first in _PRESENT:
        yield "begins with the present"


def _of_code(reading: Reading) -> Iterable[str]:
    quoted = [block for block in reading.blocks if block.kind in {BlockKind.CODE, BlockKind.TRACE}]
    lines = sum(block.text.count("\n") + 1 for block in quoted)
    if reading.has(BlockKind.TRACE):
        yield "a stack trace or log"
    if quoted and len(reading.body_words) < _FEW_WORDS:
        yield "hardly anything but code"
    if 0 < lines <= _FEW_LINES:
        yield "a few lines of code"
    elif lines > _MANY_LINES:
        yield "much code or log"
    if any("`" in block.text for block in reading.prose):
        yield "names code"


_IN_RAW: dict[str, re.Pattern[str]] = {
    "refers to other issues": _REFERENCE,
    "refers to a forum": _FORUM,
    "a picture": _PICTURE,
    "comes with a change": _CHANGE,
    "an error in code": _FAILED,
    "a list": _BULLET,
    "names a version": _VERSION,
    "points to a file": _FILE,
    "points to a line of code": _LINE,
    "in another script": _FOREIGN,
    "a template's comments": re.compile(r"<!--"),
    "sent by a reporting tool": re.compile(r"<!-- ?generated by"),
    "questions left blank": re.compile(r"_no response_", re.IGNORECASE),
}
"""Signs that a pattern finds in the description as it is written, code and comments included."""
