"""What squads remember: past tasks, indexed as they end, their vectors, and items of agents' own."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_OPTIONS = "content = 'past_tasks', content_rowid = 'id', tokenize = 'porter unicode61 remove_diacritics 2'"
_WORDS = ("title", "body", "summary", "learnt")

_SHELF = 4294967296

# What is known of a task once its execution has ended. JSON that is none would undo the transaction that ends it.
_KNOWN = """
    task.title,
    coalesce((SELECT group_concat(value, char(10)) FROM json_each(
        CASE WHEN json_valid(task.acceptance_criteria) THEN task.acceptance_criteria ELSE '[]' END
    )), '') || char(10) || substr(task.description, 1, 20000),
    substr(coalesce(
        CASE WHEN execution.status = 'failed' THEN execution.error_message END,
        CASE WHEN json_valid(execution.result) THEN
            CASE WHEN json_type(execution.result, '$.summary') = 'text'
            THEN json_extract(execution.result, '$.summary') ELSE json(execution.result) END
        END,
        ''
    ), 1, 2000),
    coalesce((
        SELECT group_concat(json_extract(value, '$.text'), char(10)) FROM memories
        WHERE namespace = 'squads.' || execution.squad_id || '.lessons.' || execution.id
    ), ''),
    coalesce(execution.ended_at, execution.updated_at)
"""
_INTO = "INSERT INTO past_tasks (id, squad_id, execution_id, status, title, body, summary, learnt, ended_at)"

_REMEMBER = f"""
    CREATE TRIGGER executions_are_remembered AFTER UPDATE OF status ON executions
    WHEN NEW.status IN ('completed', 'failed') AND OLD.status NOT IN ('completed', 'failed') BEGIN
        INSERT INTO shelves (squad_id) SELECT NEW.squad_id
        WHERE NOT EXISTS (SELECT 1 FROM shelves WHERE squad_id = NEW.squad_id);
        {_INTO}
        SELECT
            coalesce(
                (SELECT max(id) + 1 FROM past_tasks WHERE squad_id = NEW.squad_id),
                (SELECT number * {_SHELF} FROM shelves WHERE squad_id = NEW.squad_id)
            ),
            execution.squad_id, execution.id, execution.status, {_KNOWN}
        FROM executions AS execution JOIN tasks AS task ON task.id = execution.task_id WHERE execution.id = NEW.id;
    END"""
_SO_FAR = f"""
    {_INTO}
    SELECT
        (SELECT number * {_SHELF} FROM shelves WHERE squad_id = execution.squad_id)
            + row_number() OVER (PARTITION BY execution.squad_id ORDER BY execution.updated_at, execution.id) - 1,
        execution.squad_id, execution.id, execution.status, {_KNOWN}
    FROM executions AS execution JOIN tasks AS task ON task.id = execution.task_id
    WHERE execution.status IN ('completed', 'failed')"""

# A lesson may come once its execution has ended, and may go at any time: what is found by its words follows.
_LEARN = """
    CREATE TRIGGER lessons_are_{how} AFTER {event} ON memories WHEN {row}.namespace LIKE 'squads.%.lessons.%' BEGIN
        UPDATE past_tasks
        SET learnt = coalesce((
            SELECT group_concat(json_extract(value, '$.text'), char(10)) FROM memories
            WHERE namespace = {row}.namespace
        ), '')
        WHERE execution_id = substr({row}.namespace, -32)
            AND {row}.namespace = 'squads.' || squad_id || '.lessons.' || execution_id;
    END"""
_LESSONS = [("learnt", "INSERT", "NEW"), ("changed", "UPDATE OF value", "NEW"), ("forgotten", "DELETE", "OLD")]


def upgrade() -> None:
    _make_tables()
    for statement in _index_of_words():
        op.execute(statement)
    op.execute("INSERT INTO shelves (squad_id) SELECT DISTINCT squad_id FROM executions ORDER BY squad_id")
    op.execute(_SO_FAR)
    op.execute(_REMEMBER)
    for how, event, row in _LESSONS:
        op.execute(_LEARN.format(how=how, event=event, row=row))


def downgrade() -> None:
    op.execute("DROP TRIGGER executions_are_remembered")
    op.execute("DROP TABLE past_tasks_text")
    for table in ("vectors", "past_tasks", "memories", "shelves"):
        op.drop_table(table)


def _make_tables() -> None:
    op.create_table(
        "shelves",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("squad_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_shelves")),
        sa.UniqueConstraint("squad_id", name=op.f("uq_shelves_squad_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "past_tasks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("squad_id", sa.Uuid(), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("title", "body", "summary", "learnt")),
        sa.Column("ended_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["execution_id"], ["executions.id"], name=op.f("fk_past_tasks_execution_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_past_tasks")),
        sa.UniqueConstraint("execution_id", name=op.f("uq_past_tasks_execution_id")),
    )
    op.create_index(op.f("ix_past_tasks_squad_id"), "past_tasks", ["squad_id"])
    op.create_table(
        "vectors",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("past_task_id", sa.Integer(), nullable=False),
        sa.Column("squad_id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["past_task_id"], ["past_tasks.id"], name=op.f("fk_vectors_past_task_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vectors")),
        sa.UniqueConstraint("past_task_id", "model", name=op.f("uq_vectors_past_task_id_model")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_vectors_squad_id_model_id"), "vectors", ["squad_id", "model", "id"])
    op.create_table(
        "memories",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("ttl_minutes", sa.Double()),
        sa.Column("expires_at", sa.DateTime()),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memories")),
        sa.UniqueConstraint("namespace", "key", name=op.f("uq_memories_namespace_key")),
    )
    op.create_index(op.f("ix_memories_expires_at"), "memories", ["expires_at"])


def _index_of_words() -> list[str]:
    """Return what makes the index of past tasks' words, kept in step by triggers whoever writes the table."""
    names = ", ".join(_WORDS)
    old, new = (", ".join(f"{side}.{name}" for name in _WORDS) for side in ("OLD", "NEW"))
    add = f"INSERT INTO past_tasks_text (rowid, {names}) VALUES (NEW.id, {new});"
    remove = f"INSERT INTO past_tasks_text (past_tasks_text, rowid, {names}) VALUES ('delete', OLD.id, {old});"
    return [
        f"CREATE VIRTUAL TABLE past_tasks_text USING fts5 ({names}, {_OPTIONS})",
        f"CREATE TRIGGER past_tasks_are_indexed AFTER INSERT ON past_tasks BEGIN {add} END",
        f"CREATE TRIGGER past_tasks_are_dropped AFTER DELETE ON past_tasks BEGIN {remove} END",
        f"CREATE TRIGGER past_tasks_are_changed AFTER UPDATE OF {names} ON past_tasks BEGIN {remove} {add} END",
    ]
