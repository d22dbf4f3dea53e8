"""What a run brings along, and what an execution keeps of it: the settings that were chosen, the graph's fingerprint.

Both are agreed when the lease is taken. A setting that nobody chooses for this run is the one that the execution has
had so far, so that a run which goes on after a crash, or on the command line, asks for the same approvals.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from graph.context import RunSettings, chosen_settings, settings_from
from graph.fingerprint import Fingerprint, Migration, vouching
from persistence import Effects, store_effects

__all__ = ["Agreed", "Terms"]


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
    migrations: tuple[Migration, ...] = ()

    def agree(self, connection: Connection, row: Row[Any]) -> Agreed:
        """Return what holds for a drive of the execution, inside the transaction that takes its lease.

        Raises:
            DefinitionChanged: the execution began under another definition, and no migration vouches for this one.
            ConfigurationError: a setting cannot be used.
        """
        columns: dict[str, Any] = {}
        kept = row.settings or {}
        merged = kept | chosen_settings(self.settings)
        if merged != kept:
            columns["settings"] = merged
        if row.fingerprint is None:
            columns["fingerprint"] = self.fingerprint
        elif migration := vouching(row.id, row.fingerprint, self.fingerprint, self.migrations):
            columns["fingerprint"] = self.fingerprint
            effects = Effects()
            effects.log("migrated", f"goes on under another definition, by the migration {migration.name!r}")
            store_effects(connection, row.id, effects)
        return Agreed(settings_from(merged), columns)
