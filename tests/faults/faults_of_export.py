"""Faults of a Bulk Data export."""

from __future__ import annotations

from tests.faults import spoiling as do
from tests.faults.fault import Ended, Fault, Survived, always, once
from tests.faults.faults_elsewhere import elsewhere

FILE = r"^GET /fhir/jobs/\w+/Encounter"
STATUS = r"^GET /fhir/jobs/\w+$"
KICK_OFF = r"^GET /fhir/Patient/\$export"

OF_EXPORT: tuple[Fault, ...] = (
    Fault(
        name="export-busy",
        group="export",
        what="429 with `Retry-After: 2` while the export is waited for",
        script=once(do.wait_seconds(429, 2), STATUS),
        outcome=Survived(),
        by="export",
    ),
    Fault(
        name="export-file-cut",
        group="export",
        what="the connection is reset in the middle of a file",
        script=once(do.cut_in_the_middle(reset=True), FILE),
        outcome=Survived(),
        by="export",
    ),
    Fault(
        name="export-file-short",
        group="export",
        what="a file with half of its lines",
        script=once(do.half_of_the_lines, FILE),
        outcome=Survived(),
        by="export",
    ),
    Fault(
        name="export-file-gone",
        group="export",
        what="410 for a file: the export has expired",
        script=once(do.refuses(410), FILE),
        outcome=Survived(),
        by="export",
    ),
    Fault(
        name="export-file-elsewhere",
        group="export",
        what="the manifest names a file on another server, for which the token is wanted",
        script=always(do.files_at(elsewhere), STATUS),
        outcome=Ended("ForeignAddressError", 4, "the export names a file at"),
        by="export",
        heals=True,
    ),
    Fault(
        name="export-file-redirected",
        group="export",
        what="302 to another server for a file",
        script=always(do.redirects(elsewhere), FILE),
        outcome=Ended("RedirectRefusedError", 4, "redirects are never followed"),
        by="export",
    ),
    Fault(
        name="export-status-elsewhere",
        group="export",
        what="the state of the export is told by another server",
        script=always(do.started_at(elsewhere), KICK_OFF),
        outcome=Ended("ForeignAddressError", 4, "nothing was sent to it"),
        by="export",
    ),
    Fault(
        name="export-bomb",
        group="export",
        what="a file of one line of 1 GB, packed to 1 MB",
        script=always(do.bombs(content_type="application/fhir+ndjson"), FILE),
        outcome=Ended("AnswerTooLargeError", 4, "a line of more than"),
        by="export",
        settings={"max_response_bytes": 64 * do.MEBIBYTE},
        heals=True,
    ),
)
