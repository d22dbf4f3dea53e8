"""A squad's brain by a script: fitting answers to every form, from what the prompt says."""

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from langchain_core.messages import BaseMessage
from scripted_model import Said, ScriptedModel, calls, text_of

Change = Callable[[list[BaseMessage]], Said | None]

PIECES = [
    {"id": "S1", "title": "Endpoint", "kind": "implementation", "role": "backend_developer"},
    {"id": "S2", "title": "Page", "kind": "implementation", "role": "frontend_developer"},
    {"id": "S3", "title": "Tests", "kind": "test", "role": "tester", "depends_on": ["S1", "S2"]},
]


def criteria(prompt: str) -> list[str]:
    """Return the numbers of the criteria in a prompt."""
    return list(dict.fromkeys(re.findall(r"^(C\d+): ", prompt, re.MULTILINE)))


def answers(prompt: str) -> dict[str, Any]:
    """Return an answer to each form, by its name."""
    numbers = criteria(prompt)
    ids = list(dict.fromkeys(re.findall(r'"id": "(S\d+)"', prompt)))
    return {
        "Analysis": {"type": "api_endpoint", "complexity": 3, "complexity_reasons": ["small"], "areas": ["backend"]},
        "Assessment": {"complexity": 3},
        "Breakdown": {"subtasks": [one | {"criteria": numbers} for one in PIECES]},
        "Estimates": {"estimates": [{"subtask_id": one, "low": 1, "likely": 2, "high": 3} for one in ids]},
        "TestPlan": {"cases": [{"criterion": one, "then": "it is so", "subtask_ids": ["S1"]} for one in numbers]},
        "ScheduleApproval": {"approved": True, "reasons": ["it can be worked so"]},
        "StandupSummary": {"summary": "It went well."},
        "ReviewForm": {"verdict": "approved", "summary": "It is right.", "rechecks": rechecks(prompt)},
        "TestVerdict": {
            "results": [
                {"case_id": one, "passed": True, "evidence": "S1 shows it"}
                for one in dict.fromkeys(re.findall(r'"id": "(T\d+)"', prompt))
            ]
        },
        "WorkResult": {"status": "done", "note": "built", "body": "def login(): ...", "criteria": numbers},
        "ColleagueAnswer": {"answer": "argon2id"},
    }


def rechecks(prompt: str) -> list[dict[str, Any]]:
    """Return that everything was mended which a review had found before."""
    asked = prompt.partition('<data from="the problems of the review before">')[2].partition("</data>")[0]
    return [{"finding_id": one, "met": True, "note": "mended"} for one in re.findall(r'"id": "([^"]+)"', asked)]


class Brain(ScriptedModel):
    """Answers every form; ``changes`` answer instead, by form, where they return something."""

    def __init__(self, *, tokens: tuple[int, int] = (100, 10), **changes: Change) -> None:
        super().__init__(script=None)
        self.script = self._answer
        self._tokens, self._changes = tokens, changes
        self._forms: Counter[str] = Counter()

    _tokens: tuple[int, int]
    _changes: dict[str, Change]
    _forms: Counter[str]

    @property
    def forms(self) -> Counter[str]:
        """How often each form was asked for."""
        return self._forms

    def _answer(self, messages: list[BaseMessage], tools: list[str]) -> Said:
        form = tools[-1]
        self._forms[form] += 1
        change = self._changes.get(form)
        if change is not None and (said := change(messages)) is not None:
            return said if not isinstance(said, dict) else calls(form, said, tokens=self._tokens)
        return calls(form, answers(text_of(messages))[form], tokens=self._tokens, call_id=str(self._forms.total()))
