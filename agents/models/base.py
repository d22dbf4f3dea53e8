"""How every model-backed agent works a subtask, and how it is asked for a judgement."""

from collections.abc import Callable
from typing import Any, TypeVar

from langchain_core.language_models import BaseChatModel
from pydantic import BaseModel, create_model, model_validator

from agents.models.forms import ColleagueAnswer, WorkResult
from agents.models.judging import numbered
from agents.models.kept import keeping
from agents.models.limits import Limits
from agents.models.marking import data
from agents.models.prompting import instructions, joined
from agents.models.structured import ask, calls_tools
from agents.models.telling import told_brief, told_context, wanted
from agents.models.tools import tools_of
from agents.role_agent import Brief
from agents.surroundings import surroundings
from delegation import AgentFailed, Deliverable, Message, MessageType, Outcome, OutcomeStatus, Role, SubtaskKind

__all__ = ["ModelAgent"]

_OTHER = "choose another model for the roles that work there"

S = TypeVar("S", bound=BaseModel)
T = TypeVar("T")


class ModelAgent:
    """A role's agent with a chat model behind it.

    Args:
        role: whose instructions it gets.
        model: any chat model; it is not changed.
        name: what the model is called where its tokens are counted.
        limits: how much one subtask may take.
    """

    def __init__(self, role: Role, model: BaseChatModel, name: str, limits: Limits | None = None) -> None:
        self.role = role
        self.name = name
        self._model = model
        self._limits = limits or Limits()

    async def work(self, brief: Brief) -> Outcome:
        """Do the subtask: with hands in the repository, without as a document; ask, refuse, or call it blocked.

        Raises:
            AgentFailed: it used up a limit, or never said in a form that fits how it ended.
        """
        around = surroundings()
        model = keeping(self._model, around.answers, self.name)
        can_use = calls_tools(model)
        if around.hands is not None and not can_use:
            raise AgentFailed(f"the model {self.name} cannot use tools, and a repository takes them", hint=_OTHER)
        more = ["in_a_document" if around.hands is None else "in_a_repository"]
        more += ["colleagues"] if around.colleagues and can_use else []
        system = instructions(self.role, "work", *more, "ending")
        about = joined([told_brief(brief), await told_context(around)])
        form = _form_for(brief, needs_body=around.hands is None)
        if can_use and (tools := tools_of(around.hands, around.colleagues)):
            from agents.models.working import work_with_tools  # noqa: PLC0415 - judgements do without langchain

            result = await work_with_tools(model, tools, system, about, form, self._limits)
        else:
            result = await ask(model, system, about, form, lambda filled: filled)
        return _outcome(result, brief)

    async def answer(self, question: str, brief: Brief) -> str | None:
        """Answer a colleague from what the data says, or say that it does not."""
        about = joined([told_brief(brief), data("the question of a colleague", question)])
        found = await self._judge("answer", about, ColleagueAnswer, lambda filled: filled)
        return found.answer or None

    async def _judge(self, judgement: str, about: str, form: type[S], check: Callable[[S], T]) -> T:
        """Have the model judge by the instructions of that name."""
        around = surroundings()
        model = keeping(self._model, around.answers, self.name)
        text = joined([about, await told_context(around)])
        return await ask(model, instructions(self.role, judgement), text, form, check)


def _form_for(brief: Brief, *, needs_body: bool) -> type[WorkResult]:
    """Return the form for the end of this subtask's work: one that does not fit it is not taken."""
    known = numbered([one.text for one in brief.requirements.criteria])
    asked = {number for number, text in known.items() if text in wanted(brief)}

    def check(filled: WorkResult) -> WorkResult:
        if filled.status == "blocked" and not filled.question:
            raise ValueError("it is blocked, and no question says what a human has to answer")
        if filled.status != "done":
            return filled
        if unknown := sorted(set(filled.criteria) - known.keys()):
            raise ValueError(f"there is no criterion {unknown[0]}; there are {', '.join(known)}")
        if lacking := sorted(asked - set(filled.criteria)):
            raise ValueError(
                f"the work takes up no {', '.join(lacking)}, which the subtask is for: do that as well, or say refused "
                "or blocked"
            )
        if needs_body and not filled.body.strip():
            raise ValueError("the body is empty, and the document is the work")
        return filled

    fitting: Any = model_validator(mode="after")(check)
    return create_model("WorkResult", __base__=WorkResult, __doc__=WorkResult.__doc__, __validators__={"fits": fitting})


def _outcome(result: WorkResult, brief: Brief) -> Outcome:
    status = OutcomeStatus(result.status)
    known = numbered([one.text for one in brief.requirements.criteria])
    deliverable, is_done = None, status is OutcomeStatus.DONE
    if is_done or result.body.strip():  # what there is so far goes along to whoever takes over
        kind = brief.subtask.kind
        deliverable = Deliverable(
            kind="test_plan" if kind is SubtaskKind.TEST else kind.value,
            title=brief.subtask.title,
            body=result.body.strip() or result.note,
            criteria=[known[number] for number in dict.fromkeys(result.criteria)] if is_done else [],
            interfaces=list(dict.fromkeys(result.interfaces)),
            open_questions=list(dict.fromkeys(result.open_questions)),
        )
    said = Message(
        execution_id=brief.execution_id,
        sender=brief.member.id,
        type=MessageType.STATUS_UPDATE,
        content=f"{status.value.capitalize()}: {brief.subtask.id}: {result.note}",
        metadata={"subtask_id": brief.subtask.id, "progress": status.value, "attempt": brief.attempt},
    )
    question = result.question if status is OutcomeStatus.BLOCKED else None
    return Outcome(status=status, note=result.note, deliverable=deliverable, question=question, messages=[said])
