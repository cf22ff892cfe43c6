"""Tries one fault: a run with it, what came of it, and a run after it is gone."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.command import Commands, Ended
from tests.faults.fault import Fault
from tests.faults.front import Front

TOKEN = "canary-token-7f3a"
MONTH = "2025-01"
RESULTS = ("determinations.ndjson", "Claim.ndjson", "ChargeItem.ndjson", "Provenance.ndjson", "issues.ndjson")
IN_FLIGHT = 4
PROVING = bool(os.environ.get("CARETALLY_PROVE"))
SETTINGS: Mapping[str, object] = {
    "timeout_seconds": 10.0,
    "answer_seconds": 20.0,
    "max_response_bytes": 1024 * 1024,
    "max_in_flight": IN_FLIGHT,
    "retry.attempts": 3,
    "retry.wait_budget_seconds": 20.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of a fault.

    Attributes:
        ended: the command.
        error: class name and words of its error; "" where there is none.
        reasons: why something could not be read.
        results: files of the folder, and the facts held of the server, as bytes.
        requests: all of them; `spoilt`: those whose answer the fault spoilt; `pages`: of the spoilt search.
        too_early: before the server wanted any.
        elsewhere: connections to and look-ups of anything but the server.
        tokens_elsewhere: requests elsewhere with the token in them, and requests in plain text to a server with TLS.
        healed: the results after one more run, without the fault; None: there was none.
    """

    ended: Ended
    error: tuple[str, str]
    reasons: tuple[str, ...]
    results: Mapping[str, bytes] = field(repr=False)
    requests: int
    spoilt: int
    pages: int
    too_early: int
    elsewhere: int
    tokens_elsewhere: int
    healed: Mapping[str, bytes] | None = field(default=None, repr=False)
    healed_code: int | None = None


def configuration(front: Front, settings: Mapping[str, object], *, auth: str = "") -> str:
    """The practice's configuration for a server."""
    tables: dict[str, list[str]] = {"server": [], "server.retry": []}
    for name, value in {**SETTINGS, **settings}.items():
        table, _, key = f"server.{name}".rpartition(".")
        tables[table].append(f"{key} = {json.dumps(value)}")
    auth = auth or 'auth = "bearer"\ntoken_env = "CANARY"'
    return "\n".join(
        [
            "[server]",
            f'base_url = "{front.base}"',
            auth,
            *tables["server"],
            "[server.retry]",
            *tables["server.retry"],
            "[site.main]",
            'zone = "America/New_York"',
            'place_of_service = "11"',
            "[writeback]",
            'tenant = "faults"',
        ]
    )


def sync(commands: Commands, front: Front, folder: Path, settings: Mapping[str, object], by: str) -> Ended:
    """``caretally sync`` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "caretally.toml").write_text(configuration(front, settings), encoding="utf-8")
    words = ("sync", front.base, "--config", "caretally.toml", "--month", MONTH, "--out", "out", "--by", by)
    return commands.run(*words, "--json", folder=folder, environment={"CANARY": TOKEN})


def apply(
    commands: Commands, front: Front, folder: Path, settings: Mapping[str, object], patients: Sequence[str], *to: str
) -> Ended:
    """``caretally apply`` for some patients, into a folder unless `to` says otherwise."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "caretally.toml").write_text(configuration(front, settings), encoding="utf-8")
    chosen = [word for name in patients for word in ("--patient", name)]
    words = ("apply", front.base, "--config", "caretally.toml", "--month", MONTH, *chosen, *(to or ("--out", "out")))
    return commands.run(*words, "--json", folder=folder, environment={"CANARY": TOKEN})


def results(folder: Path) -> dict[str, bytes]:
    """The files that a run leaves, and what it holds of the server."""
    out = folder / "out"
    found = {name: (out / name).read_bytes() for name in RESULTS if (out / name).exists()}
    store = out / "caretally.sqlite"
    if store.exists():
        query = "select resource_type, resource_id, patient, body from mirror_resource order by 1, 2"
        with closing(sqlite3.connect(store)) as connection:
            rows = connection.execute(query).fetchall()
        found["facts"] = b"\n".join(f"{row[0]}/{row[1]} {row[2]} ".encode() + row[3] for row in rows)
    return found


def decided(found: Mapping[str, bytes]) -> dict[str, bytes]:
    """The determinations by patient."""
    lines = found.get("determinations.ndjson", b"").splitlines()
    return {json.loads(line)["patient"]: line for line in lines}


def try_fault(fault: Fault, run: Callable[[], Ended], front: Front, other: Front, folder: Path) -> Trial:
    """Run with a fault, and where it did not end well, once more without it."""
    front.begin(fault.script)
    other.begin(())
    ended = run()
    found = results(folder)
    base = f"127.0.0.1 {front.port}"
    where = fault.script[0].where.partition("(?!")[0].partition(".*")[0]
    trial: dict[str, Any] = {
        "ended": ended,
        "error": error_of(ended),
        "reasons": reasons_of(ended),
        "results": found,
        "requests": len(front.seen),
        "spoilt": front.spoilt,
        "pages": pages(front, where),
        "too_early": front.too_early(IN_FLIGHT),
        "elsewhere": other.connections + len(ended.connected - {base}),
        "tokens_elsewhere": sum(TOKEN in f"{one.target}{one.headers}{one.body!r}" for one in other.seen),
    }
    if ended.code != 0 and (fault.heals or PROVING):
        front.begin(())
        again = run()
        trial |= {"healed": results(folder), "healed_code": again.code}
    return Trial(**trial)


def pages(front: Front, where: str) -> int:
    """How often a search was asked for, its later pages included."""
    return sum(re.search(where, one.line) is not None for one in front.seen)


def error_of(ended: Ended) -> tuple[str, str]:
    """The class of the error that a command names, and its words."""
    error = ended.document().get("error")
    return (error["kind"], error["message"]) if error else ("", "")


def reasons_of(ended: Ended) -> tuple[str, ...]:
    """Why something could not be read, as the report of the month says."""
    document = ended.document()
    months = [document["report"]] if "report" in document else document.get("months", ())
    return tuple(one["reason"] for month in months for one in month["incomplete"])
