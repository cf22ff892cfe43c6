"""Whether an export brought everything: what came is held against the server's own counts.

A server may cut an export short and say nothing of it. HAPI's export of its patients or of a Group brings no more
resources of each type than its largest fetch (``max_page_size`` in its starter project), without an ``error`` file and
without a count in the manifest. Whoever believes such an export loses patients, and takes back what was written for
them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from caretally.facts.issue import Issue
from caretally.fhir.errors import ForbiddenError
from caretally.store import mirror as mirrors
from caretally.sync.mirroring.plan import LINKS_AT_ONCE, chunks
from caretally.sync.mirroring.slice_reader import NOT_UNDERSTOOD
from caretally.sync.resources import read_body

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from caretally.store.mirror import Mirror
    from caretally.store.opening import Store
    from caretally.sync.mirroring.plan import Parameters, Plan

NOT_COUNTED = (ForbiddenError, *NOT_UNDERSTOOD)
"""How servers answer a count that they do not offer."""


@dataclass(kw_only=True)
class ExportCounts:
    """Counts on the server what an export had to bring at least.

    What was changed last before the kick-off is counted: it was there when the export began, and is there now. What is
    written meanwhile is left to the next reading of changes, and makes no export look short.

    Attributes:
        overlap: how much earlier than the kick-off `mirror.server_began_at` is.
        members: patients of the export of a Group, who are counted for by name; None: it was of everybody.
    """

    plan: Plan
    mirror: Mirror
    overlap: timedelta
    members: Sequence[str] | None = None
    requests: int = 0

    def types(self) -> list[str]:
        """Return the types that an export brings."""
        return [name for name, kind in self.plan.types.items() if kind.patient_search is not None]

    def short(self, store: Store, refused: Iterable[Issue]) -> tuple[list[str], list[Issue]]:
        """Tell of which types the export brought less than it had to, and say so.

        Args:
            store: with what was kept of the export.
            refused: issue rows of what came and was not kept.

        Raises:
            SourceError: the server cannot be asked at all.
        """
        came = self._brought(store)
        came.update(issue.resource.partition("/")[0] for issue in refused)
        short: list[str] = []
        issues: list[Issue] = []
        for name in self.types():
            if name == "Patient" and self.members is not None:
                continue  # each one is asked for by name
            counted = self._counted(name)
            if counted is None:
                found = "the server does not count the type, so that nobody knows whether its export was whole"
                wanted = f"{name}?_lastUpdated=...&_summary=count, or reading by search (--by search)"
                issues.append(Issue(name, "", "export-not-counted", found, wanted, "information"))
            elif counted > came[name]:
                short.append(name)
                found = f"the export brought {came[name]} of {counted}; the type was read by search instead"
                wanted = "a whole export: ask the administrator what limits it (HAPI: max_page_size)"
                issues.append(Issue(name, "", "export-short", found, wanted, "warning"))
        return short, issues

    def _brought(self, store: Store) -> Counter[str]:
        since = self.mirror.held_up_to
        if not self.mirror.incremental or since is None:
            return Counter(mirrors.count_by_type(store, self.mirror.id, seen=self.mirror.generation))
        # A server that ignores _since brings what did not change, which must not stand for what did.
        return Counter(kind for kind, body in mirrors.seen(store, self.mirror) if _changed_since(body, since))

    def _counted(self, name: str) -> int | None:
        """Count a type on the server; None: it does not tell."""
        if self.members is None:
            return self._count(name, [])
        whole = 0
        for chunk in chunks(self.members, LINKS_AT_ONCE):
            part = self._count(name, self.plan.facts_of(self.plan.types[name], chunk)[1]["variants"][0])
            if part is None:
                return None
            whole += part
        return whole

    def _count(self, name: str, narrow: Parameters) -> int | None:
        self.requests += 1
        try:
            return self.plan.server.count(name, [*narrow, *self._window()], fresh=True)
        except NOT_COUNTED:
            return None

    def _window(self) -> Parameters:
        window: Parameters = []
        if self.mirror.incremental and self.mirror.held_up_to is not None:
            window.append(("_lastUpdated", f"ge{self.mirror.held_up_to}"))
        if self.mirror.server_began_at is not None:
            kick_off = datetime.fromisoformat(self.mirror.server_began_at) + self.overlap
            window.append(("_lastUpdated", f"lt{kick_off.astimezone(UTC).isoformat(timespec='seconds')}"))
        return window


def _changed_since(body: bytes, since: str) -> bool:
    """Whether a resource changed from an instant on, as it says itself; one that does not say counts as changed."""
    meta = read_body(body).get("meta")
    said = meta.get("lastUpdated") if isinstance(meta, dict) else None
    try:
        return datetime.fromisoformat(str(said)) >= datetime.fromisoformat(since)
    except (TypeError, ValueError):
        return True
