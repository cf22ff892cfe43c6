"""docker/compose.yaml is valid, pinned, closed to the outside and free of secrets; no container engine is needed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema  # type: ignore[import-untyped]  # it ships no types

DOCKER = Path(__file__).parents[2] / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def problems(document: dict[str, Any]) -> list[str]:
    """What the compose specification finds wrong."""
    schema = get_builtin_schema("vendor.compose-spec")
    validator = jsonschema.validators.validator_for(schema)(schema)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


def test_it_follows_the_compose_specification() -> None:
    assert problems(COMPOSE) == []


def test_the_schema_finds_a_fault() -> None:
    assert problems({"services": {"a": {"image": "x:1", "prots": ["80"]}}})


def test_it_has_a_server_a_database_and_the_adapter() -> None:
    assert {"hapi", "database", "adapter"} <= set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned(name: str) -> None:
    image, _, tag = SERVICES[name]["image"].rpartition(":")
    assert image, f"{name} has no tag"
    assert tag == "local" if "build" in SERVICES[name] else re.search(r"\d+\.\d+", tag)


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_loopback_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_is_written_into_the_environment(name: str) -> None:
    environment = SERVICES[name].get("environment", {})
    secret = [key for key in environment if re.search("password|secret|token|key", key, re.IGNORECASE)]
    assert all(key.endswith("_FILE") for key in secret), secret


def test_every_secret_has_an_example_beside_it_and_only_that_is_kept() -> None:
    for secret in COMPOSE["secrets"].values():
        path = DOCKER / secret["file"]
        assert path.with_suffix(".example").is_file()
    ignored = (DOCKER.parent / ".gitignore").read_text().splitlines()
    assert {"/docker/secrets/*", "!/docker/secrets/*.example"} <= set(ignored)


def test_every_wait_for_health_is_for_a_service_that_has_a_check() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other], f"{name} waits for {other} for ever"


def test_long_running_services_of_ours_need_no_privileges() -> None:
    for name, service in SERVICES.items():
        if "build" in service:
            assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), name


def test_the_same_hapi_is_tested_and_deployed() -> None:
    tested = re.search(r"<hapi.version>(.*)</hapi.version>", (DOCKER / "hapi" / "pom.xml").read_text())
    assert tested
    assert SERVICES["hapi"]["image"].startswith(f"hapiproject/hapi:v{tested.group(1)}-")


def test_files_it_names_exist() -> None:
    for config in COMPOSE["configs"].values():
        assert (DOCKER / config["file"]).is_file()
    for service in SERVICES.values():
        if "build" in service:
            assert (DOCKER / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
