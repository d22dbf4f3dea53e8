"""The settings of a run: what a caller may choose, passed as LangGraph's context and shown as a form in Studio."""

from typing import Any, Literal

from langgraph.runtime import Runtime
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from delegation import ConfigurationError

__all__ = ["RunSettings", "settings_of"]


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
        default=900.0, gt=0, allow_inf_nan=False, description="How long one subtask may take, in seconds."
    )
    on_failure: Literal["fail", "ask"] = Field(
        default="fail",
        description="When a subtask fails: fail gives the task up with the error; ask waits for a human.",
    )


def settings_of(runtime: Runtime[Any]) -> RunSettings:
    """Return the run's settings; the defaults where the caller passed none.

    Raises:
        ConfigurationError: the context holds a setting that is unknown or out of range.
    """
    context = runtime.context
    if isinstance(context, RunSettings):
        return context
    try:
        return RunSettings.model_validate(context or {})
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigurationError(
            f"the setting {'.'.join(map(str, first['loc']))!r} cannot be used: {first['msg']}",
            hint=f"the settings are {', '.join(RunSettings.model_fields)}",
        ) from error
