"""Every billable golden case: decided, released, exported in each format, and read back by somebody else."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import orjson
import pyarrow.parquet as pq
import pytest
from pypdf import PdfReader
from tests.reports.expected_837p import comparable, wanted
from tests.reports.reading_837p import accepted, acknowledgement, read_claims
from tests.reports.test_claim_lines import read_back
from tests.reports.test_cms1500 import check_pages
from tests.sync.practices import ROOT, golden, together, write

from caretally.billing.content import CLAIM_FREQUENCY, CLAIM_PROGRESS, CLAIM_WITHDRAWAL, with_extension
from caretally.billing.identity import PAYER_CONTROL_NUMBER
from caretally.errors import ConfigurationError
from caretally.facts import exact_json
from caretally.facts.calendar import ServiceMonth
from caretally.reports.claim_lines import claim_rows
from caretally.reports.cms1500 import cms1500
from caretally.store import open_store
from caretally.sync.exporting import Exported, ExportRequest, export_claims
from caretally.sync.pulling import Narrowing, types_to_read
from caretally.sync.request import RunRequest
from caretally.sync.run import run_month
from caretally.sync.sinks.folder import FolderSink
from caretally.sync.sources.folder import FolderSource
from caretally.sync.store_place import store_of
from caretally.tables import Configuration, load_tables, policy_book

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caretally.store.opening import Store

TABLES = load_tables()
CLEARINGHOUSE = {
    "submitter_name": "Golden Practice",
    "submitter_id": "GOLDSUB",
    "contact_name": "Billing Office",
    "contact_phone": "5185550100",
    "receiver_name": "Golden Clearinghouse",
    "receiver_id": "GOLDRECV",
}
SITE = {"accepts_assignment": True, "signatures_on_file": True, "taxonomy": "207RX0202X"}
NOW = datetime(2025, 8, 10, 9, 30, tzinfo=ZoneInfo("America/New_York"))


def configuration(**more: Any) -> Configuration:
    return Configuration.model_validate(
        {
            "policy": {"other_claims_known": "full"},
            "site": {"main": SITE},
            "writeback": {"release": "automatic"},
            "clearinghouse": CLEARINGHOUSE,
            "payer": {"medicare": {"claim": {"payer_id": "PAYER1"}}},
            **more,
        }
    )


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All golden cases as one practice, every month of it decided and released. Never written to."""
    root = tmp_path_factory.mktemp("released")
    cases = [json.loads(line) for line in (ROOT / "fixtures/golden/cases.jsonl").read_text().splitlines()]
    write(root / "source", together(*(golden(case["id"], f"{case['id'].lower()}-") for case in cases)))
    for month in sorted({case["month"] for case in cases}):
        request = RunRequest(
            source=FolderSource(root / "source"),
            sink=FolderSink(path=root / "out", resource_types=types_to_read(TABLES)),
            month=ServiceMonth.parse(month),
            as_of=date(2026, 6, 10),
            now=lambda: datetime(2026, 6, 10, 9, 0, tzinfo=UTC),
            tables=TABLES,
            configuration=configuration(),
            policies=policy_book(TABLES, configuration()),
            software_version="test",
        )
        report = run_month(request)
        assert report.error() is None
        assert report.claim_checks == {}, report.claim_checks
    return root


@pytest.fixture
def request_for(released: Path, tmp_path: Path) -> Any:
    sink = FolderSink(path=released / "out", resource_types=types_to_read(TABLES))

    def make(form: Any, **more: Any) -> ExportRequest:
        settings: Configuration = more.pop("settings", configuration())

        @contextmanager
        def store() -> Iterator[Store]:
            # A store of the test's own: the others must not see which files it made.
            _, binding = store_of(sink, named=str(tmp_path), tenant="default")
            place = tmp_path / "store.sqlite"
            with open_store(place, binding=binding, opened_at="2025-08-10T13:30:00Z") as opened:
                yield opened

        return ExportRequest(
            form=form,
            place=sink,
            sources=(FolderSource(released / "source"),),
            folder=tmp_path / "export",
            open_store=store,
            tables=TABLES,
            configuration=settings,
            policies=policy_book(TABLES, settings),
            now=lambda: NOW,
            narrowing=more.pop("narrowing", Narrowing()),
            **more,
        )

    return make


