"""The tables of the store. A change here needs a migration in `migrations/versions` (a test compares both).

Instants are ISO 8601 text in UTC, months ``YYYY-MM``, JSON documents text: the same on every database.
"""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    event,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    }
)

store_binding = Table(
    "store_binding",
    metadata,
    # One row: what this store belongs to.
    Column("only", Integer, primary_key=True, autoincrement=False),
    Column("target", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("created_at", Text, nullable=False),
)

lease = Table(
    "lease",
    metadata,
    # Who holds what on a database that machines share. Milliseconds since 1970 by the clock of the database.
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("session", BigInteger, nullable=False),
    Column("taken_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

run = Table(
    "run",
    metadata,
    Column("id", Text, primary_key=True),
    Column("command", Text, nullable=False),
    Column("service_month", Text, nullable=False),
    Column("as_of", Text, nullable=False),
    Column("started_at", Text, nullable=False),
    Column("ended_at", Text),
    # running, done, incomplete, failed
    Column("state", Text, nullable=False),
    Column("report", Text),
    Index(None, "started_at"),
)

pull = Table(
    "pull",
    metadata,
    Column("id", Text, primary_key=True),
    Column("run_id", Text, ForeignKey("run.id", ondelete="CASCADE"), nullable=False),
    Column("source", Text, nullable=False),
    Column("service_month", Text, nullable=False),
    Column("started_at", Text, nullable=False),
    Column("ended_at", Text),
    Column("complete", Boolean, nullable=False),
    Column("counts", Text),
    Index(None, "run_id"),
)

pull_gap = Table(
    "pull_gap",
    metadata,
    Column("pull_id", Text, ForeignKey("pull.id", ondelete="CASCADE"), nullable=False),
    Column("ordinal", Integer, nullable=False),
    # None: the gap may concern every patient.
    Column("patient", Text),
    Column("resource_type", Text, nullable=False),
    Column("reason", Text, nullable=False),
    PrimaryKeyConstraint("pull_id", "ordinal"),
    Index(None, "pull_id", "patient"),
)

staged_resource = Table(
    "staged_resource",
    metadata,
    Column("pull_id", Text, ForeignKey("pull.id", ondelete="CASCADE"), nullable=False),
    Column("ordinal", BigInteger, nullable=False),
    # source or sink
    Column("origin", Text, nullable=False),
    Column("resource_type", Text, nullable=False),
    Column("resource_id", Text, nullable=False),
    # The record that stands for the beneficiary; None for resources of the practice.
    Column("patient", Text),
    # File and line, or the reference on the server.
    Column("place", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("pull_id", "ordinal"),
    Index(None, "pull_id", "patient"),
    Index(None, "pull_id", "resource_type", "resource_id"),
)

issue = Table(
    "issue",
    metadata,
    Column("run_id", Text, ForeignKey("run.id", ondelete="CASCADE"), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("resource", Text, nullable=False),
    Column("element", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("found", Text, nullable=False),
    Column("wanted", Text, nullable=False),
    Column("patient", Text),
    PrimaryKeyConstraint("run_id", "ordinal"),
)

determination = Table(
    "determination",
    metadata,
    Column("patient", Text, nullable=False),
    Column("service_month", Text, nullable=False),
    # "" where nobody can be said to bill.
    Column("practitioner", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("action", Text, nullable=False),
    # Digest of everything the answer was made from: equal digest, equal answer.
    Column("facts_digest", Text, nullable=False),
    Column("decided_at", Text, nullable=False),
    Column("document", Text, nullable=False),
    PrimaryKeyConstraint("patient", "service_month", "practitioner"),
    Index(None, "service_month", "status"),
)

change_intent = Table(
    "change_intent",
    metadata,
    Column("id", Text, primary_key=True),
    # Digest of the identity of the claim and of what is to be written; equal key, same change.
    Column("idempotency_key", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    # What was pulled to decide it: only a complete pull of the same source may propose a void.
    Column("source", Text, nullable=False),
    Column("patient", Text, nullable=False),
    Column("service_month", Text, nullable=False),
    Column("practitioner", Text, nullable=False),
    Column("action", Text, nullable=False),
    # open, applied, refused, conflict, unknown, withdrawn
    Column("state", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("document", Text, nullable=False),
    Index(None, "state", "created_at"),
    Index(None, "idempotency_key"),
    Index(None, "service_month", "patient"),
)

change_outcome = Table(
    "change_outcome",
    metadata,
    Column("intent_id", Text, ForeignKey("change_intent.id", ondelete="CASCADE"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("at", Text, nullable=False),
    Column("state", Text, nullable=False),
    # References and versions written, or the server's own words.
    Column("document", Text, nullable=False),
    PrimaryKeyConstraint("intent_id", "attempt"),
)

decision = Table(
    "decision",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("patient", Text, nullable=False),
    Column("service_month", Text),
    Column("practitioner", Text),
    Column("resource", Text),
    Column("who", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("document", Text, nullable=False),
    Index(None, "patient", "kind", "at"),
    Index(None, "service_month", "kind"),
)

ledger_entry = Table(
    "ledger_entry",
    metadata,
    # From 1 on, without a gap.
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    # decision, determination, determination-dropped, intent, outcome
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Index(None, "subject", "number"),
)

mirror = Table(
    "mirror",
    metadata,
    # What is held of one server, for one purpose: the pull of a month, or the incremental copy of sync.
    Column("id", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    # full, changes or export
    Column("mode", Text, nullable=False),
    # reading or complete
    Column("state", Text, nullable=False),
    # Names one reading of the server, from its beginning to its end; a resource that was seen in it bears it.
    Column("generation", Text, nullable=False),
    # By our clock; by the server's, before the first request; up to when changes are held; of the last full reading.
    Column("begun_at", Text, nullable=False),
    Column("server_began_at", Text),
    Column("held_up_to", Text),
    Column("fully_read_at", Text),
    # Of a Bulk Data export that was started: where its state is asked for.
    Column("export_status", Text),
    Column("export_manifest", Text),
    Index(None, "source", "purpose", unique=True),
)

mirror_slice = Table(
    "mirror_slice",
    metadata,
    Column("mirror_id", Text, ForeignKey("mirror.id", ondelete="CASCADE"), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("phase", Text, nullable=False),
    Column("resource_type", Text, nullable=False),
    # What is asked for, as JSON.
    Column("document", Text, nullable=False),
    # waiting, done or gap
    Column("state", Text, nullable=False),
    # The page to go on with; NULL: from the beginning.
    Column("next_link", Text),
    Column("pages", Integer, nullable=False),
    PrimaryKeyConstraint("mirror_id", "ordinal"),
    Index(None, "mirror_id", "phase", "state"),
)

mirror_resource = Table(
    "mirror_resource",
    metadata,
    Column("mirror_id", Text, ForeignKey("mirror.id", ondelete="CASCADE"), nullable=False),
    Column("resource_type", Text, nullable=False),
    Column("resource_id", Text, nullable=False),
    Column("patient", Text),
    # The generation in which it was seen last.
    Column("seen", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("mirror_id", "resource_type", "resource_id"),
    Index(None, "mirror_id", "patient"),
)

mirror_person = Table(
    "mirror_person",
    metadata,
    Column("mirror_id", Text, ForeignKey("mirror.id", ondelete="CASCADE"), nullable=False),
    Column("patient", Text, nullable=False),
    Column("seen", Text, nullable=False),
    # Whether their resources are asked for already.
    Column("asked", Boolean, nullable=False),
    PrimaryKeyConstraint("mirror_id", "patient"),
)

mirror_reference = Table(
    "mirror_reference",
    metadata,
    # People and places of the practice that something refers to.
    Column("mirror_id", Text, ForeignKey("mirror.id", ondelete="CASCADE"), nullable=False),
    Column("reference", Text, nullable=False),
    Column("asked", Boolean, nullable=False),
    PrimaryKeyConstraint("mirror_id", "reference"),
)

mirror_note = Table(
    "mirror_note",
    metadata,
    # Issue rows and gaps of the present generation, in the order in which they were found.
    Column("mirror_id", Text, ForeignKey("mirror.id", ondelete="CASCADE"), nullable=False),
    Column("ordinal", Integer, nullable=False),
    # issue, gap or strangers
    Column("kind", Text, nullable=False),
    Column("patient", Text),
    Column("document", Text, nullable=False),
    PrimaryKeyConstraint("mirror_id", "ordinal"),
)

interchange = Table(
    "interchange",
    metadata,
    # Between these two a control number is used once.
    Column("sender", Text, nullable=False),
    Column("receiver", Text, nullable=False),
    Column("control_number", BigInteger, nullable=False),
    Column("production", Boolean, nullable=False),
    Column("made_at", Text, nullable=False),
    PrimaryKeyConstraint("sender", "receiver", "control_number"),
)

interchange_claim = Table(
    "interchange_claim",
    metadata,
    Column("sender", Text, nullable=False),
    Column("receiver", Text, nullable=False),
    Column("control_number", BigInteger, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("account_number", Text, nullable=False),
    # 1 original, 7 replacement, 8 void
    Column("frequency", Text, nullable=False),
    PrimaryKeyConstraint("sender", "receiver", "control_number", "ordinal"),
    Index(None, "account_number"),
)

APPEND_ONLY = (ledger_entry, decision, change_outcome)
"""What the database itself does not let anybody change or delete."""


def _forbid_changes(table: Table) -> None:
    name, refusal = table.name, f"'{table.name} is append-only'"
    refuse_a_row = f"BEGIN SELECT RAISE(ABORT, {refusal}); END"
    function = f"{name}_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION {refusal}; END $$"
    whenever = f"BEFORE UPDATE OR DELETE OR TRUNCATE ON {name} FOR EACH STATEMENT"
    for dialect, statement in (
        ("sqlite", f"CREATE TRIGGER {name}_no_update BEFORE UPDATE ON {name} {refuse_a_row}"),
        ("sqlite", f"CREATE TRIGGER {name}_no_delete BEFORE DELETE ON {name} {refuse_a_row}"),
        ("postgresql", f"CREATE FUNCTION {function}"),
        ("postgresql", f"CREATE TRIGGER {name}_append_only {whenever} EXECUTE FUNCTION {name}_is_append_only()"),
    ):
        made = DDL(statement)  # type: ignore[no-untyped-call]
        event.listen(table, "after_create", made.execute_if(dialect=dialect))


for _table in APPEND_ONLY:
    _forbid_changes(_table)
