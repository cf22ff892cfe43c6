"""What other services and claims of the month do to care management (rules 3.3, 4.5, 5)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from caretally.facts.calendar import local_date
from tests.calculator import numbers
from tests.calculator.ledger import happened
from tests.calculator.papers import Papers

if TYPE_CHECKING:
    from datetime import date


class OtherServices(Papers):
    """The gates that look at what else was billed or elected."""

    def claims_gate(self, programme: str) -> None:
        for line in self.facts.claim_lines:
            mine = self.mine(line.practitioners, line.npis)
            ours = self.our_group(line.practitioners, line.organization)
            diseases = {self.disease_of_code(d) for d in line.diagnoses}
            if self.in_month(line.service_date):
                self.own_codes(programme, line.code.code, mine, diseases)
            self.matrix(programme, line.code.code, line.service_date, mine, ours, diseases)
        for visit in self.facts.visits:
            mine, ours = self.mine(visit.practitioners), self.our_group(visit.practitioners, visit.organization)
            for coding in visit.codes:
                self.matrix(programme, coding.code, visit.moment.date_in(self.zone), mine, ours, set())
        # Work logged under such a code was billed as that service, by the practitioner whose work it is (rules 3.3).
        for i, who, _, _ in self.office.shares:
            entry = self.office.entries[i]
            if who == self.me and happened(entry):
                on = entry.day or local_date(entry.interval.start, self.zone)  # type: ignore[union-attr]
                for coding in entry.procedure_codes:
                    self.matrix(programme, coding.code, on, True, True, set())
        self.elsewhere_gate(programme)
        self.surgery_gate(programme)

    def in_month(self, on: date) -> bool:
        return self.first <= on <= self.last

    def own_codes(self, programme: str, code: str, mine: bool, diseases: set[str]) -> None:
        """A claim of care management itself, on file and not written here."""
        wrong = self.blocks[programme]
        if code not in numbers.CODES_OF[programme]:
            if mine and any(code in codes for codes in numbers.CODES_OF.values()):
                wrong.add("R-CCM-PCM-SAME-PRACTITIONER")
        elif mine:
            wrong.add("R-ALREADY-BILLED")
        elif programme == "ccm":
            wrong.add("R-OTHER-CLINICIAN-CCM")
        elif diseases & self.focus_diseases():
            wrong.add("R-PCM-SAME-CONDITION")
        elif self.policy.pcm_multi_requires_exacerbation and not self.exacerbated():
            wrong.add("R-PCM-EXACERBATION")

    def surgery_gate(self, programme: str) -> None:
        for line in self.facts.claim_lines:
            period = numbers.GLOBAL_PERIODS.get(line.code.code)
            if period is not None and self.mine(line.practitioners, line.npis):
                first, last = (line.service_date + timedelta(days=n) for n in (-period[0], period[1]))
                if first <= self.last and last >= self.first:
                    self.blocks[programme].add("R-GLOBAL-REVIEW")

    def exacerbated(self) -> bool:
        return any(
            e.element == "acute-exacerbation" and self.first <= e.attested <= self.last
            for p in self.my_plans("pcm")
            for e in p.pcm_elements
        )

    def matrix(self, programme: str, code: str, on: date, mine: bool, ours: bool, diseases: set[str]) -> None:
        """What one other service of the month does to a programme (rules 3.3 and 5)."""
        for name, (reason, programmes, codes, begins, ends) in numbers.CONFLICTS.items():
            if code not in codes or programme not in programmes or not (begins <= on <= ends and self.in_month(on)):
                continue
            if name == "bhi" and self.policy.pcm_bhi != "block":
                continue
            if name == "tcm" and self.policy.tcm_concurrency != "block":
                continue
            if name in {"consult", "pin"} and not diseases & self.focus_diseases():
                continue
            scope = getattr(self.policy.conflict_scope, name, "same_practitioner")
            if mine or (scope == "same_group" and ours):
                self.blocks[programme].add(reason)

    def disease_of_code(self, icd10cm: str) -> str:
        if self.policy.condition_grouping == "mapped_group":
            group = numbers.GROUPS.get(icd10cm[:3])
            if group is not None:
                return group
        return icd10cm[:3]

    def elsewhere_gate(self, programme: str) -> None:
        """A later consent to another practice: the patient has gone there. Only CCM has one practitioner."""
        given = self.given_by_now(programme)
        own = [
            c.given.earliest(self.zone) for c in given if c.given is not None and self.names_me(c) and not self.over(c)
        ]
        if programme == "pcm" or not own:
            return
        for c in given:
            assert c.given is not None
            if self.over(c) or not c.practitioners or self.our_group(c.practitioners, None):
                continue
            if c.programmes and programme not in c.programmes:
                continue
            if c.given.earliest(self.zone) > max(own):
                self.blocks[programme].add("R-ENROLLED-ELSEWHERE")

    def hospice_gate(self, programme: str) -> None:
        for h in self.facts.hospices:
            if h.start <= self.last and (h.end is None or h.end >= self.first):
                if self.policy.hospice == "hold":
                    self.blocks[programme].add("R-HOSPICE-REVIEW")
                elif self.policy.hospice == "block":
                    self.blocks[programme].add("R-HOSPICE")
