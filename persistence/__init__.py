"""The database: tables, sessions, the step journal, the transition log, the checkpointer."""
