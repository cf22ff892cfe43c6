"""``caretally outbox``: what was to be written and has not been, with the server's own words."""

from __future__ import annotations

import getpass
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

from caretally.cli.configuration import read_configuration
from caretally.cli.endpoints import endpoints
from caretally.cli.failure import end_badly, error_document
from caretally.errors import UsageError, WriteError
from caretally.reports.wording import count
from caretally.store import outbox
from caretally.store.locking import store_lock
from caretally.store.opening import open_store
from caretally.sync.recovery import settle
from caretally.sync.store_place import store_of
from caretally.tables import tables_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from caretally.cli.options import Settings
    from caretally.facts.calendar import ServiceMonth
    from caretally.store.opening import Store
    from caretally.store.outbox import Intent, Outcome
    from caretally.sync.writes import Sink

SHORT = 8
_SETTLED = frozenset({"found", "finished"})
_STATES = {
    "open": "interrupted",
    "unknown": "not known",
    "waiting": "not sent",
    "refused": "refused",
    "conflict": "changed there",
    "applied": "written",
    "withdrawn": "dropped",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """The folder or server that holds the claims, and its store."""

    sink: Sink
    store: Store


def list_outbox(settings: Settings, *, where: str, month: ServiceMonth | None) -> None:
    """List what has not reached the sink.

    Raises:
        ConfigurationError: the store cannot be used.
    """
    with _place(settings, where) as place:
        rows = outbox.listed_intents(place.store, None if month is None else str(month))
    settings.output.document([_row(intent, said) for intent, said in rows])
    if not rows:
        settings.output.text("everything that was decided has been written")
        return
    table = Table(
        *("ID", "Month", "Patient", "Practitioner", "Change", "State", "Tries", "Since", "Why"),
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for intent, said in rows:
        table.add_row(
            intent.id[:SHORT],
            intent.service_month,
            intent.patient,
            intent.practitioner or "",
            intent.action,
            _STATES[intent.state],
            str(len(said)),
            intent.created_at,
            _message(said),
        )
    settings.output.table(table)
    settings.output.text(
        "apply looks at what is interrupted, not known or not sent, finishes it, and decides the rest anew; to look at "
        f"one: caretally outbox show {where} {rows[0][0].id[:SHORT]}"
    )


def show_intent(settings: Settings, *, where: str, name: str) -> None:
    """Show one intent with every attempt.

    Raises:
        UsageError: there is none of that name.
    """
    with _place(settings, where) as place:
        intent = _named(place.store, name)
        said = outbox.outcomes_of(place.store, intent.id)
    settings.output.document(
        {
            **_row(intent, said),
            "idempotency_key": intent.idempotency_key,
            "run": intent.run_id,
            "source": intent.source,
            "writes": intent.document["writes"],
            "attempts": [{"at": one.at, "state": one.state, **one.document} for one in said],
        }
    )
    by = f", billed by {intent.practitioner}" if intent.practitioner else ""
    settings.output.text(f"{intent.id}: {intent.action} for {intent.patient}, {intent.service_month}{by}")
    settings.output.text(f"state: {_STATES[intent.state]}; decided {intent.created_at} from {intent.source}")
    settings.output.text("to be written:")
    for write in intent.document["writes"]:
        resource = write["resource"]
        over = f" over version {write['expected']}" if write["expected"] else ""
        settings.output.text(f"  {write['kind']} {resource['resourceType']}/{resource['id']}{over}")
    for number, one in enumerate(said, 1):
        settings.output.text(f"attempt {number}, {one.at}: {_STATES[one.state]}: {one.document.get('message', '')}")
        for issue in (one.document.get("outcome") or {}).get("issue", ()):
            place_of = f" ({', '.join(issue['expression'])})" if issue.get("expression") else ""
            settings.output.text(f"  {issue['severity']} {issue['code']}{place_of}: {issue.get('diagnostics', '')}")


def retry_intents(
    settings: Settings, *, where: str, names: Sequence[str], everything: bool, month: ServiceMonth | None
) -> None:
    """Look on the sink, and send again what is missing.

    Raises:
        UsageError: nobody said which; one of them was decided anew since.
        SourceError: the sink cannot be looked at.
        LockedError: a run is on its way.
    """
    if bool(names) == everything:
        raise UsageError("which ones? give their IDs from outbox list, or --all")
    results: list[dict[str, Any]] = []
    with _place(settings, where) as place, _held(place) as hold:
        place.sink.check()
        for intent in _chosen(place.store, names, month):
            hold.check()
            later = outbox.later_intent(place.store, intent)
            if later is not None:
                at, why = _now(), f"decided anew by {later.id[:SHORT]}"
                outbox.add_outcomes(place.store, [_withdrawn(intent, at, why, "")])
                results.append({"id": intent.id, "result": "withdrawn", "message": why})
                continue
            result, delivery = settle(place.store, place.sink, intent, _now)
            results.append({"id": intent.id, "result": result, "message": delivery.message})
    failed = [row for row in results if row["result"] not in {*_SETTLED, "withdrawn"}]
    error = None
    if failed:
        states = ", ".join(f"{n} {state}" for state, n in sorted(Counter(row["result"] for row in failed).items()))
        error = WriteError(
            f"{len(failed)} of {len(results)} could not be written ({states}); see caretally outbox show {where} "
            f"{failed[0]['id'][:SHORT]}"
        )
    document: dict[str, Any] = {"retried": results}
    settings.output.document(document | ({"error": error_document(error)} if error is not None else {}))
    for row in results:
        settings.output.text(
            f"{row['id'][:SHORT]}: {row['result']}" + (f": {row['message']}" if row["message"] else "")
        )
    if error is not None:
        end_badly(error)


def drop_intents(settings: Settings, *, where: str, names: Sequence[str], by: str | None, why: str) -> None:
    """Take intents off the list.

    Raises:
        UsageError: nobody said which, or there is none of that name.
        LockedError: a run is on its way.
    """
    if not names:
        raise UsageError("which ones? give their IDs from outbox list")
    who = by or getpass.getuser()
    with _place(settings, where) as place, _held(place):
        chosen = _chosen(place.store, names, None)
        at = _now()
        outbox.add_outcomes(place.store, [_withdrawn(one, at, why or "dropped by a person", who) for one in chosen])
    settings.output.document({"dropped": [one.id for one in chosen]})
    settings.output.text(
        f"{count(len(chosen), 'change')} dropped. The next apply decides the month anew, and writes what it then wants"
    )


@contextmanager
def _place(settings: Settings, where: str) -> Iterator[_Place]:
    configuration = read_configuration(settings)
    tables = tables_for(configuration)
    web = "://" in where
    with endpoints(
        configuration, tables, source=where, out=None if web else where, to=where if web else None, write=True
    ) as ends:
        if ends.sink is None or (not web and not Path(where).expanduser().is_dir()):
            raise UsageError(f"{where} holds no results: give the folder or server that apply wrote to")
        location, binding = store_of(ends.sink, named=configuration.store_url, tenant=configuration.writeback.tenant)
        if "://" not in location and not Path(location).is_file():
            raise UsageError(f"there is no store at {location}: nothing has been written to {where} from here")
        with open_store(location, binding=binding, opened_at=_now()) as store:
            yield _Place(sink=ends.sink, store=store)


@contextmanager
def _held(place: _Place) -> Iterator[Any]:
    with ExitStack() as held:
        held.enter_context(place.sink.lock())
        yield held.enter_context(store_lock(place.store, place.sink.target))


def _chosen(store: Store, names: Sequence[str], month: ServiceMonth | None) -> list[Intent]:
    if not names:
        return [intent for intent, _ in outbox.listed_intents(store, None if month is None else str(month))]
    chosen = [_named(store, name) for name in names]
    done = [one.id[:SHORT] for one in chosen if one.state in {"applied", "withdrawn"}]
    if done:
        raise UsageError(f"{', '.join(done)} is not on the list any more: written, or withdrawn")
    return chosen


def _named(store: Store, name: str) -> Intent:
    found = outbox.find_intents(store, name)
    if len(found) != 1:
        what = "nothing in the outbox begins with" if not found else f"{len(found)} IDs in the outbox begin with"
        raise UsageError(f"{what} '{name}'; see: caretally outbox list")
    return found[0]


def _row(intent: Intent, said: Sequence[Outcome]) -> dict[str, Any]:
    return {
        "id": intent.id,
        "patient": intent.patient,
        "service_month": intent.service_month,
        "billing_practitioner": intent.practitioner,
        "action": intent.action,
        "state": intent.state,
        "tries": len(said),
        "since": intent.created_at,
        "message": _message(said),
        "outcome": said[-1].document.get("outcome") if said else None,
    }


def _message(said: Sequence[Outcome]) -> str:
    return str(said[-1].document.get("message", "")) if said else "the run ended before the answer was recorded"


def _withdrawn(intent: Intent, at: str, why: str, who: str) -> Outcome:
    return outbox.Outcome(
        intent_id=intent.id, state="withdrawn", at=at, document={"message": why, **({"who": who} if who else {})}
    )


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
