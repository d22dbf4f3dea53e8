"""Which agents play the roles of a run: the rules, models in their place as the settings say, and the user's own.

Settings are kept with an execution, and name models. One that was given as an object has a name there as well, by which
only a process that is given such an object again finds it.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agents import OwnAgent, RoleAgent, Roster
from delegation import ConfigurationError, DefinitionChanged, Role
from graph.context import RULES, Price, RunSettings

if TYPE_CHECKING:  # LangChain's models take longer to load than a run of the rules
    from langchain_core.language_models import BaseChatModel

    OneModel = str | BaseChatModel
    Model = OneModel | Mapping[Role, OneModel]
else:
    OneModel = Model = Any

__all__ = ["Brains", "Model", "price_of"]

GIVEN = "given:"
"""What the name of a model begins with that was given as an object."""

_MOST = 32
"""So many rosters are kept: one for each choice of models and limits that the settings of executions make."""


class Brains:
    """The rosters of a graph, by the models that an execution's settings name.

    Args:
        agents: agents of the user's own, which no model replaces.
        model: what the user chose: a name, a chat model, or either of these by role; None chooses nothing.
    """

    def __init__(
        self,
        agents: Mapping[Role, OwnAgent] | None = None,
        model: Model | None = None,
    ) -> None:
        self._own = dict(agents or {})
        self._given: dict[str, BaseChatModel] = {}
        self._rosters: dict[Any, Roster] = {}
        self.rules = Roster(self._own)
        self.chosen: dict[str, Any] = self._chosen(model)
        """The settings that the choice comes to."""

    @property
    def foreign(self) -> list[Role]:
        """The roles that agents of the user's own play, whatever the settings."""
        return self.rules.foreign

    def roster(self, settings: RunSettings) -> Roster:
        """Return who plays which role under these settings.

        The first call for a choice of models makes them, which takes a second; call that from a thread.

        Raises:
            ConfigurationError: a model cannot be had, or money is to be counted and a price is missing.
            DefinitionChanged: a model was given as an object, and is not given now.
        """
        if settings.model == RULES and not settings.models:
            return self.rules
        names = {role: settings.models.get(role, settings.model) for role in Role}
        limits = (settings.max_model_calls, settings.max_tool_calls, settings.max_subtask_tokens)
        key = (tuple(names.values()), limits)
        if key not in self._rosters:
            if len(self._rosters) >= _MOST:
                self._rosters.clear()
            self._rosters[key] = Roster(self._own, self._thinking(names, limits))
        return self._rosters[key]

    def check(self, settings: RunSettings) -> None:
        """Refuse settings under which nothing could run; see :meth:`roster`."""
        self.roster(settings)
        if settings.max_cost is not None:
            names = {settings.model, *settings.models.values()} - {RULES}
            if unknown := sorted(name for name in names if price_of(settings, name) is None):
                raise ConfigurationError(
                    f"a limit of cost needs the price of {unknown[0]!r}",
                    hint=f"prices={{{unknown[0]!r}: Price(input=…, output=…)}}, or --price {unknown[0]}=IN/OUT",
                )

    def _thinking(self, names: Mapping[Role, str], limits: tuple[int, int, int | None]) -> dict[Role, RoleAgent]:
        """Return the agents with a model behind them; one model for all roles that name it."""
        from agents.models import Limits, model_agents  # noqa: PLC0415 - loaded where a model is named alone
        from agents.models.choose import model_named  # noqa: PLC0415 - as above

        models: dict[str, BaseChatModel] = {}
        for name in sorted(set(names.values()) - {RULES}):
            models[name] = self._found(name) if name.startswith(GIVEN) else model_named(name)
        chosen = {role: (name.removeprefix(GIVEN), models[name]) for role, name in names.items() if name != RULES}
        return model_agents(chosen, Limits(*limits))

    def _found(self, name: str) -> "BaseChatModel":
        if name in self._given:
            return self._given[name]
        told = name.removeprefix(GIVEN)
        raise DefinitionChanged(
            f"the execution has the model {told}, which was given as an object, and is not given now",
            hint="TaskOrchestrator(model=…) or build_graph(model=…) with that model, or choose another: --model NAME",
        )

    def _chosen(self, model: Any) -> dict[str, Any]:
        if model is None:
            return {}
        if isinstance(model, Mapping):
            return {"models": {_role(role).value: self._name(one) for role, one in model.items()}}
        return {"model": self._name(model)}

    def _name(self, model: Any) -> str:
        """Return the name by which settings know a model; one that was given as an object is found by it again."""
        if isinstance(model, str):
            return model
        from langchain_core.language_models import BaseChatModel  # noqa: PLC0415 - for objects alone

        from agents.models.choose import name_of  # noqa: PLC0415 - as above

        if not isinstance(model, BaseChatModel):
            raise ConfigurationError(
                f"a model has to be a name or a chat model, and this is {type(model).__name__}",
                hint='model="openai:gpt-5", model=ChatOpenAI(…), or either of these by role',
            )
        name = f"{GIVEN}{name_of(model)}"
        while self._given.setdefault(name, model) is not model:  # two of the same kind and name
            name += "+"
        return name


def price_of(settings: RunSettings, name: str) -> Price | None:
    """Return the price of a model by its name, or by what follows the colon in it; None where there is none."""
    known = name.removeprefix(GIVEN)
    return settings.prices.get(known) or settings.prices.get(known.partition(":")[2])


def _role(role: Any) -> Role:
    try:
        return Role(role)
    except ValueError:
        raise ConfigurationError(f"{role!r} is no role", hint=f"the roles are {', '.join(Role)}") from None
