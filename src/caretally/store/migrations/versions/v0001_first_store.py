"""The first store: bindings, runs, pulls, answers, the outbox and decisions."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Text,
)

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Take the step."""
    _binding_and_runs()
    _pulls()
    _answers()
    _outbox()
    _decisions()


def _binding_and_runs() -> None:
    op.create_table(
        "store_binding",
        Column("only", Integer(), autoincrement=False, nullable=False),
        Column("target", Text(), nullable=False),
        Column("tenant", Text(), nullable=False),
        Column("created_at", Text(), nullable=False),
        PrimaryKeyConstraint("only", name="pk_store_binding"),
    )
    op.create_table(
        "run",
        Column("id", Text(), nullable=False),
        Column("command", Text(), nullable=False),
        Column("service_month", Text(), nullable=False),
        Column("as_of", Text(), nullable=False),
        Column("started_at", Text(), nullable=False),
        Column("ended_at", Text(), nullable=True),
        Column("state", Text(), nullable=False),
        Column("report", Text(), nullable=True),
        PrimaryKeyConstraint("id", name="pk_run"),
    )
    op.create_index("ix_run_started_at", "run", ["started_at"])
    op.create_table(
        "issue",
        Column("run_id", Text(), nullable=False),
        Column("ordinal", Integer(), nullable=False),
        Column("resource", Text(), nullable=False),
        Column("element", Text(), nullable=False),
        Column("code", Text(), nullable=False),
        Column("severity", Text(), nullable=False),
        Column("found", Text(), nullable=False),
        Column("wanted", Text(), nullable=False),
        Column("patient", Text(), nullable=True),
        ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_issue_run_id_run", ondelete="CASCADE"),
        PrimaryKeyConstraint("run_id", "ordinal", name="pk_issue"),
    )


def _pulls() -> None:
    op.create_table(
        "pull",
        Column("id", Text(), nullable=False),
        Column("run_id", Text(), nullable=False),
        Column("source", Text(), nullable=False),
        Column("service_month", Text(), nullable=False),
        Column("started_at", Text(), nullable=False),
        Column("ended_at", Text(), nullable=True),
        Column("complete", Boolean(), nullable=False),
        Column("counts", Text(), nullable=True),
        ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_pull_run_id_run", ondelete="CASCADE"),
        PrimaryKeyConstraint("id", name="pk_pull"),
    )
    op.create_index("ix_pull_run_id", "pull", ["run_id"])
    op.create_table(
        "pull_gap",
        Column("pull_id", Text(), nullable=False),
        Column("ordinal", Integer(), nullable=False),
        Column("patient", Text(), nullable=True),
        Column("resource_type", Text(), nullable=False),
        Column("reason", Text(), nullable=False),
        ForeignKeyConstraint(["pull_id"], ["pull.id"], name="fk_pull_gap_pull_id_pull", ondelete="CASCADE"),
        PrimaryKeyConstraint("pull_id", "ordinal", name="pk_pull_gap"),
    )
    op.create_index("ix_pull_gap_pull_id_patient", "pull_gap", ["pull_id", "patient"])
    op.create_table(
        "staged_resource",
        Column("pull_id", Text(), nullable=False),
        Column("ordinal", BigInteger(), nullable=False),
        Column("origin", Text(), nullable=False),
        Column("resource_type", Text(), nullable=False),
        Column("resource_id", Text(), nullable=False),
        Column("patient", Text(), nullable=True),
        Column("place", Text(), nullable=False),
        Column("body", LargeBinary(), nullable=False),
        ForeignKeyConstraint(["pull_id"], ["pull.id"], name="fk_staged_resource_pull_id_pull", ondelete="CASCADE"),
        PrimaryKeyConstraint("pull_id", "ordinal", name="pk_staged_resource"),
    )
    op.create_index("ix_staged_resource_pull_id_patient", "staged_resource", ["pull_id", "patient"])
    op.create_index(
        "ix_staged_resource_pull_id_resource_type_resource_id",
        "staged_resource",
        ["pull_id", "resource_type", "resource_id"],
    )


def _answers() -> None:
    op.create_table(
        "determination",
        Column("patient", Text(), nullable=False),
        Column("service_month", Text(), nullable=False),
        Column("practitioner", Text(), nullable=False),
        Column("run_id", Text(), nullable=False),
        Column("status", Text(), nullable=False),
        Column("action", Text(), nullable=False),
        Column("facts_digest", Text(), nullable=False),
        Column("decided_at", Text(), nullable=False),
        Column("document", Text(), nullable=False),
        PrimaryKeyConstraint("patient", "service_month", "practitioner", name="pk_determination"),
    )
    op.create_index("ix_determination_service_month_status", "determination", ["service_month", "status"])


def _outbox() -> None:
    op.create_table(
        "change_intent",
        Column("id", Text(), nullable=False),
        Column("idempotency_key", Text(), nullable=False),
        Column("run_id", Text(), nullable=False),
        Column("source", Text(), nullable=False),
        Column("patient", Text(), nullable=False),
        Column("service_month", Text(), nullable=False),
        Column("practitioner", Text(), nullable=False),
        Column("action", Text(), nullable=False),
        Column("state", Text(), nullable=False),
        Column("created_at", Text(), nullable=False),
        Column("document", Text(), nullable=False),
        PrimaryKeyConstraint("id", name="pk_change_intent"),
    )
    op.create_index("ix_change_intent_idempotency_key", "change_intent", ["idempotency_key"])
    op.create_index("ix_change_intent_service_month_patient", "change_intent", ["service_month", "patient"])
    op.create_index("ix_change_intent_state_created_at", "change_intent", ["state", "created_at"])
    op.create_table(
        "change_outcome",
        Column("intent_id", Text(), nullable=False),
        Column("attempt", Integer(), nullable=False),
        Column("at", Text(), nullable=False),
        Column("state", Text(), nullable=False),
        Column("document", Text(), nullable=False),
        ForeignKeyConstraint(
            ["intent_id"], ["change_intent.id"], name="fk_change_outcome_intent_id_change_intent", ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("intent_id", "attempt", name="pk_change_outcome"),
    )


def _decisions() -> None:
    op.create_table(
        "decision",
        Column("id", Text(), nullable=False),
        Column("kind", Text(), nullable=False),
        Column("patient", Text(), nullable=False),
        Column("service_month", Text(), nullable=True),
        Column("practitioner", Text(), nullable=True),
        Column("resource", Text(), nullable=True),
        Column("who", Text(), nullable=False),
        Column("at", Text(), nullable=False),
        Column("why", Text(), nullable=False),
        Column("document", Text(), nullable=False),
        PrimaryKeyConstraint("id", name="pk_decision"),
    )
    op.create_index("ix_decision_patient_kind_at", "decision", ["patient", "kind", "at"])
    op.create_index("ix_decision_service_month_kind", "decision", ["service_month", "kind"])
