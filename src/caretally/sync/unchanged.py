"""Whether anything that an answer was made from has changed since it was given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from caretally.facts.policy import Policy
from caretally.store import answers, outbox, staging
from caretally.store.decisions import decisions_of
from caretally.sync.mirroring.plan import PRACTICE_TYPES

if TYPE_CHECKING:
    from caretally.facts.policy import PolicyBook
    from caretally.store.answers import AnswerRecord
    from caretally.store.opening import Store
    from caretally.sync.deciding import FirstPass, PatientRecord
    from caretally.sync.request import RunRequest


def _stable(value: Any) -> str:
    """Give one text for equal values in every process: the order of a set differs from one to the next."""
    if is_dataclass(value) and not isinstance(value, type):
        # What is no part of a value, such as what it has worked out so far, is no part of its text either.
        return _stable({one.name: getattr(value, one.name) for one in fields(value) if one.compare})
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_stable(value[key])}" for key in sorted(value, key=str)) + "}"
    if isinstance(value, frozenset | set):
        return "(" + ",".join(sorted(map(_stable, value))) + ")"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_stable, value)) + "]"
    return repr(value)


def _longest_grace_days(policies: PolicyBook) -> int:
    layers = (*(payer.switches for payer in policies.payers.values()), policies.practice, policies.flags)
    set_to = [layer.values.get("close_grace_days") for layer in (*layers, *policies.sites.values())]
    return max([Policy().close_grace_days, *(days for days in set_to if isinstance(days, int))])


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """Compares what is known of a patient-month with what its answers were made from.

    An answer is made from the patient's resources, the practice, what people decided, the tables, the switches and
    the program, from double bookings with other patients, and from whether the month is closed.
    """

    store: Store
    request: RunRequest
    pull_id: str
    seen: FirstPass
    _common: str = field(init=False)
    _failed: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        request, month = self.request, str(self.request.month)
        closes = request.month.last_day + timedelta(days=_longest_grace_days(request.policies))
        hashed = sha256()
        for text in (
            request.tables.version,
            request.software_version,
            _stable(request.policies),
            request.configuration.model_dump_json(),
            month,
            # Until a month is surely closed, each day may answer differently.
            "closed" if request.as_of > closes else request.as_of.isoformat(),
            # What people decided for everybody, such as a locked month.
            *(one.id for one in decisions_of(self.store, "")),
        ):
            hashed.update(text.encode() + b"\0")
        for row in staging.of_types(self.store, self.pull_id, PRACTICE_TYPES):
            hashed.update(row.body)
        object.__setattr__(self, "_common", hashed.hexdigest())
        failed = outbox.failed_intents(self.store, month)
        object.__setattr__(self, "_failed", frozenset(intent.patient for intent, _ in failed))

    def digest(self, record: PatientRecord) -> str:
        """Give one text for everything that the answers of a patient-month are made from."""
        decided = decisions_of(self.store, record.patient)
        parts = (
            self._common,
            record.digest,
            repr(self.seen.bookings.get(record.patient, ())),
            repr(self.seen.duplicates.get(record.patient, ())),
            *(one.id for one in decided),
        )
        return sha256("\0".join(parts).encode()).hexdigest()

    def answers(self, record: PatientRecord, run_id: str) -> list[AnswerRecord] | None:
        """Give the answers that still stand, as of a run; None where the patient-month is to be decided."""
        if record.patient in self._failed:
            return None
        found = answers.find_answers(self.store, record.patient, str(self.request.month))
        if any(one.document.get("lines") for one in found) and not record.own:
            return None  # what was written is no longer there
        digest = self.digest(record)
        if not found or any(one.facts_digest != digest for one in found):
            return None
        return [replace(one, run_id=run_id) for one in found]
