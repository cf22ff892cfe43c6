"""Interchanges: the files that were made for receivers of claims, their control numbers and what they hold."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Integer, PrimaryKeyConstraint, Text

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "interchange",
        Column("sender", Text(), nullable=False),
        Column("receiver", Text(), nullable=False),
        Column("control_number", BigInteger(), nullable=False),
        Column("production", Boolean(), nullable=False),
        Column("made_at", Text(), nullable=False),
        PrimaryKeyConstraint("sender", "receiver", "control_number", name="pk_interchange"),
    )
    op.create_table(
        "interchange_claim",
        Column("sender", Text(), nullable=False),
        Column("receiver", Text(), nullable=False),
        Column("control_number", BigInteger(), nullable=False),
        Column("ordinal", Integer(), nullable=False),
        Column("account_number", Text(), nullable=False),
        Column("frequency", Text(), nullable=False),
        PrimaryKeyConstraint("sender", "receiver", "control_number", "ordinal", name="pk_interchange_claim"),
    )
    op.create_index("ix_interchange_claim_account_number", "interchange_claim", ["account_number"])