def content(done: Exported, number: int = 0) -> bytes:
    return Path(done.files[number]).read_bytes()


def test_every_golden_claim_goes_out_as_837p_and_comes_back(request_for: Any) -> None:
    done = export_claims(request_for("837p"))
    assert done.incomplete == []
    assert len(done.claims) >= 20
    data = content(done)
    assert accepted(data), acknowledgement(data)
    found = {x["account"]: comparable(x) for x in read_claims(data)}
    assert found == {claim.account_number: wanted(claim) for claim in done.claims}
    assert sum(Decimal(x["total"]) for x in found.values()) == done.total


def test_every_golden_claim_stands_on_a_form_as_in_its_json(request_for: Any) -> None:
    done = export_claims(request_for("cms1500"))
    documents = orjson.loads(content(done))
    pages = list(PdfReader(BytesIO(content(done, 1))).pages)
    forms = [cms1500(claim) for claim in done.claims]
    assert documents == [form.to_json() for form in forms]
    assert len(pages) == len(forms)
    for form, page in zip(forms, pages, strict=True):
        assert form.mark == ""
        check_pages(form, [page])


def test_every_golden_line_stands_in_both_tables(request_for: Any) -> None:
    done = export_claims(request_for("csv"))
    rows = list(claim_rows(done.claims))
    assert read_back(content(done)) == rows
    again = export_claims(request_for("parquet"))
    assert pq.read_table(again.files[0]).to_pylist() == rows
    assert {row["status"] for row in rows} == {"released"}


def test_control_numbers_go_up_and_never_come_again(request_for: Any) -> None:
    numbers = [export_claims(request_for("837p")).control_number for _ in range(3)]
    assert numbers == [1, 2, 3]
    other = configuration(clearinghouse={**CLEARINGHOUSE, "receiver_id": "OTHER"})
    assert export_claims(request_for("837p", settings=other)).control_number == 1


def test_a_claim_is_sent_to_production_once(request_for: Any) -> None:
    production = configuration(clearinghouse={**CLEARINGHOUSE, "usage": "production"})
    first = export_claims(request_for("837p", settings=production, narrowing=Narrowing(patients=frozenset())))
    assert b"*0*P*:~" in content(first)
    second = export_claims(request_for("837p", settings=production))
    assert (second.files, second.claims, second.control_number) == ([], [], None)
    assert len(second.left_out) == len(first.claims)
    assert "file 000000001 of 2025-08-10" in second.left_out[0].why
    again = export_claims(request_for("837p", settings=production, again=True))
    assert (again.control_number, len(again.claims)) == (2, len(first.claims))


def test_an_export_can_be_narrowed(request_for: Any) -> None:
    whole = export_claims(request_for("csv"))
    one = whole.claims[0]
    by_patient = export_claims(request_for("csv", narrowing=Narrowing(patients=frozenset({one.patient_reference}))))
    assert {claim.patient_reference for claim in by_patient.claims} == {one.patient_reference}
    by_month = export_claims(request_for("csv", months=frozenset({one.service_month})))
    assert {claim.service_month for claim in by_month.claims} == {one.service_month}
    who = frozenset({one.rendering.reference})
    by_practitioner = export_claims(request_for("csv", narrowing=Narrowing(practitioners=who)))
    assert {claim.rendering.reference for claim in by_practitioner.claims} == who
    nowhere = export_claims(request_for("csv", narrowing=Narrowing(sites=frozenset({"elsewhere"}))))
    assert nowhere.files == []


def test_what_is_missing_is_named_and_the_others_go_out(request_for: Any, tmp_path: Path) -> None:
    request = request_for("837p")
    source = tmp_path / "source"
    source.mkdir()
    for path in request.sources[0].path.glob("*.ndjson"):
        text = path.read_text()
        if path.name == "Patient.ndjson":
            text = text.replace('"birthDate": "1950-03-01", ', "", 1)
        (source / path.name).write_text(text)
    done = export_claims(replace(request, sources=(FolderSource(source),)))
    whole = export_claims(request)
    assert len(done.left_out) == 1
    assert len(done.claims) == len(whole.claims) - len(done.left_out)
    assert [check.id for check in done.left_out[0].checks] == ["K-PATIENT-BIRTH-DATE"]
    strict = export_claims(replace(request, sources=(FolderSource(source),), strict=True))
    assert (strict.files, len(strict.left_out)) == ([], len(done.left_out))


