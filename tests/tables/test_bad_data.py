"""Every kind of mistake in a data file ends with a message that names file, row and key."""

from __future__ import annotations

import json
import shutil
from datetime import date
from typing import TYPE_CHECKING

import pytest

from caretally.errors import ConfigurationError, TableError
from caretally.tables import load_tables

if TYPE_CHECKING:
    from pathlib import Path

MISTAKES = {
    "float": (
        "services/2025.toml",
        'rvu_non_facility = "1.87"',
        "rvu_non_facility = 1.87",
        ['code[1] "99490", rvu_non_facility, line 16', "found 1.87", 'written as a string, for example "1.87"'],
    ),
    "comma": ("services/2025.toml", '"1.87"', '"1,87"', ["found '1,87'", "write a point, not a comma"]),
    "zero rate": ("services/2025.toml", '"1.87"', '"0.00"', ['code[1] "99490"', "leave an unknown rate out"]),
    "misspelt key": (
        "services/2025.toml",
        "rvu_facility =",
        "rvu_facilty =",
        ["rvu_facilty", "unknown key", "did you mean rvu_facility?"],
    ),
    "value of a list": (
        "services/2025.toml",
        '"confirmed"',
        '"confirm"',
        ["rate_status", "found 'confirm'", "wanted one of confirmed, secondary, missing", "did you mean confirmed?"],
    ),
    "rate without status": (
        "services/2025.toml",
        'rate_status = "confirmed"',
        'rate_status = "missing"',
        ['code[1] "99490"', "rate_status is missing, but the row has a rate"],
    ),
    "missing key": (
        "services/2025.toml",
        'label = "CCM by staff, first 20 minutes"\n',
        "",
        ['code[1] "99490", label', "is missing"],
    ),
    "wrong type": (
        "services/2025.toml",
        "valid_from = 2025-01-01",
        'valid_from = "2025-01-01"',
        ["conversion_factor[1].valid_from, line 9", "without quotes"],
    ),
    "code of no form": ("services/2025.toml", '"99490"', '"9949"', ["found '9949'", "a CPT or HCPCS code such as"]),
    "end before start": (
        "services/2024.toml",
        "valid_to = 2024-03-08",
        "valid_to = 2023-03-08",
        ["conversion_factor[1]", "valid_to 2023-03-08 lies before valid_from 2024-01-01"],
    ),
    "overlapping factors": (
        "services/2024.toml",
        "valid_to = 2024-03-08",
        "valid_to = 2024-03-20",
        ["the conversion factor has two rows for 2024-03-09", "end the first"],
    ),
    "overlapping codes": (
        "services/2025.toml",
        'code = "99439"',
        'code = "99490"',
        ["code 99490 has two rows for 2025-01-01"],
    ),
    "outside the year": (
        "services/2025.toml",
        'rate_status = "confirmed"',
        'rate_status = "confirmed"\nvalid_to = 2026-03-01',
        ['code "99490"', "outside the file's year 2025"],
    ),
    "wrong year": ("services/2025.toml", "year = 2025", "year = 2024", ["found 2024, but the file is named 2025.toml"]),
    "parts that do not add up": (
        "services/2025.toml",
        'parts = { work = "1.00"',
        'parts = { work = "1.01"',
        ['code[1] "99490"', "the parts add up to 1.88, but rvu_non_facility is 1.87"],
    ),
    "part left out": (
        "services/2025.toml",
        'parts = { work = "1.00", pe_non_facility = "0.81", pe_facility = "0.42", mp = "0.06" }',
        'parts = { work = "1.00", pe_non_facility = "0.81", pe_facility = "0.42" }',
        ['code[1] "99490", parts.mp', "is missing"],
    ),
    "two factors of payment models": (
        "services/2026.toml",
        "valid_to = 2026-12-31",
        "valid_to = 2026-12-31\nqualifying_apm = true",
        ["the conversion factor of payment models has two rows for 2026-01-01"],
    ),
    "index with a comma": (
        "services/localities.toml",
        'work = "1.008"',
        'work = "1,008"',
        ['locality[1] "04112-01", work', "found '1,008'", "write a point, not a comma"],
    ),
    "index in percent": (
        "services/localities.toml",
        'pe = "1.053"',
        'pe = "105.3"',
        ['locality[1] "04112-01"', "pe is 105.3, wanted an index from 0.1 to 5"],
    ),
    "locality of no form": (
        "services/localities.toml",
        'code = "04112-01"',
        'code = "CO-01"',
        ["found 'CO-01'", "wanted contractor and locality as CMS numbers them"],
    ),
    "dates of a locality overlap": (
        "services/localities.toml",
        "valid_to = 2025-12-31",
        "valid_to = 2026-01-01",
        ["locality 04112-01 has two rows for 2026-01-01"],
    ),
    "locality without a date": (
        "services/localities.toml",
        "valid_from = 2024-01-01\n",
        "",
        ['locality[1] "04112-01"', "valid_from is missing; indices change every year"],
    ),
    "code that no year ever had": (
        "services/programmes.toml",
        'add_on = "99439"',
        'add_on = "9943"',
        ['family[2] "ccm-staff", add_on', "found '9943'", "a CPT or HCPCS code such as"],
    ),
    "family without a base": (
        "services/programmes.toml",
        'base = "99490"\n',
        "",
        ['family[2] "ccm-staff", base', "is missing"],
    ),
    "add-on without minutes": (
        "services/programmes.toml",
        "add_on_minutes = 20\n",
        "",
        ['family[2] "ccm-staff"', "add_on 99439 without add_on_minutes"],
    ),
    "cap of nothing": (
        "services/programmes.toml",
        "add_on_cap = 10",
        "add_on_cap = 0",
        ['family[1] "cccm-staff", add_on_cap', "found 0, wanted 1 or more"],
    ),
    "minutes in words": (
        "services/programmes.toml",
        "base_minutes = 60",
        'base_minutes = "60"',
        ['family[1] "cccm-staff", base_minutes', "found '60'", "wanted a whole number"],
    ),
    "requirement twice": (
        "practice-requirements.toml",
        'id = "timely-follow-up"',
        'id = "access-24-7"',
        ['requirement "access-24-7"', "stands there twice"],
    ),
    "requirement of no list": (
        "practice-requirements.toml",
        'list = "omh"',
        'list = "om"',
        ["requirement[8]", "list", "found 'om'"],
    ),
    "check without function": (
        "pre-submission.toml",
        'id = "one-family"',
        'id = "one-famly"',
        ['check "one-famly"', "unknown check", "one-family"],
    ),
    "check twice": (
        "pre-submission.toml",
        'id = "one-family"',
        'id = "one-clinician"',
        ['check "one-clinician"', "stands there twice"],
    ),
    "a denial in words": (
        "pre-submission.toml",
        'carc = ["CO-29"]',
        'carc = ["late"]',
        ["carc[1]", "found 'late'", "such as CO-29"],
    ),
    "a warning without notice": (
        "pre-submission.toml",
        'notice = "W-TIMELY-FILING"\n',
        "",
        ["a check that warns names its notice"],
    ),
    "coinsurance in percent": (
        "payments.toml",
        'rate = "0.20"',
        'rate = "20"',
        ["coinsurance[1]", "no part of the amount"],
    ),
    "two oncology payments at once": (
        "payments.toml",
        "valid_to = 2024-12-31",
        "valid_to = 2025-01-01",
        ["the oncology payment has two rows for 2025-01-01"],
    ),
    "family twice": (
        "services/programmes.toml",
        'name = "ccm-staff"',
        'name = "cccm-staff"',
        ['family "cccm-staff"', "stands there twice"],
    ),
    "programme twice": (
        "services/programmes.toml",
        '[[programme]]\nname = "pcm"',
        (
            '[[programme]]\nname = "ccm"\nlabel = "x"\ngates = []\n'
            'families = ["ccm-staff", "cccm-staff", "ccm-physician"]\n'
            'conditions_needed = 2\nmonths_needed = 12\nsource = "x"\n\n[[programme]]\nname = "pcm"'
        ),
        ['programme "ccm"', "stands there twice"],
    ),
    "programme of a family": (
        "services/programmes.toml",
        'name = "ccm-staff"\nprogramme = "ccm"',
        'name = "ccm-staff"\nprogramme = "ccn"',
        ['family "ccm-staff", programme', "unknown programme 'ccn'", "did you mean ccm?"],
    ),
    "exclusive with nothing": (
        "services/programmes.toml",
        'exclusive_with = ["pcm"]',
        'exclusive_with = ["pmc"]',
        ['programme "ccm", exclusive_with', "unknown programme 'pmc'", "did you mean pcm?"],
    ),
    "unknown family gate": (
        "services/programmes.toml",
        'gates = ["decision-making"]',
        'gates = ["decision-making", "consents"]',
        ['family "cccm-staff", gates', "unknown gate 'consents'"],
    ),
    "place of service": (
        "services/programmes.toml",
        'blocked = ["21"',
        'blocked = ["2"',
        ["place_of_service.blocked[1]", "found '2'", "a place of service of two digits"],
    ),
    "row without a source": (
        "services/conflicts.toml",
        'source = "AAPC Home Care Week [F31] (point D9)"\n',
        "",
        ['conflict[2] "cpo", source', "is missing"],
    ),
    "conflict twice": (
        "services/conflicts.toml",
        'name = "cpo"',
        'name = "esrd"',
        ['conflict "esrd"', "stands there twice"],
    ),
    "scope of nobody": (
        "services/conflicts.toml",
        'scope = "same_group"',
        'scope = "group"',
        ["scope", "found 'group'", "wanted one of same_practitioner, same_group, any"],
    ),
    "conflict with an unknown programme": (
        "services/conflicts.toml",
        'programmes = ["pcm"]',
        'programmes = ["pmc"]',
        ['conflict "bhi", programmes', "unknown programme 'pmc'", "did you mean pcm?"],
    ),
    "switch without its value": (
        "services/conflicts.toml",
        'enabled_value = "block"\n',
        "",
        ['conflict[6] "bhi"', "enabled_switch and enabled_value belong together"],
    ),
    "reason left out": (
        "reasons.toml",
        '[[reason]]\ncode = "R-COND-RISK"',
        '[[reason]]\ncode = "R-COND-COUNT"',
        ['reason "R-COND-COUNT"', "twice"],
    ),
    "reason without a citation": (
        "reasons.toml",
        'cite = "ASCO guide, January 2025, Time Requirements; AAFP 2015 [F28]"\n',
        "",
        ['reason[1] "R-TIME-MIN", cite', "is missing"],
    ),
    "switch of a wrong type": (
        "payers/medicare.toml",
        "consent_per_programme = true",
        'consent_per_programme = "yes"',
        ["policy.consent_per_programme", "found 'yes'", "wanted true or false"],
    ),
    "cap below one": (
        "payers/medicare.toml",
        "[policy.caps]",
        "[policy.caps]\n99439 = 0",
        ["policy.caps.99439", "found 0, wanted 1 or more"],
    ),
    "days in words": (
        "payers/medicare.toml",
        "close_grace_days = 3",
        'close_grace_days = "three"',
        ["policy.close_grace_days", "found 'three'", "wanted a whole number"],
    ),
    "zone that does not exist": (
        "payers/medicare.toml",
        'zone = "America/New_York"',
        'zone = "America/New_Yorck"',
        ["policy.zone", "'America/New_Yorck' is not an IANA time zone"],
    ),
    "no TOML": ("services/2025.toml", "[[code]]", "[[code]", ["not valid TOML", "line 13"]),
    "unknown gate": (
        "services/programmes.toml",
        '"initiating-visit"',
        '"initiating-vist"',
        ['programme "ccm", gates', "unknown gate 'initiating-vist'", "did you mean initiating-visit?"],
    ),
    "cap without a code": (
        "services/programmes.toml",
        'add_on = "99489"\n',
        "",
        ['family[1] "cccm-staff"', "add_on_cap or add_on_minutes without add_on"],
    ),
    "code without a row": (
        "services/programmes.toml",
        'base = "99487"',
        'base = "99486"',
        ['family "cccm-staff"', "code 99486 has no row in any year file"],
    ),
    "code of two families": (
        "services/programmes.toml",
        'base = "99491"',
        'base = "99490"',
        ["code 99490 belongs to family ccm-staff already"],
    ),
    "unknown family": (
        "services/programmes.toml",
        '"cccm-staff", "ccm-staff"',
        '"cccm-staf", "ccm-staff"',
        ["unknown family 'cccm-staf'", "did you mean cccm-staff?"],
    ),
    "family left out": (
        "services/programmes.toml",
        '["pcm-staff", "pcm-physician"]',
        '["pcm-staff"]',
        ['programme "pcm"', "disagree about pcm-physician"],
    ),
    "complex without its gate": (
        "services/programmes.toml",
        'gates = ["decision-making"]\n',
        "",
        ["complex = true and the gate decision-making belong together"],
    ),
    "unknown value set": (
        "services/conflicts.toml",
        '"conflict-esrd"',
        '"conflict-esdr"',
        ['conflict "esrd", code_set', "unknown value set 'conflict-esdr'", "did you mean conflict-esrd?"],
    ),
    "unknown switch": (
        "services/conflicts.toml",
        '"conflict_scope.esrd"',
        '"conflict_scope.esdr"',
        ["no switch 'conflict_scope.esdr'", "did you mean conflict_scope.esrd?"],
    ),
    "value that a switch has not": (
        "services/conflicts.toml",
        'enabled_switch = "pcm_bhi"\nenabled_value = "block"',
        'enabled_switch = "pcm_bhi"\nenabled_value = "blok"',
        ['conflict "bhi", enabled_value', "did you mean block?"],
    ),
    "unknown block": (
        "services/conflicts.toml",
        '"R-CONFLICT-CPO"',
        '"R-CONFLICT-CP"',
        ['conflict "cpo", reason', "did you mean R-CONFLICT-CPO?"],
    ),
    "unknown reason": ("reasons.toml", '"R-TIME-MIN"', '"R-TIME-MINN"', ["did you mean R-TIME-MIN?"]),
    "reason twice": ("reasons.toml", '"R-COND-COUNT"', '"R-TIME-MIN"', ['reason "R-TIME-MIN"', "twice"]),
    "resource twice": ("resources.toml", 'name = "Encounter"', 'name = "Patient"', ['resource "Patient"', "twice"]),
    "type that a view reads": (
        "resources.toml",
        'name = "Procedure"',
        'name = "Prozedur"',
        ["no [[resource]] for Procedure, which", "views/visit_procedure.json reads"],
    ),
    "search without element": (
        "resources.toml",
        'patient_elements = ["subject"]\npatient_search = "patient"\ndate_search',
        'patient_search = "patient"\ndate_search',
        ['resource[2] "Encounter"', "patient_search without patient_elements"],
    ),
    "policy value": (
        "payers/medicare.toml",
        'dos = "threshold"',
        'dos = "treshold"',
        ["policy.dos, line 32", "wanted one of threshold, with_last, month_end, last_entry", "did you mean threshold?"],
    ),
    "policy out of range": (
        "payers/medicare.toml",
        "lookback_years = 1",
        "lookback_years = 9",
        ["policy.initiating_visit.lookback_years", "found 9, wanted 5 or less"],
    ),
    "misspelt switch": (
        "payers/medicare.toml",
        'hospice = "hold"',
        'hospise = "hold"',
        ["policy.hospise", "did you mean hospice?"],
    ),
    "cap of no add-on": (
        "payers/medicare.toml",
        "[policy.caps]",
        "[policy.caps]\n99490 = 2",
        ["policy.caps.99490", "99490 is no add-on code"],
    ),
    "payer name": ("payers/medicare.toml", 'name = "medicare"', 'name = "medicaid"', ["named medicare.toml"]),
    "payer match": (
        "payers/medicare.toml",
        '"https://nahdo.org/sopt|121"',
        '"121"',
        ["match.coverage_types[3]", "wanted system|code"],
    ),
    "two payers for one coverage": (
        "payers/medicare-advantage.toml",
        '"https://nahdo.org/sopt|11"',
        '"https://nahdo.org/sopt|121"',
        ["'https://nahdo.org/sopt|121' is matched by payer", "remove it from one"],
    ),
    "no JSON": (
        "terminology/hospice.json",
        '"status": "active",',
        '"status": "active"',
        ["line 8, column 3", "not valid JSON"],
    ),
    "JSON key twice": (
        "terminology/hospice.json",
        '"status": "active",',
        '"status": "active", "status": "draft",',
        ["key 'status' stands twice in one object"],
    ),
    "misspelt element": (
        "terminology/hospice.json",
        '"system"',
        '"sytem"',
        ["compose.include[1].sytem", "did you mean system?"],
    ),
    "unknown filter": (
        "terminology/chronic-conditions.json",
        '"op": "is-a"',
        '"op": "descendent-of"',
        ["compose.include[2].filter", "understood are concept with is-a and code with regex"],
    ),
    "is-a elsewhere": (
        "terminology/never-chronic.json",
        '"system": "http://hl7.org/fhir/sid/icd-10-cm", "filter": [{"property": "concept"',
        '"system": "http://snomed.info/sct", "filter": [{"property": "concept"',
        ["is-a is understood for http://hl7.org/fhir/sid/icd-10-cm only"],
    ),
    "no pattern": (
        "terminology/role-practitioner.json",
        "20[0-9A-Z]{7}X",
        "20[0-9A-Z{7}X",
        ["compose.include[1].filter", "is not a regular expression"],
    ),
    "unknown extension": (
        "terminology/conflict-g0511.json",
        "valid-period",
        "valid-perod",
        [
            "compose.include[1].extension[1]",
            "did you mean https://caretally.example/fhir/StructureDefinition/valid-period?",
        ],
    ),
    "no date": (
        "terminology/conflict-g0511.json",
        "2025-09-30",
        "2025-09-31",
        ["valuePeriod.end", "wanted a date such as 2025-01-01"],
    ),
    "dates of one code overlap": (
        "terminology/conflict-apcm.json",
        '{"code": "G0557"',
        '{"code": "G0556"',
        ["'G0556' stands there twice for the same dates"],
    ),
    "file and url differ": (
        "terminology/conflict-g0511.json",
        "ValueSet/conflict-g0511",
        "ValueSet/conflict-g05",
        ["url", "the file is named conflict-g0511.json"],
    ),
    "other resource": (
        "terminology/hospice.json",
        '"resourceType": "ValueSet"',
        '"resourceType": "CodeSystem"',
        ["resourceType", "wanted ValueSet or ConceptMap"],
    ),
    "unknown role": (
        "terminology/role-local.json",
        '"target": [{"code": "non-clinical"',
        '"target": [{"code": "nonclinical"',
        ["ConceptMap role-local", "|reception", "did you mean non-clinical?"],
    ),
    "row that is never reached": (
        "terminology/condition-groups.json",
        '{"code": "A15", "target": [{"code": "tuberculosis", "equivalence": "wider"}]},',
        '{"code": "A1", "target": [{"code": "tuberculosis", "equivalence": "wider"}]},',
        ["'A16' is never reached: 'A1' comes first"],
    ),
    "wrong view": ("views/patient.json", '"path": "', '"path": "((', ["views/patient.json", "offset"]),
    "view without a name": ("views/patient.json", '"name": "patient",', "", ["views/patient.json, name", "is missing"]),
}


