"""Leases: who holds a store on a database that several machines share, and until when."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Text

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "lease",
        Column("name", Text(), nullable=False),
        Column("holder", Text(), nullable=False),
        Column("session", BigInteger(), nullable=False),
        Column("taken_at", BigInteger(), nullable=False),
        Column("expires_at", BigInteger(), nullable=False),
        PrimaryKeyConstraint("name", name="pk_lease"),
    )
