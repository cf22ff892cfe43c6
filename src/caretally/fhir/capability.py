"""What a server says it can do, and the way of writing that follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from caretally.fhir.errors import NotFoundError, UnsupportedServerError
from caretally.fhir.transport import Request, Transport

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

R4 = "4.0."
R4B = "4.3."
DEFINITIONS_THAT_ARE_NOT_R4 = MappingProxyType({"1.": "DSTU2", "3.": "STU3", "5.": "R5", "6.": "R6"})
WRITTEN_TYPES = ("ChargeItem", "Claim", "Provenance")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceCapability:
    """What a server says about one resource type; what it does not say counts as no.

    Attributes:
        interactions: codes such as ``read`` and ``update``.
        search_parameters: names.
        search_includes: values for _include.
        search_revincludes: values for _revinclude.
        operations: names without ``$``.
        versioning: no-version, versioned or versioned-update.
        update_create: PUT may create with an id of ours; None when the server does not say (HAPI allows it silently).
        conditional_create, conditional_update: as in FHIR.
    """

    interactions: frozenset[str] = frozenset()
    search_parameters: frozenset[str] = frozenset()
    search_includes: frozenset[str] = frozenset()
    search_revincludes: frozenset[str] = frozenset()
    operations: frozenset[str] = frozenset()
    versioning: str | None = None
    update_create: bool | None = None
    conditional_create: bool = False
    conditional_update: bool = False


NOT_SUPPORTED = ResourceCapability()


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a server says about itself.

    Attributes:
        fhir_version: for example ``4.0.1``.
        software_name, software_version: None when it does not say.
        resources: by resource type.
        system_interactions: codes such as ``transaction``.
        operations: of the whole server, names without ``$``.
        notes: what a person should know, for example that the server is R4B.
    """

    fhir_version: str
    software_name: str | None
    software_version: str | None
    resources: Mapping[str, ResourceCapability]
    system_interactions: frozenset[str]
    operations: frozenset[str]
    notes: tuple[str, ...] = ()

    def resource(self, resource_type: str) -> ResourceCapability:
        """Give what the server says about a type; nothing at all when it is not listed."""
        return self.resources.get(resource_type, NOT_SUPPORTED)

    @property
    def transaction(self) -> bool:
        """Whether transactions are offered."""
        return "transaction" in self.system_interactions

    @property
    def batch(self) -> bool:
        """Whether batches are offered."""
        return "batch" in self.system_interactions

    @property
    def export(self) -> bool:
        """Whether Bulk Data export of the whole server is offered."""
        return "export" in self.operations

    @property
    def patient_export(self) -> bool:
        """Whether Bulk Data export of all patients is offered."""
        return bool({"patient-export"} & (self.resource("Patient").operations | self.operations)) or (
            "export" in self.resource("Patient").operations
        )

    @property
    def group_export(self) -> bool:
        """Whether Bulk Data export of a Group is offered."""
        group = self.resource("Group").operations | self.operations
        return bool(group & {"group-export"}) or "export" in self.resource("Group").operations


class WriteStrategy(Enum):
    """How changes reach the server, best first."""

    TRANSACTION = "transaction"
    SINGLE_PUT = "single_put"
    CONDITIONAL_UPDATE = "conditional_update"
    CONDITIONAL_CREATE = "conditional_create"
    EXPORT_ONLY = "export_only"


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteChoice:
    """The best way of writing that a server offers.

    Attributes:
        strategy: the way.
        reason: for a person: what is used, and what is missing for each better way.
        missing: by better strategy, what the server does not offer.
    """

    strategy: WriteStrategy
    reason: str
    missing: Mapping[WriteStrategy, tuple[str, ...]]


def read_capabilities(transport: Transport) -> Capabilities:
    """Ask the server what it can do.

    Raises:
        UnsupportedServerError: no CapabilityStatement there, or not of FHIR R4.
        SourceError: see `Transport.send`; a web page is `NotFhirError`.
    """
    try:
        answer = transport.send(Request(method="GET", url=transport.base.address("metadata")))
    except NotFoundError as error:
        raise UnsupportedServerError(
            "GET /metadata answered 404: there is no FHIR service at base_url; it usually ends in /fhir, /r4 or /baseR4"
        ) from error
    return parse_capabilities(answer.document)


def parse_capabilities(statement: Any) -> Capabilities:
    """Read a CapabilityStatement.

    Raises:
        UnsupportedServerError: it is something else, or of another FHIR version.
    """
    if not isinstance(statement, dict) or statement.get("resourceType") != "CapabilityStatement":
        conformance = isinstance(statement, dict) and statement.get("resourceType") == "Conformance"
        what = "a Conformance statement (DSTU2)" if conformance else "no CapabilityStatement"
        raise UnsupportedServerError(f"GET /metadata gave {what}; wanted is a FHIR R4 server: check base_url")
    version, notes = _checked_version(statement.get("fhirVersion"))
    rest = [part for part in _dicts(statement.get("rest")) if part.get("mode") in {None, "server"}]
    software = statement.get("software")
    software = software if isinstance(software, dict) else {}
    resources = {
        name: _resource(resource)
        for part in rest
        for resource in _dicts(part.get("resource"))
        if isinstance(name := resource.get("type"), str)
    }
    return Capabilities(
        fhir_version=version,
        software_name=_text(software.get("name")),
        software_version=_text(software.get("version")),
        resources=MappingProxyType(resources),
        system_interactions=frozenset(code for part in rest for code in _values(part.get("interaction"), "code")),
        operations=frozenset(name for part in rest for name in _operations(part.get("operation"))),
        notes=notes,
    )


