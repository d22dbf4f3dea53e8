"""Alembic's entry: migrations run on the connection that the application hands over, inside its transaction."""

from alembic import context

from persistence.base import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=False,  # the caller's transaction holds the whole upgrade
)
context.run_migrations()
