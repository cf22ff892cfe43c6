"""What waits for a person: drafts to release, corrections to agree to, claims that somebody has to look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

from caretally.billing import ClaimIdentity, OnFile, State, filed_digest
from caretally.billing.content import LIVE, state_of
from caretally.facts import exact_json
from caretally.facts.calendar import ServiceMonth
from caretally.facts.reasons import Hold
from caretally.store.answers import answers_of, find_answers
from caretally.store.opening import open_existing_store, store_file
from caretally.sync.claim_lookup import staged_on_file
from caretally.sync.own_ids import in_own_ids
from caretally.sync.resources import read_body
from caretally.sync.sinks.folder import FolderSink

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from caretally.store.opening import Store
    from caretally.store.staging import StagedResource
    from caretally.sync.writes import Sink

ReviewKind = Literal["release", "correction", "look", "question"]
_LOOK = frozenset({"R-HUMAN-EDIT", "W-CLAIM-ON-FILE-HELD"})
_CORRECTIONS = frozenset({"replace", "void"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewItem:
    """One patient-month of one practitioner that waits for a person.

    Attributes:
        kind: ``release`` a draft, agree to a ``correction``, ``look``: a person changed something, or a claim on
            file is held; or settle a ``question``: a hold that keeps the month from being billed.
        resources: live claims and charges of ours.
        seen: digest of what is on file now; an approval that names it is refused when the file changed since.
        determination: line of determinations.ndjson.
    """

    patient: str
    service_month: str
    practitioner: str | None
    kind: ReviewKind
    resources: tuple[str, ...]
    seen: str
    determination: Mapping[str, Any] = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return the item as JSON."""
        document = self.determination
        return {
            "patient": self.patient,
            "service_month": self.service_month,
            "billing_practitioner": self.practitioner,
            "kind": self.kind,
            "resources": list(self.resources),
            "seen": self.seen,
            "answer": answer_digest(document),
            "status": document.get("status"),
            "family": document.get("family"),
            "action": document.get("action"),
            "lines": document.get("lines", []),
            "reasons": document.get("reasons", []),
            "notices": document.get("notices", []),
            "claim_checks": document.get("claim_checks"),
        }


def list_reviews(
    documents: Iterable[Mapping[str, Any]], sink: Sink, *, tenant: str, opened_at: str
) -> list[ReviewItem]:
    """List what waits for a person.

    Args:
        documents: determinations, from `determinations_of`.
        sink: where the claims are.
        tenant: of the configuration.
        opened_at: instant in UTC, ISO 8601.

    Raises:
        SourceError, IncompletePullError: the sink cannot be read.
    """
    answered = [one for one in documents if isinstance(one.get("billing_practitioner"), str)]
    filed = staged_on_file(sink, sorted({str(one["patient"]) for one in answered}), opened_at)
    items = (_item(one, filed.get(_key(one, tenant), []), keeps_versions=sink.keeps_versions) for one in answered)
    return sorted(
        (item for item in items if item is not None),
        key=lambda item: (item.service_month, item.patient, item.practitioner or ""),
    )


def determinations_of(place: FolderSink | Store, month: str | None = None) -> Iterator[Mapping[str, Any]]:
    """Give the determinations of a folder or store: of one month, or, of a folder, of all."""
    if isinstance(place, FolderSink):
        yield from (one for one in place.determinations() if month in (None, one.get("service_month")))
    elif month is not None:
        yield from (answer.document for answer in answers_of(place, month))


def find_determination(
    location: str, patient: str, month: str, practitioner: str | None = None
) -> list[Mapping[str, Any]]:
    """Give the answers of one patient-month, for explaining them.

    Args:
        location: folder of a sink or of a store, or database URL.
        patient: ``Patient/id``.
        month: ``2025-01``.
        practitioner: ``Practitioner/id``; None: all of them.

    Raises:
        ConfigurationError: there is nothing at the location.
    """
    with open_existing_store(store_file(location)) as store:
        return [one.document for one in find_answers(store, patient, month, practitioner)]


def _key(document: Mapping[str, Any], tenant: str) -> str:
    return ClaimIdentity(
        tenant=tenant,
        patient=str(document["patient"]),
        service_month=ServiceMonth.parse(str(document["service_month"])),
        billing_practitioner=document["billing_practitioner"],
    ).key


def _item(document: Mapping[str, Any], rows: list[StagedResource], *, keeps_versions: bool) -> ReviewItem | None:
    resources = in_own_ids([read_body(row.body) for row in rows])
    states = {row.reference: state_of(one) for row, one in zip(rows, resources, strict=True)}
    live = {name: state for name, state in states.items() if state in LIVE}
    kind = _kind(document, set(live.values()))
    if kind is None:
        return None
    return ReviewItem(
        patient=str(document["patient"]),
        service_month=str(document["service_month"]),
        practitioner=document["billing_practitioner"],
        kind=kind,
        resources=tuple(sorted(live)),
        seen=filed_digest(
            [OnFile(resource=one, version=_version(one) if keeps_versions else None) for one in resources]
        ),
        determination=document,
    )


def _kind(document: Mapping[str, Any], live: set[State]) -> ReviewKind | None:
    codes = {one.get("code") for part in ("reasons", "notices") for one in document.get(part, ())}
    if codes & _LOOK:
        return "look"
    if document.get("status") == "hold" and Hold.MONTH_OPEN not in codes:
        return "question"
    if not live:
        return None
    if live <= {State.DRAFT}:
        return "release" if document.get("status") == "billable" else None
    return "correction" if document.get("action") in _CORRECTIONS else None


def answer_digest(document: Mapping[str, Any]) -> str:
    """Return a digest of an answer, to prove that what a person saw is what stands; `action` is no part of it."""
    said = {key: value for key, value in document.items() if key != "action"}
    return sha256(exact_json.canonical(said)).hexdigest()


def _version(resource: Mapping[str, Any]) -> str | None:
    version = (resource.get("meta") or {}).get("versionId")
    return version if isinstance(version, str) else None