def spoil(folder: Path, file: str, old: str, new: str) -> None:
    path = folder / file
    text = path.read_text()
    assert old in text, "the test no longer fits the data"
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_place(folder: Path, mistake: str) -> None:
    file, old, new, wanted = MISTAKES[mistake]
    spoil(folder, file, old, new)
    with pytest.raises(TableError) as caught:
        load_tables(root=folder)
    message = str(caught.value)
    for part in wanted:
        assert part in message
    assert caught.value.exit_code == 3


def test_several_mistakes_are_told_at_once(folder: Path) -> None:
    spoil(folder, "services/2025.toml", 'label = "CCM by staff, first 20 minutes"\n', 'lable = "CCM"\n')
    spoil(folder, "services/2025.toml", 'rvu_non_facility = "1.87"', "rvu_non_facility = 1.87")
    with pytest.raises(TableError) as caught:
        load_tables(root=folder)
    message = str(caught.value)
    assert "3 errors" in message
    assert "label, line 13: is missing" in message
    assert "lable, line 15: unknown key; did you mean label?" in message
    assert "rvu_non_facility, line 16" in message


def test_a_file_of_a_site_is_named_by_its_own_path(tmp_path: Path) -> None:
    path = tmp_path / "gpci.toml"
    path.write_text('[[locality]]\ncode = "99999-01"\nname = "X"\nvalid_from = 2025-01-01\nwork = 1.0\n')
    with pytest.raises(TableError) as caught:
        load_tables(extra_localities=[path])
    assert f"{path}: 5 errors" in str(caught.value)
    assert 'locality[1] "99999-01", work, line 5: found 1.0: an amount is written as a string' in str(caught.value)
    assert 'locality[1] "99999-01", pe, line 1: is missing' in str(caught.value)


