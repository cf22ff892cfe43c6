"""What a server promises, and the way of writing that follows."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from tests.fhir.support import Script, fhir, transport_to

from caretally.fhir import Capabilities, FhirServer, WriteStrategy
from caretally.fhir import errors as e
from caretally.fhir.capability import parse_capabilities, write_strategy

WRITTEN = ("ChargeItem", "Claim", "Provenance")


def statement(
    *, system: tuple[str, ...] = ("transaction", "batch"), version: str = "4.0.1", **resource: Any
) -> dict[str, Any]:
    offered = {
        "interaction": [{"code": code} for code in ("read", "create", "update", "search-type")],
        "updateCreate": True,
        "conditionalCreate": True,
        "conditionalUpdate": True,
        "versioning": "versioned-update",
        "searchParam": [{"name": "patient"}, {"name": "identifier"}],
        "searchInclude": ["Claim:patient"],
        "searchRevInclude": ["Provenance:target"],
        **resource,
    }
    return {
        "resourceType": "CapabilityStatement",
        "fhirVersion": version,
        "software": {"name": "HAPI FHIR Server", "version": "8.8.0"},
        "rest": [
            {
                "mode": "server",
                "resource": [{"type": name, **offered} for name in WRITTEN],
                "interaction": [{"code": code} for code in system],
                "operation": [
                    {"name": "export", "definition": "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export"}
                ],
            }
        ],
    }


def capabilities(**more: Any) -> Capabilities:
    return parse_capabilities(statement(**more))


class TestParsing:
    def test_what_is_said_is_read(self) -> None:
        found = capabilities()
        assert (found.fhir_version, found.software_name, found.software_version) == (
            "4.0.1",
            "HAPI FHIR Server",
            "8.8.0",
        )
        claim = found.resource("Claim")
        assert {"read", "update"} < claim.interactions
        assert claim.search_parameters == {"patient", "identifier"}
        assert claim.search_includes == {"Claim:patient"}
        assert claim.search_revincludes == {"Provenance:target"}
        assert claim.versioning == "versioned-update"
        assert claim.update_create
        assert claim.conditional_create
        assert claim.conditional_update
        assert found.transaction
        assert found.batch
        assert found.export
        assert not found.group_export
        assert found.notes == ()

    def test_what_is_not_said_counts_as_no(self) -> None:
        found = parse_capabilities({"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"})
        assert not found.resource("Claim").update_create
        assert not (found.transaction)
        assert not (found.batch)
        assert not (found.export)
        assert not (found.group_export)
        assert found.software_name is None

    @pytest.mark.parametrize(
        "operation", [{"name": "group-export"}, {"name": "$export"}, {"definition": "x/group-export|1"}]
    )
    def test_group_export_by_any_name(self, operation: dict[str, str]) -> None:
        rest = {"mode": "server", "resource": [{"type": "Group", "operation": [operation]}]}
        found = parse_capabilities({"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": [rest]})
        assert found.group_export
        assert not found.export

    @pytest.mark.parametrize(
        "rest", [None, {}, ["x"], [{"resource": "x"}], [{"resource": [{"type": 5}]}], [{"mode": "client"}]]
    )
    def test_an_odd_statement_promises_nothing(self, rest: object) -> None:
        found = parse_capabilities({"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": rest})
        assert found.resources == {}


class TestVersions:
    def test_r4_in_all_its_forms(self) -> None:
        assert capabilities(version="4.0.0").notes == ()
        assert "R4B" in capabilities(version="4.3.0").notes[0]

    @pytest.mark.parametrize(
        ("version", "name"), [("3.0.2", "STU3"), ("5.0.0", "R5"), ("1.0.2", "DSTU2"), ("9.9", "unknown")]
    )
    def test_another_version_is_named(self, version: str, name: str) -> None:
        with pytest.raises(e.UnsupportedServerError, match=rf"{version}.*{name}.*wanted is 4\.0\.x"):
            capabilities(version=version)

    @pytest.mark.parametrize("version", [None, 4, ""])
    def test_no_version_is_named(self, version: Any) -> None:
        with pytest.raises(e.UnsupportedServerError, match="no FHIR version"):
            capabilities(version=version)

    @pytest.mark.parametrize(
        ("document", "words"),
        [
            ({"resourceType": "Conformance"}, "DSTU2"),
            ({"resourceType": "Patient"}, "no CapabilityStatement"),
            ([], "no Cap"),
        ],
    )
    def test_something_else_is_named(self, document: object, words: str) -> None:
        with pytest.raises(e.UnsupportedServerError, match=words):
            parse_capabilities(document)


class TestAsking:
    def test_is_done_once(self) -> None:
        script = Script(fhir(statement()))
        transport = transport_to(script)
        with FhirServer(transport.settings, transport=transport) as server:
            assert server.capabilities() is server.capabilities()
            assert server.write_strategy().strategy is WriteStrategy.TRANSACTION
        assert script.urls == ["https://ehr.example/fhir/metadata"]

    def test_a_missing_service_is_named(self) -> None:
        transport = transport_to(Script(httpx.Response(404)))
        with pytest.raises(e.UnsupportedServerError, match="no FHIR service at base_url"):
            FhirServer(transport.settings, transport=transport).capabilities()

    def test_a_web_page_is_named(self) -> None:
        page = httpx.Response(200, headers={"content-type": "text/html"}, content=b"<html>")
        transport = transport_to(Script(page))
        with pytest.raises(e.NotFhirError, match=r"web page \(HTML\)"):
            FhirServer(transport.settings, transport=transport).capabilities()


class TestStrategy:
    def test_a_transaction_is_best(self) -> None:
        choice = write_strategy(capabilities())
        assert (choice.strategy, dict(choice.missing)) == (WriteStrategy.TRANSACTION, {})

    def test_without_transactions_each_resource_is_put(self) -> None:
        choice = write_strategy(capabilities(system=("batch",)))
        assert choice.strategy is WriteStrategy.SINGLE_PUT
        assert "no transaction, because system interaction transaction is not offered" in choice.reason

    def test_without_ids_of_ours_by_condition(self) -> None:
        choice = write_strategy(capabilities(updateCreate=False))
        assert choice.strategy is WriteStrategy.CONDITIONAL_UPDATE
        assert choice.missing[WriteStrategy.SINGLE_PUT] == tuple(f"{name} updateCreate" for name in WRITTEN)

    def test_without_update_create_only(self) -> None:
        choice = write_strategy(capabilities(interaction=[{"code": "create"}]))
        assert choice.strategy is WriteStrategy.CONDITIONAL_CREATE
        assert "Claim update" in choice.missing[WriteStrategy.CONDITIONAL_UPDATE]

    def test_else_nothing_is_written(self) -> None:
        choice = write_strategy(capabilities(interaction=[{"code": "read"}]))
        assert choice.strategy is WriteStrategy.EXPORT_ONLY
        assert "export to a folder" in choice.reason
        assert "Claim create" in choice.reason

    def test_only_the_types_that_are_written_count(self) -> None:
        found = parse_capabilities(
            statement()
            | {
                "rest": [
                    {
                        **statement()["rest"][0],
                        "resource": [{"type": "ChargeItem", "interaction": [{"code": "update"}], "updateCreate": True}],
                    }
                ]
            }
        )
        assert write_strategy(found, ["ChargeItem"]).strategy is WriteStrategy.TRANSACTION
        assert write_strategy(found).strategy is WriteStrategy.EXPORT_ONLY
