"""An 837P file read by pyx12, which holds its own copy of the guide's structure: checked, and as plain values."""

from __future__ import annotations

import io
import logging
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyx12.error_handler
import pyx12.params
import pyx12.x12context
import pyx12.x12n_document

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def _quiet() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def acknowledgement(data: bytes) -> list[str]:
    """What pyx12 answers: the segments of a 999; ``IK5*A`` for a transaction without an error."""
    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / "file.837"
        path.write_bytes(data)
        answer = io.StringIO()
        pyx12.x12n_document.x12n_document(pyx12.params.params(), str(path), answer, None)
    return answer.getvalue().replace("\n", "").split("~")


def accepted(data: bytes) -> bool:
    """Whether pyx12 finds nothing wrong in any transaction."""
    answer = acknowledgement(data)
    verdicts = [line for line in answer if line.startswith("IK5")]
    return bool(verdicts) and all(line == "IK5*A" for line in verdicts) and any(x.startswith("AK9*A*") for x in answer)


def read_claims(data: bytes) -> list[dict[str, Any]]:
    """The claims of a file, field by field."""
    found: list[dict[str, Any]] = []
    with _quiet():
        reader = pyx12.x12context.X12ContextReader(
            pyx12.params.params(), pyx12.error_handler.errh_null(), io.StringIO(data.decode("ascii"))
        )
        for biller in reader.iter_segments("2000A"):
            if biller.id == "2000A":
                for subscriber in biller.select("2000B"):
                    found += [_claim(biller, subscriber, subscriber, x) for x in subscriber.select("2300")]
                    for patient in subscriber.select("2000C"):
                        found += [_claim(biller, subscriber, patient, x) for x in patient.select("2300")]
    return found


def _claim(biller: Any, subscriber: Any, patient: Any, claim: Any) -> dict[str, Any]:
    own = patient is subscriber
    person = "2010BA" if own else "2010CA"
    rendering = claim.get_value("2310B/NM109")
    return {
        "billing": {
            "name": biller.get_value("2010AA/NM103"),
            "npi": biller.get_value("2010AA/NM109"),
            "tin": biller.get_value("2010AA/REF[EI]02"),
            "taxonomy": biller.get_value("PRV03"),
            "street": biller.get_value("2010AA/N301"),
            "zip": biller.get_value("2010AA/N403"),
        },
        "order": subscriber.get_value("SBR01"),
        "self": subscriber.get_value("SBR02") == "18",
        "group": subscriber.get_value("SBR03"),
        "filing": subscriber.get_value("SBR09"),
        "member_id": subscriber.get_value("2010BA/NM109"),
        "subscriber": _person(subscriber, "2010BA"),
        "payer": (subscriber.get_value("2010BB/NM103"), subscriber.get_value("2010BB/NM109")),
        "relationship": None if own else patient.get_value("PAT01"),
        "patient": _person(patient, person),
        "account": claim.get_value("CLM01"),
        "total": claim.get_value("CLM02"),
        "place": claim.get_value("CLM05-1"),
        "frequency": claim.get_value("CLM05-3"),
        "signed": tuple(claim.get_value(f"CLM0{n}") for n in (6, 8, 9)),
        "assigned": claim.get_value("CLM07"),
        "original": claim.get_value("REF[F8]02"),
        "diagnoses": _codes(claim),
        "rendering": (rendering, claim.get_value("2310B/NM103"), claim.get_value("2310B/PRV03")),
        "facility": claim.get_value("2310C/NM103"),
        "others": [_other(other) for other in claim.select("2320")],
        "lines": [_line(line) for line in claim.select("2400")],
    }


def _other(loop: Any) -> tuple[str | None, ...]:
    keys = ("SBR01", "SBR02", "SBR03", "SBR09", "2330A/NM103", "2330A/NM109", "2330B/NM103", "2330B/NM109")
    return tuple(loop.get_value(key) for key in keys)


def _codes(claim: Any) -> list[tuple[str, str]]:
    codes = [(claim.get_value(f"HI{n:02d}-1"), claim.get_value(f"HI{n:02d}-2")) for n in range(1, 13)]
    return [(qualifier, code) for qualifier, code in codes if code]


def _person(loop: Any, name: str) -> tuple[str | None, ...]:
    keys = ("NM103", "NM104", "NM105", "N301", "N401", "N402", "N403", "DMG02", "DMG03")
    return tuple(loop.get_value(f"{name}/{key}") for key in keys)


def _line(line: Any) -> dict[str, Any]:
    return {
        "code": line.get_value("SV101-2"),
        "modifiers": [x for n in range(3, 7) if (x := line.get_value(f"SV101-{n}"))],
        "charge": line.get_value("SV102"),
        "units": line.get_value("SV104"),
        "place": line.get_value("SV105"),
        "pointers": [int(x) for n in range(1, 5) if (x := line.get_value(f"SV107-{n}"))],
        "days": (line.get_value("DTP02"), line.get_value("DTP03")),
        "control": line.get_value("REF[6R]02"),
    }
