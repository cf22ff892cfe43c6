"""Reading everything about one patient-month once more, for a packet: what the record and the file hold now."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from caretally.mapping.copies import settle_copies
from caretally.store import runs, staging, temporary_store
from caretally.sync.deciding import PRACTICE_TYPES
from caretally.sync.pull_step import PullStep
from caretally.sync.request import instant_of
from caretally.sync.resources import read_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caretally.sync.request import RunRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What was read.

    Attributes:
        resources: of the patient and the practice, by reference, amounts exact; of what the sink holds too, the
            sink's version.
        versions: `meta.versionId`, else the digest of the content.
    """

    resources: Mapping[str, Mapping[str, Any]] = field(repr=False)
    versions: Mapping[str, str | None]


def read_record(request: RunRequest, patient: str) -> Record:
    """Read one patient from source and sink; nothing is written.

    Args:
        request: of a plan, narrowed to the patient.
        patient: ``Patient/id``.

    Raises:
        UsageError, SourceError, IncompletePullError: the patient cannot be read.
    """
    with temporary_store(opened_at=instant_of(request)) as store:
        run_id, pull_id = uuid4().hex, uuid4().hex
        runs.begin_run(
            store,
            run_id=run_id,
            command="packet",
            service_month=str(request.month),
            as_of=request.as_of.isoformat(),
            started_at=instant_of(request),
        )
        joined = PullStep(request=request, store=store, run_id=run_id, pull_id=pull_id, issues=[]).pull().joined
        canonical = joined.get(patient, patient)
        rows = [
            *staging.of_types(store, pull_id, PRACTICE_TYPES),
            *staging.of_patients(store, pull_id, [canonical])[canonical],
        ]
        bodies = [read_body(row.body) for row in sorted(rows, key=lambda row: row.origin == staging.SINK)]
    resources: dict[str, Mapping[str, Any]] = {}
    versions: dict[str, str | None] = {}
    for source in settle_copies(bodies).sources:
        resources[source.reference] = source.body
        versions[source.reference] = source.version
    # Claims and charges of ours: the sink's word counts, whatever the source had.
    for body in bodies:
        if body.get("resourceType") in {"Claim", "ChargeItem"}:
            resources[f"{body['resourceType']}/{body['id']}"] = body
    return Record(resources=resources, versions=versions)
