"""What a run brings along, and what an execution keeps of it: the settings that were chosen, the graph's fingerprint.

Both are agreed when the lease is taken. A setting that nobody chooses for this run is the one that the execution has
had so far, so that a run which goes on after a crash, or on the command line, asks for the same approvals.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from graph.context import RunSettings, chosen_settings, settings_from
from graph.fingerprint import Fingerprint, Migration, vouching
from graph.lifecycle import WorkflowState
from persistence import Effects, store_effects

__all__ = ["Agreed", "Terms"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Agreed:
    """The settings that hold for a drive, and the columns of the execution's row that this changes."""

    settings: RunSettings
    columns: dict[str, Any]


@dataclass(frozen=True)
class Terms:
    """The settings that a run's caller chose, the fingerprint of its graph, and the migrations that it may use."""

    settings: Mapping[str, Any] | RunSettings | None
    fingerprint: Fingerprint
    check: Callable[[RunSettings], object] = lambda _: None
    """Refuses settings under which nothing could run. It may take a second, and so it is not asked within a
    transaction."""
    migrations: tuple[Migration, ...] = ()

    def agree(self, connection: Connection, row: Row[Any]) -> Agreed:
        """Return what holds for a drive of the execution, inside the transaction that takes its lease.

        Raises:
            DefinitionChanged: the execution began under another definition, and no migration vouches for this one.
            ConfigurationError: a setting cannot be used.
        """
        columns: dict[str, Any] = {}
        kept = self._known(row)
        merged = kept | chosen_settings(self.settings)
        if merged != kept:
            columns["settings"] = merged
        if row.fingerprint is None:
            if row.status != WorkflowState.BLOCKED:  # there nothing runs under any definition
                columns["fingerprint"] = self.fingerprint
        elif migration := vouching(row.id, row.fingerprint, self.fingerprint, self.migrations):
            columns["fingerprint"] = self.fingerprint
            effects = Effects()
            effects.log("migrated", f"goes on under another definition, by the migration {migration.name!r}")
            store_effects(connection, row.id, effects)
        return Agreed(settings_from(merged), columns)

    @staticmethod
    def _known(row: Row[Any]) -> dict[str, Any]:
        """Return the settings that the execution has, without those that only another version knows."""
        kept: dict[str, Any] = row.settings or {}
        if unknown := sorted(kept.keys() - RunSettings.model_fields.keys()):
            logger.warning("execution %s has settings that are not known here: %s", row.id, ", ".join(unknown))
        return {name: value for name, value in kept.items() if name not in unknown}
