"""What a run is asked to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING

from caretally.sync.pulling import Narrowing

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime

    from caretally.billing import ChangeSet
    from caretally.facts.calendar import ServiceMonth
    from caretally.facts.policy import PolicyBook
    from caretally.sync.planning import Approval, Planned
    from caretally.sync.pulling import Progress, Source
    from caretally.sync.writes import Sink
    from caretally.tables import Configuration, Tables


def _quiet(stage: str, done: int, total: int | None) -> None:
    """Tell nobody."""


def _unobserved(planned: Planned) -> None:
    """Show nobody."""


def _unobserved_changes(change_set: ChangeSet) -> None:
    """Show nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What a run is to do.

    Attributes:
        sink: where claims go, and what is on file beside the source; None only for a plan.
        as_of: stands for today.
        now: an aware moment, for what is recorded.
        policies: `tables.policy_book` of the tables, the configuration and the flags.
        store: folder or database URL as people name it; None: see `store_of`.
        write: False for a plan: nothing of the sink changes.
        wide: also patients of a server who are not enrolled and have qualifying conditions.
        approvals: write only what people release or agree to.
        only_changed: leave the answers of patients alone of whom nothing changed since they were decided.
        observe: told every determination with its change set, in the order of the patients.
        observe_changes: told every change set that belongs to no determination: what is taken back of a record
            that was joined to another one.
    """

    source: Source
    sink: Sink | None
    month: ServiceMonth
    as_of: date
    now: Callable[[], datetime]
    tables: Tables
    configuration: Configuration
    policies: PolicyBook
    software_version: str
    store: str | None = None
    narrowing: Narrowing = field(default_factory=Narrowing)
    write: bool = True
    wide: bool = False
    approvals: tuple[Approval, ...] | None = None
    only_changed: bool = False
    progress: Progress = _quiet
    observe: Callable[[Planned], None] = _unobserved
    observe_changes: Callable[[ChangeSet], None] = _unobserved_changes

    @property
    def tenant(self) -> str:
        """Return the practice's stable name."""
        return self.configuration.writeback.tenant

    @property
    def command(self) -> str:
        """Return what the run is called in the store."""
        if not self.write:
            return "plan"
        if self.only_changed:
            return "sync"
        return "apply" if self.approvals is None else "approve"


def instant_of(request: RunRequest) -> str:
    """Return the present moment in UTC, whole seconds, ISO 8601."""
    return request.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
