"""Finding claims of ours in a sink: by patient, by the claim itself, or by the account number that it was sent with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from caretally.billing import OnFile
from caretally.billing.identity import ACCOUNT_NUMBER, identity_of
from caretally.store import runs, staging, temporary_store
from caretally.sync.resources import read_body
from caretally.sync.sinks.folder import FolderSink, own_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from caretally.billing import ClaimIdentity
    from caretally.store.staging import StagedResource
    from caretally.sync.sinks.server import ServerSink
    from caretally.sync.writes import Sink


def staged_on_file(sink: Sink, patients: Sequence[str], opened_at: str) -> dict[str, list[StagedResource]]:
    """Read claims and charges of ours, by the business value of their identity.

    Args:
        sink: where they are.
        patients: of these patients; a folder gives those of everybody.
        opened_at: instant in UTC, ISO 8601.
    """
    found: dict[str, list[StagedResource]] = {}
    with temporary_store(opened_at=opened_at) as store:
        run_id, pull_id = uuid4().hex, uuid4().hex
        runs.begin_run(
            store, run_id=run_id, command="review", service_month="", as_of=opened_at[:10], started_at=opened_at
        )
        runs.begin_pull(
            store, pull_id=pull_id, run_id=run_id, source=sink.target, service_month="", started_at=opened_at
        )
        with staging.StagingWriter(store, pull_id, staging.SINK) as writer:
            sink.stage_on_file(writer, patients)
        for name in ("ChargeItem", "Claim"):
            for row in staging.stream_type(store, pull_id, name):
                key = own_key(read_body(row.body))
                if key is not None:
                    found.setdefault(key, []).append(row)
    return found


class ClaimsOnFile:
    """The claims and charges of ours in a sink, of some patients, by their identity.

    Attributes:
        by_identity: everything on file for one identity, of any revision.
    """

    def __init__(self, sink: Sink, tenant: str, patients: Sequence[str], opened_at: str) -> None:
        self.by_identity: dict[ClaimIdentity, list[OnFile]] = {}
        self._names: dict[str, ClaimIdentity] = {}
        self._ended: set[str] = set()
        for rows in staged_on_file(sink, patients, opened_at).values():
            resources = [read_body(row.body) for row in rows]
            identity = next((found for one in resources if (found := identity_of(one, tenant)) is not None), None)
            if identity is None:
                continue  # of another tenant, or edited so that nobody can say whose it is
            self.by_identity[identity] = [
                OnFile(resource=one, version=_version(one) if sink.keeps_versions else None) for one in resources
            ]
            for one in resources:
                for name in names_of(one):
                    self._names[name] = identity
                    if one.get("status") == "cancelled":
                        self._ended.add(name)

    def find(self, name: str) -> ClaimIdentity | None:
        """Return whose claim a ``Claim/id``, an id, or an account number is; None where it is none of ours."""
        return self._names.get(name.strip().removeprefix("Claim/"))

    def has_ended(self, name: str) -> bool:
        """Whether a claim was taken back, so that what is said of it is not said of the one that counts."""
        return name.strip().removeprefix("Claim/") in self._ended


def names_of(resource: dict[str, Any]) -> list[str]:
    """Return the id of a Claim and its account number."""
    if resource.get("resourceType") != "Claim":
        return []
    numbers = [i.get("value") for i in resource.get("identifier") or () if i.get("system") == ACCOUNT_NUMBER]
    return [str(resource["id"]), *(number for number in numbers if isinstance(number, str))]


def patients_of(sink: Sink, names: Iterable[str]) -> list[str]:
    """Return the patients of some claims, so that only their claims are read; empty for a folder, which is read whole.

    Raises:
        SourceError: the server cannot be asked.
    """
    if isinstance(sink, FolderSink):
        return []
    server = cast("ServerSink", sink).server
    found: dict[str, None] = {}
    for name in dict.fromkeys(names):
        bare = name.strip().removeprefix("Claim/")
        for parameters in ([("identifier", f"{ACCOUNT_NUMBER}|{bare}")], [("_id", bare)]):
            for page in server.search("Claim", parameters, exact=True, fresh=True):
                for resource in page.resources:
                    patient = (resource.get("patient") or {}).get("reference")
                    if isinstance(patient, str):
                        found["/".join(patient.rsplit("/", 2)[-2:])] = None
    return list(found)


def _version(resource: dict[str, Any]) -> str | None:
    version = (resource.get("meta") or {}).get("versionId")
    return version if isinstance(version, str) else None
