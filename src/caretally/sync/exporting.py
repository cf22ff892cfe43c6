"""Exports: released claims as forms, files for a clearinghouse, and tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson

from caretally.billing import ClaimReader, check_claim
from caretally.billing.content import PAYER_HAS_IT, state_of
from caretally.errors import ConfigurationError, WriteError
from caretally.facts.practice import Practice
from caretally.reports.claim_837p import NOT_CERTIFIED, Trading, claims_837p
from caretally.reports.claim_lines import claim_rows, lines_csv, lines_parquet
from caretally.reports.cms1500 import cms1500
from caretally.reports.cms1500_pdf import cms1500_pdf
from caretally.store.interchanges import Route, Submission, new_interchange, submitted_before
from caretally.sync.claims_on_file import claims_on_file, parties_of
from caretally.sync.sinks.ndjson import replaced
from caretally.tables import sites

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path

    from caretally.billing import ProfessionalClaim
    from caretally.facts.claim_check import ExportFormat, FailedCheck
    from caretally.facts.policy import PolicyBook
    from caretally.store.opening import Store
    from caretally.sync.pulling import Narrowing, Source
    from caretally.sync.writes import Sink
    from caretally.tables import Configuration, Tables

FORMATS: tuple[ExportFormat, ...] = ("cms1500", "837p", "csv", "parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What is exported, from where, to where.

    Attributes:
        place: holds the claims.
        sources: hold the people whom claims name; asked in order.
        folder: where files go; made where it is missing.
        open_store: opens the store of the place, for the control numbers of 837P files.
        months: ``2025-01``; empty: all.
        narrowing: patients, practitioners who rendered, sites; groups are not looked at.
        drafts: also claims that nobody has released, clearly marked; never in an 837P for production.
        again: also claims that the payer has, or that an earlier production file holds.
        strict: write nothing when a claim is left out for what it lacks.
    """

    form: ExportFormat
    place: Sink
    sources: tuple[Source | Sink, ...]
    folder: Path
    open_store: Callable[[], AbstractContextManager[Store]]
    tables: Tables
    configuration: Configuration
    policies: PolicyBook
    now: Callable[[], datetime]
    """A moment with the practice's zone."""
    months: frozenset[str] = frozenset()
    narrowing: Narrowing
    drafts: bool = False
    again: bool = False
    strict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A claim that is not in the export, and why."""

    claim: ProfessionalClaim
    why: str
    checks: tuple[FailedCheck, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the row of the command's JSON."""
        return {
            "claim": self.claim.reference,
            "patient": self.claim.patient_reference,
            "service_month": self.claim.service_month,
            "why": self.why,
            "checks": [check.to_json() for check in self.checks],
        }


@dataclass(slots=True, kw_only=True)
class Exported:
    """What an export made."""

    form: ExportFormat
    files: list[str] = field(default_factory=list)
    claims: list[ProfessionalClaim] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    advice: dict[str, int] = field(default_factory=dict)
    """Checks that stop nothing, and how many exported claims did not pass each."""
    unreleased: int = 0
    """Drafts that were not asked for."""
    control_number: int | None = None
    production: bool = False

    @property
    def total(self) -> Decimal:
        """Return the sum of all charges; voids ask for nothing."""
        return sum((c.total for c in self.claims if c.total is not None and c.state != "void"), Decimal("0.00"))

    @property
    def incomplete(self) -> list[LeftOut]:
        """Return the claims that are left out for what they lack."""
        return [one for one in self.left_out if one.checks]

    def to_json(self) -> dict[str, Any]:
        """Return the command's JSON; amounts are decimal strings."""
        return {
            "format": self.form,
            "files": self.files,
            "claims": len(self.claims),
            "drafts": sum(claim.state == "draft" for claim in self.claims),
            "lines": sum(len(claim.lines) for claim in self.claims),
            "total": str(self.total),
            "exported": [claim.reference for claim in self.claims],
            "left_out": [one.to_json() for one in self.left_out],
            "unreleased": self.unreleased,
            "advice": self.advice,
            "control_number": self.control_number,
            "usage": ("production" if self.production else "test") if self.form == "837p" else None,
            "note": NOT_CERTIFIED if self.form == "837p" else None,
        }


def export_claims(request: ExportRequest) -> Exported:
    """Export claims.

    Returns:
        What was made and what was left out; no file where no claim is left.

    Raises:
        ConfigurationError: ``[clearinghouse]`` lacks something that an 837P needs, or pyarrow is not installed.
        SourceError: claims or people cannot be read.
        WriteError: the folder cannot be written.
    """
    trading = trading_of(request.configuration) if request.form == "837p" else None
    done = Exported(form=request.form, production=trading is not None and trading.production)
    ready = list(_ready(request, done))
    if trading is not None and trading.production and not request.again:
        ready = _not_sent_before(request, trading, ready, done)
    if not ready or (request.strict and done.incomplete):
        return done
    done.claims = ready
    try:
        request.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise WriteError(f"the folder {request.folder} cannot be made ({error.strerror})") from error
    for name, data in _built(request, trading, ready, done):
        with replaced(request.folder / name) as stream:
            stream.write(data)
        done.files.append(str(request.folder / name))
    return done


