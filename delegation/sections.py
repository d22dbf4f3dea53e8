"""What a heading announces. Issue templates ask the same few things in many wordings; this names them.

A heading counts as a template's only when it consists of a known wording, give or take a few filler words: "Steps to
reproduce the problem" does, "Reproduce the colours of the old theme" does not.
"""

import re
from enum import StrEnum

__all__ = ["Section", "section_of"]


LONGEST_WORDING = 200
"""No template asks at greater length."""


class Section(StrEnum):
    """What the text under a heading is about."""

    BODY = "body"
    KIND = "kind"
    CRITERIA = "criteria"
    EXPECTED = "expected"
    ACTUAL = "actual"
    REPRODUCTION = "reproduction"
    PROBLEM = "problem"
    WISH = "wish"
    QUESTION = "question"
    ENVIRONMENT = "environment"
    NOTES = "notes"


_WORDINGS: dict[Section, tuple[str, ...]] = {
    Section.KIND: (
        "type",
        "issue type",
        "kind of issue",
        "do you want to request a feature or report a bug",
        "category",
    ),
    Section.CRITERIA: (
        "acceptance criteria",
        "acceptance criterion",
        "criteria",
        "definition of done",
        "done when",
        "requirements",
        "success criteria",
    ),
    Section.EXPECTED: (
        "expected",
        "expected behavior",
        "expected result",
        "expected results",
        "expected output",
        "expected outcome",
        "describe the expected behavior",
        "what is the expected behavior",
        "what did you expect",
        "what did you expect to happen",
        "what you expected to happen",
        "what should happen",
        "what should happen instead",
    ),
    Section.ACTUAL: (
        "actual",
        "actual behavior",
        "actual result",
        "actual results",
        "actual output",
        "current behavior",
        "describe the current behavior",
        "what is the current behavior",
        "what happened",
        "what happens",
        "what actually happened",
        "what happens instead",
        "observed behavior",
        "actual outcome",
        "error message",
        "error call stack",
        "error component stack",
        "relevant log output",
        "any other info / logs",
        "other info / logs",
        "other info/logs",
        "any other info",
        "logs",
        "source code / logs",
        "stack trace",
        "traceback",
        "log output",
        "source code/logs",
    ),
    Section.REPRODUCTION: (
        "steps to reproduce",
        "steps to reproduce the problem",
        "steps to reproduce the behavior",
        "steps",
        "repro",
        "repro steps",
        "reproduction",
        "reproduction steps",
        "reproduction link",
        "reproducible code sample",
        "how to reproduce",
        "how to reproduce the bug",
        "to reproduce",
        "reproduce",
        "reproducible example",
        "minimal reproducible example",
        "minimal reproduction",
        "standalone code to reproduce the issue",
        "code to reproduce the issue",
        "code to reproduce",
        "code to reproduce the problem",
        "provide a reproducible test case",
        "provide the exact sequence of commands / steps that you executed before running into the problem",
        "link to code example",
        "how often does this bug happen",
        "how reliably can you reproduce the issue",
        "how reliably can you reproduce the issue, what are the steps to do so",
        "test case",
    ),
    Section.PROBLEM: (
        "describe the problem",
        "describe the problem clearly",
        "the problem",
        "problem",
        "problem description",
        "describe the bug",
        "bug",
        "bug description",
        "bug report",
        "issue",
        "issue description",
        "describe the issue",
        "the issue",
        "detailed description",
        "description",
        "summary",
        "is your feature request related to a problem",
        "overview",
        "what is the problem",
        "background",
        "context",
    ),
    Section.WISH: (
        "describe the feature",
        "describe the feature and motivation",
        "describe the feature and the current behavior/state",
        "describe the feature and the current behavior / state",
        "feature",
        "feature request",
        "feature description",
        "proposal",
        "proposed solution",
        "describe the solution you'd like",
        "describe the solution",
        "the solution",
        "motivation",
        "use case",
        "use cases",
        "please describe the feature you'd like to see added",
        "is your feature related to a problem, if so please describe it",
        "describe any alternatives you've considered",
        "describe alternatives you've considered",
        "alternatives",
        "suggestion",
        "enhancement",
        "will this change the current api? how",
        "will this change the current api",
        "who will benefit with this feature",
        "who will benefit from this feature",
        "user story",
        "goal",
        "goals",
        "solution",
    ),
    Section.QUESTION: ("question", "questions", "my question", "ask a question"),
    Section.ENVIRONMENT: (
        "system information",
        "system info",
        "system",
        "environment",
        "environment info",
        "configuration",
        "setup",
        "have i written custom code",
        "custom code",
        "mobile device",
        "exact command to reproduce",
        "source",
        "website or app",
        "connection type",
        "modes",
        "browser",
        "operating system",
        "os",
        "platform",
        "commit",
        "machine specs",
        "hardware",
    ),
    Section.NOTES: (
        "additional context",
        "additional information",
        "additional info",
        "any additional context",
        "issue submission checklist",
        "checklist",
        "pull request readiness checklist",
        "screenshots",
        "screenshot",
        "notes",
        "note",
        "useful skills",
        "guidance for new contributors",
        "want to work on this issue",
        "references",
        "links",
        "contributing",
        "is there an existing issue for this",
    ),
}

_ENVIRONMENT_WORDS = frozenset(
    {
        "version",
        "versions",
        "os",
        "compiler",
        "cuda",
        "gpu",
        "cpu",
        "installed",
        "obtain",
        "machine",
        "platform",
        "browser",
    }
)
_ASKING = frozenset({"which", "what", "how", "did", "are", "have", "is"})

_FILLER = re.compile(r"\b(?:please|optional|required|automated|a|an|the|your|you|my|here|s|briefly|clearly|\d+)\b")
_NOT_WORD = re.compile(r"[^\w]+")


def _normal(heading: str) -> str:
    """Reduce a heading to its telling words, so that wordings compare whatever their punctuation."""
    words = _NOT_WORD.sub(" ", heading.lower().replace("behaviour", "behavior").replace("'", ""))
    return " ".join(_FILLER.sub(" ", words).split())


_BY_WORDS = {_normal(wording): section for section, wordings in _WORDINGS.items() for wording in wordings}


def section_of(heading: str) -> Section:
    """Return what the heading announces; ``Section.BODY`` for one of the author's own."""
    if len(heading) > LONGEST_WORDING:
        return Section.BODY
    normal = _normal(heading)
    return _BY_WORDS.get(normal) or (Section.ENVIRONMENT if _asks_for_environment(normal) else Section.BODY)


def _asks_for_environment(normal: str) -> bool:
    """Say whether a heading asks which version of what runs where; the product's name in it differs everywhere."""
    words = normal.split()
    if not _ENVIRONMENT_WORDS.intersection(words):
        return False
    return words[-1] in {"version", "versions"} or (words[0] in _ASKING and len(words) > 3)
