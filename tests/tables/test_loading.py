from __future__ import annotations

import json
import shutil
from datetime import date
from typing import TYPE_CHECKING

import pytest

from caretally.facts.calendar import ServiceMonth
from caretally.facts.codes import HCPCS, SNOMED, Coding
from caretally.facts.policy import PolicyBook
from caretally.facts.practice import Site
from caretally.tables import data_path, load_configuration, load_tables, tables_for

if TYPE_CHECKING:
    from pathlib import Path

    from caretally.tables import Tables

JOB = "https://hospital.example/fhir/CodeSystem/job"


def concept_map(name: str, system: str, rows: dict[str, str]) -> dict[str, object]:
    return {
        "resourceType": "ConceptMap",
        "url": f"https://caretally.example/fhir/ConceptMap/{name}",
        "status": "active",
        "group": [
            {
                "source": system,
                "target": "https://caretally.example/fhir/CodeSystem/role-class",
                "element": [
                    {"code": code, "target": [{"code": target, "equivalence": "wider"}]}
                    for code, target in rows.items()
                ],
            }
        ],
    }


def test_everything_is_there(tables: Tables) -> None:
    assert tables.services.covers(ServiceMonth(2025, 1))
    assert "time_entry" in tables.views
    assert {"medicare", "medicare-advantage"} <= set(tables.payers)
    assert [r.name for r in tables.resource_types][:2] == ["Patient", "Encounter"]
    assert len(tables.files) == len(tables.paths)
    assert "mappings/services/2025.toml" in tables.files


def test_the_version_is_that_of_the_contents(folder: Path, tables: Tables) -> None:
    first = load_tables(root=folder)
    assert first.version == load_tables(root=folder).version
    assert first.services.version == first.version
    assert len(first.version) == 64
    path = folder / "reasons.toml"
    path.write_text(path.read_text() + "# changed\n")
    assert load_tables(root=folder).version != first.version
    assert tables.version == load_tables().version


def test_payers_that_name_single_payors_are_compared_first(tables: Tables) -> None:
    names = list(tables.payers)
    assert names.index("noridian-strict") < names.index("medicare-advantage") < names.index("medicare")
    assert names[-1] == "medicare"


def test_the_policies_work_in_a_book(tables: Tables) -> None:
    book = PolicyBook(payers=tables.payers)
    effective = book.effective(None, Site(name="default"))
    assert effective.payer == "medicare"
    assert effective.origins["dos"] == "mappings/payers/medicare.toml"


def test_a_site_adds_to_a_map_and_comes_first(tmp_path: Path, tables: Tables) -> None:
    path = tmp_path / "roles.json"
    path.write_text(json.dumps(concept_map("role-local", JOB, {"reception": "clinical-staff", "sw": "clinical-staff"})))
    roles = load_tables(extra_terminology=[path]).terminology.map("role-local")
    assert roles.target([Coding(JOB, "sw")]) == "clinical-staff"
    assert roles.target([Coding(JOB, "reception")]) == "clinical-staff"
    assert roles.target([Coding(JOB, "billing")]) == "non-clinical"
    assert tables.terminology.map("role-local").target([Coding(JOB, "reception")]) == "non-clinical"


def test_a_site_may_take_the_place_of_a_file(tmp_path: Path) -> None:
    replacing = concept_map("role-local", JOB, {"sw": "clinical-staff"})
    replacing["extension"] = [
        {"url": "https://caretally.example/fhir/StructureDefinition/replaces", "valueBoolean": True}
    ]
    path = tmp_path / "roles.json"
    path.write_text(json.dumps(replacing))
    roles = load_tables(extra_terminology=[path]).terminology.map("role-local")
    assert roles.target([Coding(JOB, "sw")]) == "clinical-staff"
    assert roles.target([Coding(JOB, "billing")]) is None


def test_a_site_adds_codes_to_a_set(tmp_path: Path) -> None:
    path = tmp_path / "hospice.json"
    path.write_text(
        json.dumps(
            {
                "resourceType": "ValueSet",
                "url": "https://caretally.example/fhir/ValueSet/hospice",
                "status": "active",
                "compose": {"include": [{"system": "urn:site", "concept": [{"code": "HOS"}]}]},
            }
        )
    )
    found = load_tables(extra_terminology=[tmp_path]).terminology.set("hospice")
    assert found.contains(Coding("urn:site", "HOS"))
    assert found.contains(Coding(SNOMED, "305336008"))


def test_an_extra_payer_takes_the_place_of_a_shipped_one(tmp_path: Path) -> None:
    path = tmp_path / "medicare.toml"
    path.write_text('name = "medicare"\ntitle = "Ours"\n[policy]\ndos = "with_last"\n')
    payer = load_tables(extra_payers=[path]).payers["medicare"]
    assert payer.title == "Ours"
    assert payer.switches.values == {"dos": "with_last"}
    assert payer.switches.source == str(path)


def test_a_layer_adds_views(folder: Path, tables: Tables) -> None:
    layered = load_tables(mapping_layers=["task-minutes"])
    assert len(layered.views["time_entry"]) == len(tables.views["time_entry"]) + 1
    assert layered.version != tables.version
    elsewhere = load_tables(mapping_layers=[str(folder / "views" / "task-minutes")])
    assert [v.name for v in elsewhere.views["time_entry"]] == [v.name for v in layered.views["time_entry"]]


def test_a_configuration_names_its_files_from_its_own_folder(tmp_path: Path, tables: Tables) -> None:
    (tmp_path / "roles.json").write_text(json.dumps(concept_map("role-local", JOB, {"sw": "clinical-staff"})))
    views = tmp_path / "our-views"
    views.mkdir()
    shutil.copy(data_path("mappings") / "views" / "patient.json", views / "patient.json")
    file = tmp_path / "caretally.toml"
    file.write_text('[mapping]\nuse = ["task-minutes", "our-views"]\nrole_map = "roles.json"\n')
    found = tables_for(load_configuration(file, environment={}))
    assert found.terminology.map("role-local").target([Coding(JOB, "sw")]) == "clinical-staff"
    assert len(found.views["patient"]) == len(tables.views["patient"]) + 1
    assert len(found.views["time_entry"]) == len(tables.views["time_entry"]) + 1


def test_dates_of_a_value_set_hold_on_both_days(tables: Tables) -> None:
    codes, code = tables.terminology.set("conflict-g0511"), Coding(HCPCS, "G0511")
    assert codes.contains(code, date(2025, 9, 30))
    assert not codes.contains(code, date(2025, 10, 1))


@pytest.mark.parametrize("missing", ["mappings/nothing", "fixtures/nothing"])
def test_what_is_not_shipped_is_an_incomplete_installation(missing: str) -> None:
    with pytest.raises(Exception, match="install Caretally again") as caught:
        data_path(*missing.split("/"))
    assert getattr(caught.value, "exit_code", None) == 3
