"""A FHIR server as source: only what a month needs, patient by patient, and the practice that they refer to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import uuid4

from caretally.facts import exact_json
from caretally.store import mirror as mirrors
from caretally.store.mirror import Mirror
from caretally.sync.mirroring.refresh import Refresh

if TYPE_CHECKING:
    from collections.abc import Callable

    from caretally.facts.codes import Terminology
    from caretally.fhir.server import FhirServer
    from caretally.store.opening import Store
    from caretally.store.staging import StagingWriter
    from caretally.sync.pulling import PullRequest, PullResult

GOES_ON_FOR = timedelta(hours=1)
"""A reading that was cut off longer ago is begun anew: its first pages would be too old beside its last ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSource:
    """Reads a server by search.

    A search that fails for a patient makes that patient incomplete, and nothing is decided for them; the others
    go on. A search that fails for the whole server ends the pull; the next one goes on where it was.
    """

    server: FhirServer
    terminology: Terminology
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    @property
    def key(self) -> str:
        """Return the name of the source in the store."""
        return f"server:{self.server.base_url}"

    @property
    def description(self) -> str:
        """Return the base URL."""
        return self.server.base_url

    @property
    def authoritative(self) -> bool:
        """Whether what is missing does not exist: a server that answers a search has nothing else."""
        return True

    def pull(self, request: PullRequest, writer: StagingWriter) -> PullResult:
        """Stage the patients of the month with everything about them, and the practice they refer to.

        Raises:
            SourceError: the server cannot be used, or does not let us read what we need.
            IncompletePullError: it is not known who the patients of the month are.
        """
        store = writer.store
        refresh = Refresh(
            server=self.server,
            terminology=self.terminology,
            request=request,
            months=[request.month],
            store=store,
            mirror=self._mirror(store, request),
        )
        refresh.read()
        result = refresh.result()
        writer.take_mirror(refresh.mirror.id)
        # What was read is needed once: a later run shall see the server as it is then.
        mirrors.forget(store, refresh.mirror.id)
        return result

    def _mirror(self, store: Store, request: PullRequest) -> Mirror:
        """Give the reading of the same question that was cut off a short time ago, else a new one."""
        purpose = f"month {request.month} {_digest(request)}"
        found = mirrors.find(store, self.key, purpose)
        now = self.now()
        if found is not None:
            begun = datetime.fromisoformat(found.begun_at)
            if not found.complete and now - GOES_ON_FOR <= begun <= now:
                mirrors.ask_again(store, found.id)
                return found
            mirrors.forget(store, found.id)
        name = uuid4().hex
        fresh = Mirror(
            id=name,
            source=self.key,
            purpose=purpose,
            mode="full",
            complete=False,
            generation=name,
            begun_at=now.astimezone(UTC).isoformat(timespec="seconds"),
        )
        return mirrors.begin(store, fresh)


def _digest(request: PullRequest) -> str:
    """Tell questions apart: another narrowing, or other types, is another reading."""
    narrowing = request.narrowing
    asked = {
        "patients": sorted(narrowing.patients),
        "groups": sorted(narrowing.groups),
        "types": sorted(request.resource_types),
        "wide": request.wide,
    }
    return sha256(exact_json.canonical(asked)).hexdigest()[:16]