def test_a_locality_of_a_site_takes_the_place_of_the_shipped_one(tmp_path: Path) -> None:
    path = tmp_path / "gpci.toml"
    path.write_text(
        '[[locality]]\ncode = "13202-01"\nname = "Manhattan"\nvalid_from = 2025-01-01\nwork = "1"\npe = "1"\nmp = "1"\n'
        'rate_status = "confirmed"\nsource = "CMS file GPCI2025, read by us"\n'
    )
    rows = [row for row in load_tables(extra_localities=[path]).services.localities if row.code == "13202-01"]
    assert [(row.rate_status, row.source) for row in rows] == [("confirmed", "CMS file GPCI2025, read by us")]
    assert rows[0].holds_on(date(2030, 1, 1))


def test_a_missing_value_set_is_named(folder: Path) -> None:
    (folder / "terminology" / "same-day-em.json").unlink()
    with pytest.raises(TableError, match=r"no ValueSet 'same-day-em'; wanted same-day-em\.json"):
        load_tables(root=folder)


def test_a_missing_default_payer_is_named(folder: Path) -> None:
    (folder / "payers" / "medicare.toml").unlink()
    with pytest.raises(TableError, match="no payer 'medicare'"):
        load_tables(root=folder)


def test_an_empty_views_folder_is_named(folder: Path) -> None:
    shutil.rmtree(folder / "views")
    (folder / "views").mkdir()
    with pytest.raises(TableError, match="holds no ViewDefinition"):
        load_tables(root=folder)


