"""Makes fixtures/upgrade/VERSION: a practice, its results and its store, as this version leaves them behind.

    python scripts/make_upgrade_fixture.py 0.1.0

Run it when a version is released, and never again for that version: tests/store/test_upgrading.py gives the folder to
every later version, which must have nothing to write.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from datetime import UTC, date, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.sync.practices import golden, together, write  # noqa: E402 -- found by the line above

from caretally.billing import Decision  # noqa: E402
from caretally.facts.calendar import ServiceMonth  # noqa: E402
from caretally.sync.planning import Approval  # noqa: E402
from caretally.sync.pulling import Narrowing, types_to_read  # noqa: E402
from caretally.sync.request import RunRequest  # noqa: E402
from caretally.sync.run import run_month  # noqa: E402
from caretally.sync.sinks.folder import FolderSink  # noqa: E402
from caretally.sync.sources.folder import FolderSource  # noqa: E402
from caretally.tables import load_configuration, load_tables, policy_book  # noqa: E402

TWENTY_MINUTES = {"role": "RN", "who": "N1", "date": "2025-01-13", "min": 20}
RELEASED = "Patient/d-pat"


def main(version: str) -> None:
    """Makes the folder of a version anew."""
    folder = ROOT / "fixtures" / "upgrade" / version
    shutil.rmtree(folder, ignore_errors=True)
    practice = together(
        golden("G02", "a-"),
        golden("G25", "b-", month="2025-01"),
        golden("G05", "c-", month="2025-01", entries=[TWENTY_MINUTES]),
        golden("G02", "d-", entries=[TWENTY_MINUTES]),
    )
    write(folder / "source", practice)
    # Results say where they came from: names that are the same on every machine.
    os.chdir(folder)
    source, out = Path("source"), Path("out")
    run(source, out, version, datetime(2025, 2, 10, 9, tzinfo=UTC), approve=False)
    run(source, out, version, datetime(2025, 2, 11, 9, tzinfo=UTC), approve=True)
    store = out / "caretally.sqlite"
    with sqlite3.connect(store) as database:
        Path("store.sql").write_text("\n".join(database.iterdump()) + "\n", encoding="utf-8")
    database.close()
    for left in (*out.glob("caretally.sqlite*"), *out.glob(".caretally*")):
        left.unlink()
    for path in out.iterdir():
        path.chmod(0o644)


def run(source: Path, out: Path, version: str, now: datetime, *, approve: bool) -> None:
    """Runs January 2025; in the second run a person releases one claim."""
    tables = load_tables()
    configuration = load_configuration(None, environment={}, overrides={}, profile=None)
    decision = Decision(by="biller-1", at="2025-02-11T09:00:00Z", reason="looked at")
    approval = Approval(patient=RELEASED, practitioner=None, decision=decision)
    report = run_month(
        RunRequest(
            source=FolderSource(source),
            sink=FolderSink(path=out, resource_types=types_to_read(tables)),
            month=ServiceMonth(2025, 1),
            as_of=date(2025, 2, 10),
            now=lambda: now,
            tables=tables,
            configuration=configuration,
            policies=policy_book(tables, configuration, {"zone": "America/New_York", "other_claims_known": "full"}),
            software_version=version,
            approvals=(approval,) if approve else None,
            narrowing=Narrowing.of(patients=(RELEASED,)) if approve else Narrowing(),
        )
    )
    if report.error() is not None or report.refused_approvals:
        sys.exit(f"make_upgrade_fixture: {report.error()} {report.refused_approvals}")


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004
        sys.exit(__doc__)
    main(sys.argv[1])
