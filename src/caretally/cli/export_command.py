"""``caretally export``: released claims as forms, files for a clearinghouse, and tables."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from caretally.cli.configuration import read_configuration
from caretally.cli.endpoints import endpoints, is_address
from caretally.cli.explain_command import where_to_look
from caretally.cli.failure import end_badly, error_document
from caretally.cli.places import source_of
from caretally.errors import SourceError, UsageError
from caretally.reports.claim_837p import NOT_CERTIFIED
from caretally.reports.wording import count, money
from caretally.store.opening import STORE_FILE, open_existing_store, open_store, store_target
from caretally.sync.deciding import default_policy
from caretally.sync.exporting import FORMATS, ExportRequest, export_claims
from caretally.sync.store_place import store_of
from caretally.tables import policy_book, sites, tables_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from caretally.cli.options import Settings
    from caretally.cli.output import Output
    from caretally.store.opening import Store
    from caretally.sync.exporting import Exported
    from caretally.sync.pulling import Narrowing
    from caretally.sync.writes import Sink
    from caretally.tables import Configuration

_SHOWN = 20


def run_export(
    settings: Settings,
    *,
    form: str,
    where: str | None,
    source: str | None,
    out: str,
    months: Sequence[str],
    narrowing: Narrowing,
    drafts: bool,
    again: bool,
    strict: bool,
) -> None:
    """Export claims and say what was made and what was left out.

    Raises:
        UsageError: no such format or place.
        ConfigurationError, SourceError, WriteError: as `export_claims`.
    """
    if form not in FORMATS:
        raise UsageError(f"--format '{form}' is not known; wanted one of {', '.join(FORMATS)}")
    configuration = read_configuration(settings)
    tables = tables_for(configuration)
    book = policy_book(tables, configuration)
    place = where or _last_place(settings)
    if not is_address(place) and not Path(place).expanduser().is_dir():
        raise UsageError(f"'{place}' is no folder and no web address; wanted is what apply wrote to")
    read_from = source or _source_of(place)
    folder, server = (None, place) if is_address(place) else (place, None)
    zone = default_policy(book, sites(configuration)).time_zone
    with endpoints(configuration, tables, source=read_from, out=folder, to=server, write=True) as ends:
        if ends.sink is None:
            raise UsageError(f"'{place}' cannot be read")
        sink = ends.sink
        done = export_claims(
            ExportRequest(
                form=form,
                place=sink,
                sources=(ends.source, sink) if read_from != place else (sink,),
                folder=Path(out).expanduser(),
                open_store=lambda: _store(sink, configuration),
                tables=tables,
                configuration=configuration,
                policies=book,
                now=lambda: datetime.now(zone),
                months=frozenset(months),
                narrowing=narrowing,
                drafts=drafts,
                again=again,
                strict=strict,
            )
        )
    _say(settings.output, done, place, strict=strict)


@contextmanager
def _store(sink: Sink, configuration: Configuration) -> Iterator[Store]:
    location, binding = store_of(sink, named=configuration.store_url, tenant=configuration.writeback.tenant)
    opened_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    with open_store(location, binding=binding, opened_at=opened_at) as store:
        yield store


def _last_place(settings: Settings) -> str:
    """Return the folder or server that the store in question belongs to."""
    location, origin = where_to_look(settings)
    folder = Path(location).expanduser()
    if "://" not in location and folder.name == STORE_FILE:
        folder = folder.parent
    file = location if "://" in location else str(folder / STORE_FILE)
    with open_existing_store(file) as store:
        target = store_target(store)
    kind, _, place = target.partition(":")
    found = str(folder) if (kind, place) == ("folder", ".") else place
    settings.output.note(f"from {found} ({origin})")
    return found


def _source_of(place: str) -> str:
    """Return where the evidence of a place was read; a folder that does not say has to hold the people itself."""
    try:
        return source_of(place)
    except UsageError:
        return place


def _say(output: Output, done: Exported, place: str, *, strict: bool) -> None:
    error = None
    if strict and done.incomplete:
        error = SourceError(
            f"{count(len(done.incomplete), 'claim')} in {place} cannot be exported for what is missing, and --strict "
            "was given: nothing was written"
        )
    output.document({**done.to_json(), **({"error": error_document(error)} if error is not None else {})})
    for name in done.files:
        output.text(name)
    lines = sum(len(claim.lines) for claim in done.claims)
    drafts = sum(claim.state == "draft" for claim in done.claims)
    said = f"{count(len(done.claims), 'claim')}, {count(lines, 'line')}, {money(done.total)}"
    output.text(f"{said}; {drafts} of them drafts that nobody has released" if drafts else said)
    if done.control_number is not None:
        usage = "production" if done.production else "test"
        output.text(f"control number {done.control_number:09d}, usage {usage}; {NOT_CERTIFIED}")
    for one in done.left_out[:_SHOWN]:
        output.text(f"left out: {one.claim.reference} of {one.claim.patient_reference}: {one.why}")
        for check in one.checks:
            output.text(f"    {check.id}  {check.rule.message} ({check.where}: {check.found})")
            output.text(f"        {check.rule.who}: {check.rule.fix}")
    if len(done.left_out) > _SHOWN:
        output.text(f"and {len(done.left_out) - _SHOWN} more left out; all of them with --json")
    if done.unreleased:
        hint = "a production file never holds drafts" if done.production else "--include-drafts shows them"
        output.text(f"not released yet: {count(done.unreleased, 'draft')} ({hint})")
    if done.advice:
        output.text("advice: " + ", ".join(f"{code} {number}" for code, number in sorted(done.advice.items())))
    if error is not None:
        end_badly(error)
