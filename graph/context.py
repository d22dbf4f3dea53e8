"""The settings of a run: what a caller may choose, passed as LangGraph's context and shown as a form in Studio."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from delegation import ConfigurationError

__all__ = ["RunSettings", "chosen_settings", "settings_from"]


YEAR_S = 31_536_000.0
"""The longest time that a setting may be, in seconds."""


class RunSettings(BaseModel):
    """What may be chosen for one run of the graph; each default is what most people want."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_reworks: int = Field(
        default=3,
        ge=0,
        le=1000,
        description="How often review and test may send work back before a human is asked.",
    )
    max_refusals: int = Field(
        default=3, ge=0, le=100, description="How many members may refuse a subtask before a human is asked."
    )
    subtask_timeout_s: float = Field(
        default=900.0, gt=0, le=YEAR_S, allow_inf_nan=False, description="How long one subtask may take, in seconds."
    )
    ask_timeout_s: float = Field(
        default=60.0,
        gt=0,
        le=YEAR_S,
        allow_inf_nan=False,
        description="How long colleagues have to answer a member's question, in seconds.",
    )
    drain_grace_s: float = Field(
        default=30.0,
        ge=0,
        le=YEAR_S,
        allow_inf_nan=False,
        description="How long a running step may go on once the run is to stop, in seconds; then it is cancelled.",
    )
    on_failure: Literal["fail", "ask"] = Field(
        default="fail",
        description="When a subtask or a judgement fails: fail gives the task up; ask waits for a human.",
    )
    approval: Literal["none", "pm", "human"] = Field(
        default="pm",
        description="Who approves the plan and its assignments: nobody, the project manager, or a human as well.",
    )
    max_attempts: int = Field(
        default=3,
        ge=1,
        le=100,
        description="How often an agent is called that meets passing trouble: time-outs, connections, rate limits.",
    )
    retry_wait_s: float = Field(
        default=0.5,
        ge=0,
        le=YEAR_S,
        allow_inf_nan=False,
        description="The longest wait before the second call, in seconds; it doubles with each further one.",
    )
    retry_ceiling_s: float = Field(
        default=30.0,
        ge=0,
        le=YEAR_S,
        allow_inf_nan=False,
        description="The longest wait between two calls, in seconds.",
    )
    gate_reminder_s: float | None = Field(
        default=None,
        gt=0,
        le=YEAR_S,
        allow_inf_nan=False,
        description="How long a question of the workflow waits before it is reminded of, in seconds; empty: never.",
    )
    gate_deadline_s: float | None = Field(
        default=None,
        gt=0,
        le=YEAR_S,
        allow_inf_nan=False,
        description="How long a question of the workflow waits before it is late, in seconds; empty: for ever.",
    )
    gate_default: Literal["wait", "go_on", "give_up"] = Field(
        default="wait",
        description="What counts where nobody has answered by the deadline: wait leaves the question open, go_on "
        "approves or lets the squad decide, give_up ends the task as failed.",
    )


def chosen_settings(context: RunSettings | Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the settings that a caller chose for the execution, as JSON values; those left out are not among them.

    Neither is the grace period: how long a stop may take is the business of each run, not of the execution.

    Raises:
        ConfigurationError: a setting is unknown or out of range.
    """
    settings = context if isinstance(context, RunSettings) else settings_from(context or {})
    return settings.model_dump(mode="json", exclude_unset=True, exclude={"drain_grace_s"})


def settings_from(values: Mapping[str, Any]) -> RunSettings:
    """Return settings of these values; ConfigurationError, which names the setting, where one cannot be used."""
    try:
        return RunSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigurationError(
            f"the setting {'.'.join(map(str, first['loc']))!r} cannot be used: {first['msg']}",
            hint=f"the settings are {', '.join(RunSettings.model_fields)}",
        ) from error