def test_a_file_that_is_no_text_is_named(folder: Path) -> None:
    (folder / "reasons.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(TableError, match=r"reasons\.toml: not UTF-8 text at byte 0"):
        load_tables(root=folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "reasons.toml").unlink()
    with pytest.raises(TableError, match=r"reasons\.toml: cannot be read"):
        load_tables(root=folder)


def test_two_extra_files_of_one_name_are_refused(tmp_path: Path, folder: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        shutil.copy(folder / "terminology" / "hospice.json", tmp_path / name / "hospice.json")
    with pytest.raises(TableError, match="'hospice' is also defined by"):
        load_tables(extra_terminology=[tmp_path / "one", tmp_path / "two"])


def test_an_unknown_layer_is_named() -> None:
    with pytest.raises(TableError, match=r"no mapping layer 'task-minuets'; did you mean task-minutes\?"):
        load_tables(mapping_layers=["task-minuets"])


def test_a_table_error_is_a_configuration_error() -> None:
    assert issubclass(TableError, ConfigurationError)


def test_an_include_without_codes_is_refused(folder: Path) -> None:
    path = folder / "terminology" / "consent-category.json"
    value_set = json.loads(path.read_text())
    value_set["compose"]["include"][0]["concept"] = []
    path.write_text(json.dumps(value_set))
    with pytest.raises(TableError, match=r"compose\.include\[1\]: names no codes"):
        load_tables(root=folder)
