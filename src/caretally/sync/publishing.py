"""Where answers stand after a run: in the store, and in the files of a folder sink."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caretally.store import answers, runs
from caretally.sync.failpoints import failpoint
from caretally.sync.sinks.folder import FolderSink

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caretally.facts.determination import Determination
    from caretally.facts.practice import Practice
    from caretally.store.answers import AnswerRecord
    from caretally.store.opening import Store
    from caretally.sync.pulling import Narrowing
    from caretally.sync.request import RunRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishing:
    """Keeps and publishes the answers of one run; a plan keeps nothing.

    Attributes:
        joined: for each Patient record that was joined to another one, which.
        undecided: patients whose earlier answers stay, because the run could not decide them.
    """

    request: RunRequest
    store: Store
    run_id: str
    joined: Mapping[str, str]
    undecided: set[str]

    def keep(self, decided: Sequence[str], found: Sequence[AnswerRecord]) -> None:
        """Put the answers of some patients in place of those they had."""
        if not self.request.write:
            return
        if self.request.narrowing.by_practitioner:
            for answer in found:
                answers.replace_answer(self.store, answer)
            return
        here = set(decided)
        others = [old for old, new in self.joined.items() if new in here]
        answers.replace_answers(self.store, str(self.request.month), [*decided, *others], found)

    def publish(self, practice: Practice, chosen: set[str]) -> None:
        """Put answers and issue rows where people look for them.

        Args:
            practice: to tell practitioners apart.
            chosen: patients that a narrowed run was for and could decide.
        """
        request = self.request
        if not request.write:
            return
        runs.forget_issues_before(self.store, self.run_id)
        if not (request.narrowing.by_patient or request.narrowing.by_practitioner):
            month, undecided = str(request.month), sorted(self.undecided)
            answers.drop_answers_of_other_runs(self.store, month, self.run_id, undecided)
        if isinstance(request.sink, FolderSink):
            self._publish_files(request.sink, practice, chosen)

    def _publish_files(self, sink: FolderSink, practice: Practice, chosen: set[str]) -> None:
        narrowing, month = self.request.narrowing, str(self.request.month)
        decided = chosen | {old for old, new in self.joined.items() if new in chosen}

        def replaces(line: Mapping[str, Any]) -> bool:
            patient = line.get("patient")
            if line.get("service_month") != month or patient in self.undecided:
                return False
            if narrowing.by_patient and patient not in decided:
                return False
            return practitioner_asked_for(narrowing, practice, line.get("billing_practitioner"))

        failpoint("before-determinations")
        new = (
            one.document
            for one in answers.answers_of(self.store, month, run_id=self.run_id)
            if one.patient not in self.undecided
        )
        sink.publish_determinations(new, replaces)
        sink.publish_issues(runs.issues_of(self.store, self.run_id))


def asked_for(narrowing: Narrowing, practice: Practice, determination: Determination) -> bool:
    """Whether a run is for the billing practitioner of a determination."""
    return practitioner_asked_for(narrowing, practice, determination.billing_practitioner)


def practitioner_asked_for(narrowing: Narrowing, practice: Practice, practitioner: Any) -> bool:
    """Whether a run is for a billing practitioner."""
    if not narrowing.by_practitioner:
        return True
    if not isinstance(practitioner, str):
        return False
    named = any(practice.same_practitioner(practitioner, one) for one in narrowing.practitioners)
    return named or practice.site_of(practitioner).name in narrowing.sites