def trading_of(configuration: Configuration) -> Trading:
    """Return who sends and receives 837P files.

    Raises:
        ConfigurationError: names the keys of ``[clearinghouse]`` that are missing.
    """
    table = configuration.clearinghouse
    wanted = ("submitter_name", "submitter_id", "contact_name", "contact_phone", "receiver_name", "receiver_id")
    missing = [key for key in wanted if getattr(table, key) is None]
    if missing:
        raise ConfigurationError(
            f"[clearinghouse] {', '.join(missing)}: missing, and an 837P file cannot be made without; the "
            "clearinghouse gives these values when the practice enrols"
        )
    return Trading(
        submitter_name=str(table.submitter_name),
        submitter_id=str(table.submitter_id),
        submitter_qualifier=table.submitter_qualifier,
        contact_name=str(table.contact_name),
        contact_phone=str(table.contact_phone),
        contact_email=table.contact_email,
        receiver_name=str(table.receiver_name),
        receiver_id=str(table.receiver_id),
        receiver_qualifier=table.receiver_qualifier,
        production=table.usage == "production",
    )


def _ready(request: ExportRequest, done: Exported) -> Iterator[ProfessionalClaim]:
    """Give the claims that were asked for and lack nothing that this format needs."""
    chosen = [one for one in claims_on_file(request.place, request.narrowing.patients) if _in_months(one, request)]
    parties = parties_of(chosen, request.sources)
    practice = _practice(request)
    for resource in sorted(chosen, key=lambda one: str(one.get("id"))):
        claim = practice.read(resource, parties.get)
        if not _asked_for(claim, request):
            continue
        if claim.state == "draft" and not (request.drafts and not done.production):
            done.unreleased += 1
            continue
        if claim.state == "taken-back" or (claim.state == "void" and request.form in {"csv", "parquet"}):
            continue
        if request.form == "837p" and not request.again and state_of(resource) in PAYER_HAS_IT:
            done.left_out.append(LeftOut(claim=claim, why=f"the payer has it ({state_of(resource)})"))
            continue
        outcome = check_claim(claim, request.tables.claim_checks)
        stopping = outcome.stopping(request.form)
        if stopping:
            done.left_out.append(LeftOut(claim=claim, why="it lacks something", checks=stopping))
            continue
        for check in {one.id for one in outcome.failed if one.rule.stops == "nothing"}:
            done.advice[check] = done.advice.get(check, 0) + 1
        yield claim


def _practice(request: ExportRequest) -> ClaimReader:
    return ClaimReader(request.policies, Practice(sites=sites(request.configuration)))


def _in_months(claim: Mapping[str, Any], request: ExportRequest) -> bool:
    period = claim.get("billablePeriod")
    start = str(period.get("start")) if isinstance(period, dict) else ""
    return not request.months or start[:7] in request.months


def _asked_for(claim: ProfessionalClaim, request: ExportRequest) -> bool:
    narrowing = request.narrowing
    if not narrowing.by_practitioner:
        return True
    return claim.rendering.reference in narrowing.practitioners or claim.site in narrowing.sites


def _not_sent_before(
    request: ExportRequest, trading: Trading, ready: Sequence[ProfessionalClaim], done: Exported
) -> list[ProfessionalClaim]:
    with request.open_store() as store:
        before = submitted_before(store, _route(trading), [_submission(claim) for claim in ready])
    kept = []
    for claim in ready:
        earlier = before.get(_submission(claim))
        if earlier is None:
            kept.append(claim)
            continue
        why = f"it is in file {earlier.control_number:09d} of {earlier.made_at[:10]}; --again sends it once more"
        done.left_out.append(LeftOut(claim=claim, why=why))
    return kept


def _built(
    request: ExportRequest, trading: Trading | None, claims: Sequence[ProfessionalClaim], done: Exported
) -> Iterator[tuple[str, bytes]]:
    if trading is not None:
        now = request.now()
        with request.open_store() as store:
            made = new_interchange(
                store,
                _route(trading),
                production=trading.production,
                made_at=now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                claims=[_submission(claim) for claim in claims],
            )
        done.control_number = made.control_number
        data = claims_837p(claims, trading, control_number=made.control_number, at=now)
        mark = "-drafts" if any(claim.state == "draft" for claim in claims) else ""
        yield f"837p-{made.control_number:09d}{mark}.x12", data
    elif request.form == "cms1500":
        forms = [cms1500(claim) for claim in claims]
        yield "cms1500.json", orjson.dumps([form.to_json() for form in forms], option=orjson.OPT_INDENT_2) + b"\n"
        yield "cms1500.pdf", cms1500_pdf(forms)
    elif request.form == "csv":
        yield "claim-lines.csv", lines_csv(claim_rows(claims))
    else:
        yield "claim-lines.parquet", lines_parquet(list(claim_rows(claims)))


def _route(trading: Trading) -> Route:
    sender = f"{trading.submitter_qualifier}:{trading.submitter_id}"
    return Route(sender=sender, receiver=f"{trading.receiver_qualifier}:{trading.receiver_id}")


def _submission(claim: ProfessionalClaim) -> Submission:
    return Submission(account_number=claim.account_number, frequency=claim.frequency)
