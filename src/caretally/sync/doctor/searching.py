"""Checks of how a server searches and pages: what a pull relies on, and what it does without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caretally.errors import CaretallyError, IncompletePullError
from caretally.fhir.searching import LONGEST_ADDRESS, WarningKind
from caretally.sync.mirroring.plan import INCLUDES
from caretally.sync.resources import own_id, patient_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caretally.fhir.capability import Capabilities
    from caretally.fhir.searching import Page
    from caretally.fhir.server import FhirServer
    from caretally.sync.doctor.check import Findings
    from caretally.sync.mirroring.plan import Plan

Parameters = list[tuple[str, str]]
SAMPLE = 10
"""Patients that the checks look at."""


@dataclass(kw_only=True)
class SearchChecks:
    """Checks of one server's searches; every one is a read."""

    server: FhirServer
    capabilities: Capabilities
    plan: Plan
    findings: Findings

    def run(self) -> list[str]:
        """Make all checks; return some patients with care-management data, for the sample."""
        patients = self._found()
        anybody = patients or self._anybody()
        self._by_patient(anybody)
        self._by_patients(anybody)
        self._by_changes()
        self._by_post(anybody)
        self._pages()
        self._counts()
        self._includes()
        self._exports()
        return patients[:SAMPLE]

    def _first(self, name: str, parameters: Parameters) -> Page | str:
        """Give the first page, or what went wrong."""
        try:
            page = next(iter(self.server.search(name, [*parameters, ("_count", "20")])))
        except CaretallyError as error:
            return str(error)
        ignored = [w.detail for w in page.warnings if w.kind is WarningKind.PARAMETER_IGNORED]
        return ignored[0] if ignored else page

    def _found(self) -> list[str]:
        """Check the searches that find the patients of a month; return those that were found."""
        names = {
            "Encounter": "find-by-activity",
            "CarePlan": "find-by-plan",
            "Consent": "find-by-consent",
            "Claim": "find-own-claims",
            "ChargeItem": "find-own-charges",
        }
        patients: dict[str, None] = {}
        for name, document in self.plan.find():
            check = "find-by-layer" if "layer" in document else names[name]
            page = self._first(name, [(str(k), str(v)) for k, v in document["variants"][0] if k != "_elements"])
            if isinstance(page, str):
                means = str(document.get("wider") or document.get("lost"))
                self.findings.warn(check, page, means=means, fix=f"ask for the search of {name} {document['what']}")
                continue
            people = self._people(name, page.resources)
            patients |= dict.fromkeys(people)
            if (name in {"Encounter", "CarePlan", "Consent"} or "layer" in document) and not page.resources:
                self.findings.warn(
                    check,
                    f"the search works and finds no {name} in the months looked at",
                    means="nobody has care management as the mappings know it",
                    fix="if there should be some, see `caretally map show` for one of them, and add a view or code",
                )
            else:
                self.findings.ok(check, f"works; {len(page.resources)} on the first page")
        return list(patients)

    def _people(self, name: str, resources: Sequence[dict[str, Any]]) -> list[str]:
        kind = self.plan.types[name]
        return [patient for one in resources if (patient := patient_of(one, kind)) is not None]

    def _anybody(self) -> list[str]:
        page = self._first("Patient", [])
        rows = [] if isinstance(page, str) else page.resources
        return [f"Patient/{name}" for row in rows if (name := own_id(row)) is not None]

    def _by_patient(self, patients: Sequence[str]) -> None:
        check = "search-by-patient"
        if not patients:
            self.findings.skip(check, "the server shows no patient")
            return
        failed = []
        for kind in self.plan.types.values():
            if kind.patient_search is not None and kind.name != "Patient":
                name, document = self.plan.facts_of(kind, patients[:1])
                page = self._first(name, document["variants"][0])
                if isinstance(page, str):
                    failed.append(f"{name} ({page})")
        if failed:
            self.findings.fail(
                check,
                "; ".join(failed),
                means="patients count as incomplete, and nothing is decided for them",
                fix="ask for the search by patient of these types",
            )
        else:
            self.findings.ok(check, "works for every type that is read")

    def _by_patients(self, patients: Sequence[str]) -> None:
        check = "search-by-patient-list"
        if len(patients) < 2:  # noqa: PLR2004 -- a list has two
            self.findings.skip(check, "the server shows fewer than two patients")
            return
        name, document = self.plan.facts_of(self.plan.types["Condition"], patients[:2])
        page = self._first(name, document["variants"][0])
        if isinstance(page, str):
            self.findings.warn(
                check,
                page,
                means="patients are asked for one by one: fifty times the requests",
                fix="nothing is lost; run at night, or read by export",
            )
        else:
            self.findings.ok(check, "fifty patients are asked for at a time")

    def _by_changes(self) -> None:
        page = self._first("Encounter", [("_lastUpdated", "ge2100-01-01T00:00:00+00:00")])
        if isinstance(page, str) or page.resources:
            found = page if isinstance(page, str) else "a search for changes of the year 2100 finds resources"
            self.findings.warn(
                "search-by-change",
                found,
                means="`caretally sync` compares everything each time",
                fix="ask for _lastUpdated, or read changes by export",
            )
        else:
            found = "_lastUpdated works: `caretally sync` reads only what changed, in windows of a day"
            self.findings.ok("search-by-change", found)

    def _by_post(self, patients: Sequence[str]) -> None:
        check = "search-by-post"
        if not patients:
            self.findings.skip(check, "the server shows no patient")
            return
        # Long enough to be sent as POST, with a patient who is there and others who are not.
        padding = [f"caretally-doctor-{number:03}" for number in range(LONGEST_ADDRESS // 20)]
        name, document = self.plan.facts_of(self.plan.types["Condition"], [patients[0], *padding])
        page = self._first(name, document["variants"][0])
        if isinstance(page, str):
            self.findings.warn(
                check,
                page,
                means="long lists of patients are refused, and asked for one by one",
                fix="ask for POST [type]/_search",
            )
        else:
            self.findings.ok(check, "long searches are sent by POST")

    def _pages(self) -> None:
        try:
            pages = self.server.search("Patient", [("_count", "1"), ("_elements", "id")])
            first = next(iter(pages))
            second = None if first.next_link is None else next(pages)
        except IncompletePullError as error:
            self.findings.fail(
                "paging",
                str(error),
                means="only first pages can be read, so that every pull is incomplete",
                fix="if the address is the server's own, add it to allowed_alias_bases of [server]",
            )
            self.findings.skip("page-size", "the second page cannot be read")
            return
        except CaretallyError as error:
            self.findings.fail(
                "paging", str(error), means="only first pages can be read", fix="ask the server's administrator"
            )
            self.findings.skip("page-size", "the second page cannot be read")
            return
        if second is None:
            self.findings.ok("paging", "one page holds everything; nothing to go on to")
        else:
            self.findings.ok("paging", "next links stay on the server, and the second page is another one")
        self._page_size()

    def _page_size(self) -> None:
        asked = self.server.settings.page_size
        page = next(iter(self.server.search("Encounter", [("_count", str(asked))])), None)
        size = 0 if page is None else len(page.resources)
        if page is not None and page.next_link is not None and size < asked:
            self.findings.warn(
                "page-size",
                f"{size} resources a page, although {asked} were asked for",
                means="more requests than needed",
                fix=f"set page_size of [server] to {size}, or ask for larger pages",
            )
        else:
            self.findings.ok("page-size", f"{size} resources on a page of {asked}")

    def _counts(self) -> None:
        page = self._first("Patient", [("_summary", "count")])
        if isinstance(page, str) or page.total is None:
            self.findings.warn(
                "totals",
                page if isinstance(page, str) else "no total",
                means="export is not chosen by itself where it would be cheaper",
                fix="say --by export where the practice is most of the server",
            )
        else:
            self.findings.ok("totals", f"{page.total} patients on the server")

    def _includes(self) -> None:
        used = {name: self.plan.includes(name) for name in INCLUDES if name in self.plan.types}
        values = [value for parameters in used.values() for _, value in parameters]
        if not values:
            found = "none offered that would help: organizations and places are read by id, a round of requests more"
            self.findings.ok("includes", found)
            return
        for name, parameters in used.items():
            page = self._first(name, parameters) if parameters else None
            if isinstance(page, str):
                self.findings.warn(
                    "includes",
                    f"{name} with {', '.join(value for _, value in parameters)} is offered and refused ({page})",
                    means="organizations and places are read by id, after a request in vain",
                    fix="nothing is lost",
                )
                return
        self.findings.ok("includes", f"used: {', '.join(values)}; only of the practice, not with every patient")

    def _exports(self) -> None:
        offered = {
            "system": self.capabilities.export,
            "Patient": self.capabilities.patient_export,
            "Group": self.capabilities.group_export,
        }
        levels = [name for name, there in offered.items() if there]
        if levels:
            self.findings.ok("bulk-export", f"offered for {', '.join(levels)}")
        else:
            self.findings.warn(
                "bulk-export",
                "not offered",
                means="a large practice is read by search, which takes longer",
                fix="nothing is lost",
            )