def as_it_may_stand(claims: list[dict[str, Any]], folder: Path) -> FolderSink:
    """A folder with a draft, a claim that the payer has, one that was voided and one that was taken back."""
    draft, sent, void, gone, *rest = claims
    draft["status"] = "draft"
    void["identifier"].append({"system": PAYER_CONTROL_NUMBER, "value": "ICN1"})
    changed = [
        draft,
        with_extension(sent, CLAIM_PROGRESS, valueCode="sent"),
        with_extension(with_extension(void, CLAIM_WITHDRAWAL, valueCode="voided"), CLAIM_FREQUENCY, valueCode="8")
        | {"status": "cancelled"},
        with_extension(gone, CLAIM_WITHDRAWAL, valueCode="superseded") | {"status": "cancelled"},
    ]
    foreign = {"resourceType": "Claim", "id": "foreign", "status": "active", "patient": rest[0]["patient"]}
    folder.mkdir()
    lines = [exact_json.dumps(one) for one in (*changed, *rest, foreign)]
    (folder / "Claim.ndjson").write_bytes(b"\n".join(lines) + b"\n")
    return FolderSink(path=folder, resource_types=types_to_read(TABLES))


def test_what_goes_out_is_what_is_released_and_voids_that_the_payer_is_told(
    request_for: Any, released: Path, tmp_path: Path
) -> None:
    text = (released / "out/Claim.ndjson").read_bytes()
    claims = [exact_json.loads(one) for one in text.splitlines()]
    live = [one for one in claims if one["status"] == "active"]
    place = as_it_may_stand(live, tmp_path / "place")
    number = len(live)

    table = export_claims(replace(request_for("csv"), place=place))
    assert (len(table.claims), table.unreleased) == (number - 3, 1)
    form = export_claims(replace(request_for("cms1500"), place=place))
    assert len(form.claims) == number - 2
    assert sum(one.state == "void" for one in form.claims) == 1
    file = export_claims(replace(request_for("837p"), place=place))
    assert (len(file.claims), [one.why for one in file.left_out]) == (number - 3, ["the payer has it (sent)"])
    data = content(file)
    assert accepted(data), acknowledgement(data)
    (void,) = [one for one in read_claims(data) if one["frequency"] == "8"]
    assert void["original"] == "ICN1"
    assert file.total == table.total - sum((c.total or Decimal(0)) for c in table.claims if c not in file.claims)

    drafts = export_claims(replace(request_for("837p"), place=place, drafts=True, again=True))
    assert drafts.files[0].endswith("-drafts.x12")
    assert sum(one.state == "draft" for one in drafts.claims) == 1
    assert len(drafts.claims) == number - 1
    production = configuration(clearinghouse={**CLEARINGHOUSE, "usage": "production"})
    sure = export_claims(replace(request_for("837p", settings=production), place=place, drafts=True))
    assert (sure.unreleased, [one for one in sure.claims if one.state == "draft"]) == (1, [])


def test_a_table_holds_what_is_on_file_whatever_a_payer_would_say(request_for: Any) -> None:
    whole = export_claims(request_for("csv"))
    done = export_claims(replace(request_for("csv"), sources=()))
    assert (len(done.claims), done.total, done.left_out) == (len(whole.claims), whole.total, [])
    assert {row["patient_family"] for row in read_back(content(done))} == {None}
    assert export_claims(replace(request_for("parquet"), sources=())).files


def test_without_people_no_form_can_be_made(request_for: Any) -> None:
    done = export_claims(replace(request_for("cms1500"), sources=()))
    assert done.files == []
    assert {check.id for one in done.left_out for check in one.checks} >= {"K-PATIENT-NAME", "K-RENDERING-NAME"}


def test_a_file_needs_a_sender_and_a_receiver(request_for: Any) -> None:
    with pytest.raises(ConfigurationError, match="submitter_id, contact_name"):
        export_claims(request_for("837p", settings=configuration(clearinghouse={"submitter_name": "x"})))