def write_strategy(capabilities: Capabilities, resource_types: Sequence[str] = WRITTEN_TYPES) -> WriteChoice:
    """Choose the best way of writing that the server promises for all of `resource_types`."""
    needs = {
        WriteStrategy.TRANSACTION: [
            *([] if capabilities.transaction else ["system interaction transaction"]),
            *_missing(capabilities, resource_types, {"update"}, "update_create"),
        ],
        WriteStrategy.SINGLE_PUT: _missing(capabilities, resource_types, {"update"}, "update_create"),
        WriteStrategy.CONDITIONAL_UPDATE: _missing(capabilities, resource_types, {"update"}, "conditional_update"),
        WriteStrategy.CONDITIONAL_CREATE: _missing(capabilities, resource_types, {"create"}, "conditional_create"),
    }
    better: dict[WriteStrategy, tuple[str, ...]] = {}
    for strategy, missing in needs.items():
        if not missing:
            return _choice(strategy, better)
        better[strategy] = tuple(missing)
    return _choice(WriteStrategy.EXPORT_ONLY, better)


HOW = MappingProxyType(
    {
        WriteStrategy.TRANSACTION: "each patient-month is written in one transaction, with ids of ours",
        WriteStrategy.SINGLE_PUT: "each resource is written by its own PUT with an id of ours, and undone if one fails",
        WriteStrategy.CONDITIONAL_UPDATE: "each resource is written by conditional update on its identifier",
        WriteStrategy.CONDITIONAL_CREATE: "each resource is created if its identifier is absent, and read back",
        WriteStrategy.EXPORT_ONLY: "nothing can be written to this server safely; export to a folder",
    }
)
FLAGS = MappingProxyType(
    {
        "update_create": "updateCreate",
        "conditional_update": "conditionalUpdate",
        "conditional_create": "conditionalCreate",
    }
)


def _choice(strategy: WriteStrategy, better: dict[WriteStrategy, tuple[str, ...]]) -> WriteChoice:
    gaps = [f"no {tried.value}, because {', '.join(missing)} is not offered" for tried, missing in better.items()]
    return WriteChoice(
        strategy=strategy, reason="; ".join([HOW[strategy], *gaps]), missing=MappingProxyType(dict(better))
    )


def _missing(capabilities: Capabilities, resource_types: Sequence[str], interactions: set[str], flag: str) -> list[str]:
    missing = []
    for name in resource_types:
        capability = capabilities.resource(name)
        missing += [f"{name} {code}" for code in sorted(interactions - capability.interactions)]
        if not getattr(capability, flag):
            missing.append(f"{name} {FLAGS[flag]}")
    return missing


def _checked_version(version: Any) -> tuple[str, tuple[str, ...]]:
    text = version if isinstance(version, str) else ""
    if text.startswith(R4):
        return text, ()
    if text.startswith(R4B):
        return text, (f"the server is FHIR R4B ({text}); Caretally reads and writes it as R4",)
    known = next((name for start, name in DEFINITIONS_THAT_ARE_NOT_R4.items() if text.startswith(start)), "unknown")
    found = f"FHIR version {text[:20]!r} ({known})" if text else "no FHIR version"
    raise UnsupportedServerError(
        f"GET /metadata names {found}; wanted is 4.0.x (R4): many servers have one address for each version, so check "
        "base_url"
    )


def _resource(resource: dict[str, Any]) -> ResourceCapability:
    return ResourceCapability(
        interactions=frozenset(_values(resource.get("interaction"), "code")),
        search_parameters=frozenset(_values(resource.get("searchParam"), "name")),
        search_includes=frozenset(_texts(resource.get("searchInclude"))),
        search_revincludes=frozenset(_texts(resource.get("searchRevInclude"))),
        operations=frozenset(_operations(resource.get("operation"))),
        versioning=_text(resource.get("versioning")),
        update_create=found if isinstance(found := resource.get("updateCreate"), bool) else None,
        conditional_create=resource.get("conditionalCreate") is True,
        conditional_update=resource.get("conditionalUpdate") is True,
    )


def _operations(operations: Any) -> list[str]:
    """Give the names of operations; servers write the bare name, ``$name``, or only tell by the definition."""
    names = []
    for operation in _dicts(operations):
        names += [text.removeprefix("$") for text in [operation.get("name")] if isinstance(text, str)]
        definition = operation.get("definition")
        if isinstance(definition, str):
            names.append(definition.rpartition("/")[2].partition("|")[0])
    return names


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _values(value: Any, key: str) -> list[str]:
    return [text for item in _dicts(value) if isinstance(text := item.get(key), str)]


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
