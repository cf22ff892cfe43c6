"""``caretally packet``: what a payer asks for with a records request."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caretally import __version__
from caretally.billing import ClaimIdentity
from caretally.billing.identity import identity_of
from caretally.cli.configuration import read_configuration
from caretally.cli.endpoints import endpoints, is_address
from caretally.cli.explain_command import reference_of
from caretally.cli.places import Place, instant, place_of, source_of
from caretally.errors import UsageError, WriteError
from caretally.facts import exact_json
from caretally.facts.codes import CANONICAL
from caretally.reports.packet import packet_of
from caretally.reports.packet_document import packet_document
from caretally.reports.packet_html import packet_html
from caretally.reports.packet_pdf import packet_pdf
from caretally.store.answers import find_answers
from caretally.store.opening import open_existing_store
from caretally.sync.claim_lookup import ClaimsOnFile, patients_of
from caretally.sync.evidence import Record, read_record
from caretally.sync.pulling import Narrowing
from caretally.sync.request import RunRequest
from caretally.sync.sinks.folder import FolderSink
from caretally.sync.store_place import store_of
from caretally.tables import policy_book, tables_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caretally.cli.options import Settings
    from caretally.facts.calendar import ServiceMonth

SUFFIXES = {"html": "html", "pdf": "pdf", "fhir": "json"}


def make_packet(
    settings: Settings,
    *,
    where: str,
    about: str,
    month: ServiceMonth | None,
    practitioner: str | None,
    source: str | None,
    form: str,
    out: str | None,
) -> None:
    """Write the packet of a claim, or of a patient-month, to a file.

    Args:
        settings: of the command.
        where: folder or server that holds the claims.
        about: ``Claim/id``, an account number, or with a month ``Patient/id``.
        month: needed for a patient.
        practitioner: of several billing practitioners, this one.
        source: where the evidence is read; None: where the last run read it.
        form: html, pdf or fhir.
        out: file; None: a name of its own in the working folder.

    Raises:
        UsageError: no such claim or answer, or an unknown format.
        SourceError, IncompletePullError: the evidence cannot be read.
        WriteError: the file cannot be written.
    """
    if form not in SUFFIXES:
        raise UsageError(f"'{form}' is no format of a packet; wanted {', '.join(SUFFIXES)}")
    with place_of(settings, where) as place:
        identity = _identity(place, about, month, practitioner)
        answer = _answer(place, identity)
    read_from = source or source_of(where)
    made_at = instant()
    record = _record(settings, where=where, source=read_from, identity=identity)
    claims = [
        one
        for one in record.resources.values()
        if one.get("resourceType") == "Claim" and identity_of(one, identity.tenant) == identity
    ]
    packet = packet_of(
        answer,
        record.resources,
        claims,
        versions=record.versions,
        made_at=made_at,
        software=f"caretally {__version__}",
    )
    if form == "fhir":
        base = read_from if is_address(read_from) else CANONICAL
        content = exact_json.dumps(packet_document(packet, record.resources, base=base)) + b"\n"
    else:
        content = packet_html(packet) if form == "html" else packet_pdf(packet)
    path = Path(out) if out is not None else Path(f"packet-{identity.key[:12]}.{SUFFIXES[form]}")
    _write(path, content)
    settings.output.document({"file": str(path), "patient": identity.patient, "service_month": packet.service_month})
    settings.output.text(f"written to {path}: {len(packet.parts)} parts; it holds protected health information")


def _identity(place: Place, about: str, month: ServiceMonth | None, practitioner: str | None) -> ClaimIdentity:
    if month is None:
        found = ClaimsOnFile(place.sink, place.tenant, patients_of(place.sink, [about]), instant()).find(about)
        if found is None:
            raise UsageError(
                f"there is no claim of ours '{about}' in {place.sink.description}; name a Claim or its account number, "
                "or a patient with --month"
            )
        return found
    patient = reference_of("Patient", about)
    who = None if practitioner is None else reference_of("Practitioner", practitioner)
    answers = [one for one in _answers(place, patient, str(month)) if who in {None, one["billing_practitioner"]}]
    people = [one["billing_practitioner"] for one in answers]
    if not answers:
        raise UsageError(
            f"no answer for {patient} in {month} in {place.sink.description}: run apply for the month first"
        )
    if len(people) > 1:
        raise UsageError(f"{patient} has several billing practitioners in {month}; name one with --practitioner")
    return ClaimIdentity(tenant=place.tenant, patient=patient, service_month=month, billing_practitioner=people[0])


def _answers(place: Place, patient: str, month: str) -> list[Mapping[str, Any]]:
    if isinstance(place.sink, FolderSink):
        return [
            one
            for one in place.sink.determinations()
            if (one.get("patient"), one.get("service_month")) == (patient, month)
        ]
    location, _ = store_of(place.sink, named=place.configuration.store_url, tenant=place.tenant)
    with open_existing_store(location) as store:
        return [one.document for one in find_answers(store, patient, month)]


def _answer(place: Place, identity: ClaimIdentity) -> Mapping[str, Any]:
    month = str(identity.service_month)
    for one in _answers(place, identity.patient, month):
        if one.get("billing_practitioner") == identity.billing_practitioner:
            return one
    raise UsageError(f"the claim has no answer any more ({identity.patient}, {month}): run apply for the month first")


def _record(settings: Settings, *, where: str, source: str, identity: ClaimIdentity) -> Record:
    configuration = read_configuration(settings)
    tables = tables_for(configuration)
    out, to = (None, where) if is_address(where) else (where, None)
    with endpoints(configuration, tables, source=source, out=out, to=to, write=True) as ends:
        request = RunRequest(
            source=ends.source,
            sink=ends.sink,
            month=identity.service_month,
            as_of=datetime.now(UTC).date(),
            now=lambda: datetime.now(UTC),
            tables=tables,
            configuration=configuration,
            policies=policy_book(tables, configuration),
            software_version=__version__,
            narrowing=Narrowing.of(patients=(identity.patient,)),
            write=False,
        )
        return read_record(request, identity.patient)


def _write(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
    except OSError as error:
        raise WriteError(f"{path} cannot be written ({error.strerror})") from error
