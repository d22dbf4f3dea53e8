"""What a text leaves open. Questions are listed for a human to answer or not; they never hold a task up."""

import re

from delegation.lexicon import Lexicon
from delegation.plan import TaskType
from delegation.reading import Reading
from delegation.sections import Section
from delegation.text import BlockKind

__all__ = ["questions_of"]

_VERSION = re.compile(r"\b\d{1,4}\.\d{1,4}(?:\.\d{1,6})?\b|\bversions?\b|\bcommit\b|\bmaster\b", re.IGNORECASE)
_SPOKEN_OF = Lexicon(
    {
        "errors": {
            1.0: "error~, invalid, fail~, failure~, reject~, exception~, empty, missing, timeout~, wrong, forbidden"
        },
        "access": {
            1.0: "auth, authentication, authenticate~, authorization, authorisation, login, log in, token~, session~, "
            "role~, permission~, public, anonymous, admin~, oauth, jwt"
        },
        "data": {
            1.0: "existing, migrate~, migration~, backfill~, rollback~, roll back, downgrade~, default~, nullable"
        },
        "states": {1.0: "accessible, accessibility, keyboard, mobile, responsive, empty, loading, error~, offline"},
        "rollback": {1.0: "rollback~, roll back, revert~, downtime, monitoring, alert~, staging"},
        "measure": {1.0: "accuracy, precision, recall, f1, auc, loss, metric~, baseline~, dataset~, data set~"},
        "tests": {1.0: "test~, coverage"},
        "expectation": {1.0: "expect~, expectation~, should, supposed to"},
    }
)

_ASKED: dict[TaskType, dict[str, str]] = {
    TaskType.API_ENDPOINT: {
        "errors": "The text names no error cases: what is returned for invalid input?",
        "access": "The text does not say who may call this: is authentication or a permission needed?",
    },
    TaskType.USER_INTERFACE: {
        "states": "The text says nothing of empty, loading and error states or of small screens."
    },
    TaskType.DATABASE: {"data": "The text does not say what happens to existing data, or how to go back."},
    TaskType.DEPLOYMENT: {"rollback": "The text does not say how to go back when the deployment goes wrong."},
    TaskType.MACHINE_LEARNING: {"measure": "The text names no measure by which the result is judged, or no data."},
    TaskType.REFACTORING: {"tests": "The text does not say which tests hold the present behaviour in place."},
    TaskType.BUG_FIX: {"expectation": "The report does not say what should have happened instead."},
    TaskType.GENERAL: {"errors": "The text names no error cases."},
}


def questions_of(reading: Reading, kind: TaskType, areas: list[str]) -> list[str]:
    """Return what the text is silent about and that this kind of task usually has to know."""
    spoken_of = reading.find(_SPOKEN_OF)
    asked = [question for theme, question in _ASKED.get(kind, {}).items() if theme not in spoken_of]
    if kind is TaskType.BUG_FIX:
        asked += _of_a_bug(reading)
    if not reading.prose and not reading.criteria:
        asked.append("There is no description beyond the title: what exactly is wanted?")
    elif not reading.criteria and not reading.under(Section.EXPECTED, Section.CRITERIA):
        asked.append("The task states no acceptance criteria: when does it count as done?")
    if not areas and kind is not TaskType.QUESTION:
        asked.append("The text names no part of the system: where does the change belong?")
    return asked


def _of_a_bug(reading: Reading) -> list[str]:
    asked = []
    numbered = any(block.number is not None for block in reading.prose)
    if not numbered and not reading.under(Section.REPRODUCTION) and not reading.has(BlockKind.CODE):
        asked.append("The report has no steps or code that reproduce the fault: how does one see it?")
    if not reading.under(Section.ENVIRONMENT) and not _VERSION.search(reading.task.description[:20_000]):
        asked.append("The report names no version: where was the fault seen?")
    return asked
