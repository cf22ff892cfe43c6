"""What is held of a server: slices with their page, resources, people, references and notes."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Boolean, Column, ForeignKeyConstraint, Integer, LargeBinary, PrimaryKeyConstraint, Text

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "mirror",
        Column("id", Text(), nullable=False),
        Column("source", Text(), nullable=False),
        Column("purpose", Text(), nullable=False),
        Column("mode", Text(), nullable=False),
        Column("state", Text(), nullable=False),
        Column("generation", Text(), nullable=False),
        Column("begun_at", Text(), nullable=False),
        Column("server_began_at", Text(), nullable=True),
        Column("held_up_to", Text(), nullable=True),
        Column("fully_read_at", Text(), nullable=True),
        Column("export_status", Text(), nullable=True),
        Column("export_manifest", Text(), nullable=True),
        PrimaryKeyConstraint("id", name="pk_mirror"),
    )
    op.create_index("ix_mirror_source_purpose", "mirror", ["source", "purpose"], unique=True)
    _part(
        "mirror_slice",
        Column("ordinal", Integer(), nullable=False),
        Column("phase", Text(), nullable=False),
        Column("resource_type", Text(), nullable=False),
        Column("document", Text(), nullable=False),
        Column("state", Text(), nullable=False),
        Column("next_link", Text(), nullable=True),
        Column("pages", Integer(), nullable=False),
        key=("ordinal",),
    )
    op.create_index("ix_mirror_slice_mirror_id_phase_state", "mirror_slice", ["mirror_id", "phase", "state"])
    _part(
        "mirror_resource",
        Column("resource_type", Text(), nullable=False),
        Column("resource_id", Text(), nullable=False),
        Column("patient", Text(), nullable=True),
        Column("seen", Text(), nullable=False),
        Column("body", LargeBinary(), nullable=False),
        key=("resource_type", "resource_id"),
    )
    op.create_index("ix_mirror_resource_mirror_id_patient", "mirror_resource", ["mirror_id", "patient"])
    _part(
        "mirror_person",
        Column("patient", Text(), nullable=False),
        Column("seen", Text(), nullable=False),
        Column("asked", Boolean(), nullable=False),
        key=("patient",),
    )
    _part(
        "mirror_reference",
        Column("reference", Text(), nullable=False),
        Column("asked", Boolean(), nullable=False),
        key=("reference",),
    )
    _part(
        "mirror_note",
        Column("ordinal", Integer(), nullable=False),
        Column("kind", Text(), nullable=False),
        Column("patient", Text(), nullable=True),
        Column("document", Text(), nullable=False),
        key=("ordinal",),
    )


def _part(name: str, *columns: Column[object], key: tuple[str, ...]) -> None:
    op.create_table(
        name,
        Column("mirror_id", Text(), nullable=False),
        *columns,
        ForeignKeyConstraint(["mirror_id"], ["mirror.id"], name=f"fk_{name}_mirror_id_mirror", ondelete="CASCADE"),
        PrimaryKeyConstraint("mirror_id", *key, name=f"pk_{name}"),
    )
