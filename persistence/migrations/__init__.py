"""The schema's history. ``HEAD`` names the newest revision, so that an up-to-date database opens without Alembic."""

HEAD = "0008"
