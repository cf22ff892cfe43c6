"""A logged piece of care-management work, as the mapping read it and before any rule has judged it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from caretally.facts.calendar import local_date

if TYPE_CHECKING:
    from datetime import date
    from zoneinfo import ZoneInfo

    from caretally.facts.codes import Coding
    from caretally.facts.intervals import Interval


class RoleClass(StrEnum):
    """Who somebody is to the time rules (billing-rules 3.1)."""

    PRACTITIONER = "practitioner"
    """May bill: physician, NP, PA, CNS, CNM."""
    CLINICAL_STAFF = "clinical-staff"
    COMMUNITY_HEALTH_WORKER = "community-health-worker"
    NON_CLINICAL = "non-clinical"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Performer:
    """One person who did the work."""

    reference: str
    role: RoleClass
    group: str | None = None
    """Key of the group (TIN, else Organization reference) that the person works for; see `Practice`."""
    specialty: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeEntry:
    """One logged entry. ``interval`` is set when both ends are known, else ``day`` alone says when.

    ``seconds`` is what was logged: the smaller of `length` and `period` where both are given. An entry that
    the mapping refused keeps its seconds where they are known and carries ``invalid``, so that the ledger
    still balances (exclusion X-INVALID).
    """

    reference: str
    version: str | None
    """`meta.versionId`, else ``sha256:`` and the digest of the canonical JSON."""
    status: str
    performers: tuple[Performer, ...]
    programme: str | None
    """Programme named by the entry itself (``ccm``, ``pcm``); None: from the enrolment in force."""
    activities: tuple[str, ...]
    """Codes of the care-management-activity system, empty when none was given."""
    procedure_codes: tuple[Coding, ...]
    """CPT and HCPCS codings on the entry."""
    seconds: int
    interval: Interval | None = None
    day: date | None = None
    attending: str | None = None
    """Practitioner that the entry names as the billing one (participant type ATND)."""
    distinct_from_visit: bool = False
    zone_assumed: bool = False
    """A stamp without offset was read in the practice's zone."""
    copy_number: int = 0
    """0 for the first time a resource is seen, 1 and more for each further identical copy."""
    invalid: str | None = None
    """Issue code of the refusal; None for a sound entry."""

    def date_in(self, zone: ZoneInfo) -> date | None:
        """Return the local day on which the work began; None where nobody said when it was."""
        return self.day or (local_date(self.interval.start, zone) if self.interval else None)
