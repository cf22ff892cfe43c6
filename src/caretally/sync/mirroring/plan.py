"""What a server is asked, as slices: who the patients are, everything about them, and the practice around them.

A slice is one search over some patients or a window, is bounded, and is what goes on after a crash. A search that a
server may not offer has variants, each wider than the one before, so that the answer is never too small.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from caretally.billing import CLAIM_IDENTIFIER
from caretally.sync.mirroring.windows import windows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from caretally.facts.calendar import ServiceMonth
    from caretally.facts.codes import CodeRule, Terminology
    from caretally.facts.resource_types import ResourceType
    from caretally.fhir.server import FhirServer

PRACTICE_TYPES = ("Practitioner", "PractitionerRole", "Organization", "Location")
INCLUDES = MappingProxyType(
    {
        "PractitionerRole": (("organization", "Organization"), ("location", "Location")),
        "Organization": (("partof", "Organization"),),
    }
)
"""By type: search parameter, and type that it leads to. Only of the practice: with patients' resources the same few
people would come again on each page."""
CHUNK = 50
"""Patients, or resources by id, of one search."""
LINKS_AT_ONCE = 4 * CHUNK
"""Patients of a search for those who link to them: nearly nobody does, so that the answers are empty."""
ACTIVITY_SETS = ("activities-counted", "activities-not-counted")
PROGRAMME_MAP, CONSENT_SET = "programme", "consent-category"
FIND, PEOPLE, FACTS, CHANGES, PRACTICE = "find", "people", "facts", "changes", "practice"
PRICES = "prices"
COUNTED = "counted"
"""Stands in the store when an export was held against the server's counts; has nothing to read itself."""
PRICE_TYPE = "ChargeItemDefinition"

IN_MONTH = "{month}"
"""Stands for the days of the months in a search of a layer."""

Parameters = list[tuple[str, str]]
Planned = tuple[str, dict[str, Any]]
"""Resource type and document of a slice."""


def tokens(rules: Iterable[CodeRule]) -> str:
    """Return a token search value for rows of a code set: ``system|code``, or a whole system for patterns."""
    rows = list(rules)
    whole = {rule.system for rule in rows if rule.code is None}
    single = {f"{rule.system}|{rule.code}" for rule in rows if rule.code is not None and rule.system not in whole}
    return ",".join(sorted({f"{system}|" for system in whole} | single))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Makes the slices of one server.

    Attributes:
        types: resource types that are read and that the server offers, by name.
        months: service months whose patients are wanted.
    """

    server: FhirServer
    terminology: Terminology
    types: Mapping[str, ResourceType]
    months: Sequence[ServiceMonth]

    def find(self, *, wide: bool = False) -> list[Planned]:
        """Plan the searches for everybody who matters: with care-management time, enrolled, or with a claim of ours.

        Args:
            wide: also who is not enrolled and has a condition that may qualify.
        """
        programmes = tokens(rule for rule, _ in self.terminology.map(PROGRAMME_MAP).rows)
        consents = tokens(self.terminology.set(CONSENT_SET).rules)
        activities = tokens(rule for name in ACTIVITY_SETS for rule in self.terminology.set(name).rules)
        first, last = self.months[0].first_day, self.months[-1].last_day
        # A server reads a bare date in its own zone: one day more on either side loses nothing.
        dates = [f"ge{first - timedelta(days=1)}", f"le{last + timedelta(days=1)}"]
        by_date = self.types["Encounter"].date_search if "Encounter" in self.types else None
        window = [] if by_date is None else [(by_date, value) for value in dates]
        planned = [
            self._narrow("Encounter", [("type", activities)], window),
            self._narrow("CarePlan", [("category", programmes)], []),
            self._narrow("Consent", [("category", consents)], []),
        ]
        planned += self._by_layers(dates)
        if wide:
            planned.append(self._qualifying())
        claims = [("created", f"ge{first}"), ("_elements", "patient,billablePeriod")]
        charges = [("occurrence", f"ge{first}"), ("occurrence", f"le{last}"), ("_elements", "subject")]
        for name, parameters in (("Claim", claims), ("ChargeItem", charges)):
            if name in self.types:
                ours = self.server.identifier_parameters(name, CLAIM_IDENTIFIER)
                lost = "patients with a claim of ours who are no longer enrolled are not found"
                planned.append((name, {"variants": [[*ours, *parameters]], "lost": lost, "what": "by identifier"}))
        return [one for one in planned if one[0] in self.types]

    def _by_layers(self, dates: Sequence[str]) -> Iterator[Planned]:
        """Plan what the views of layers say: whoever has minutes or a consent in another place is found there."""
        for kind in self.types.values():
            for search in kind.found_by:
                pairs = [(name, value) for name, _, value in (part.partition("=") for part in search.split("&"))]
                filters = [(name, value) for name, value in pairs if value != IN_MONTH]
                window = [(name, day) for name, value in pairs if value == IN_MONTH for day in dates]
                name, document = self._narrow(kind.name, filters, window)
                yield name, {**document, "layer": search}

    def _qualifying(self) -> Planned:
        in_force = [("clinical-status", "active,recurrence,relapse")]
        # The code and the documented duration are looked at page by page; nothing else of a Condition is needed.
        elements = [("_elements", "subject,code,extension")]
        wider = "all of them were looked through instead, which takes longer"
        variants = [[*in_force, *elements], in_force, []]
        return "Condition", {"variants": variants, "wider": wider, "what": "by clinical-status"}

    def _narrow(self, name: str, filters: Parameters, always: Parameters) -> Planned:
        """Ask as narrowly as the server takes it, at last for everybody."""
        kind = self.types.get(name)
        element = kind.patient_elements[0] if kind else ""
        variants = [[*filters, *always, ("_elements", element)], [*filters, *always], always]
        wider = "all of them were looked through instead, which takes longer"
        return name, {"variants": variants, "wider": wider, "what": f"by {filters[0][0]}"}

    def people(self, patients: Sequence[str]) -> list[Planned]:
        """Plan the records of some patients, and those of others that link to them."""
        planned = [("Patient", self.people_of(chunk)) for chunk in chunks(patients)]
        if "link" in self.server.capabilities().resource("Patient").search_parameters:
            planned += [("Patient", self.linking_to(chunk)) for chunk in chunks(patients, LINKS_AT_ONCE)]
        return planned

    def people_of(self, patients: Sequence[str]) -> dict[str, Any]:
        """Plan the records of a few patients."""
        ids = ",".join(one.partition("/")[2] for one in patients)
        return {"variants": [[("_id", ids)]], "patients": list(patients)}

    def linking_to(self, patients: Sequence[str]) -> dict[str, Any]:
        """Plan the ids of those who link to a few patients."""
        asked = [("link", ",".join(patients)), ("_elements", "id")]
        return {"variants": [asked], "patients": list(patients), "only_people": True}

    def everybody(self) -> dict[str, Any]:
        """Plan the ids of all patients, where an export of everybody did not bring them all."""
        return {"variants": [[("_elements", "id")], []], "only_people": True}

    def facts(self, patients: Sequence[str], types: Iterable[str] | None = None) -> list[Planned]:
        """Plan everything about some patients, type by type."""
        wanted = None if types is None else set(types)
        return [
            self.facts_of(kind, chunk)
            for chunk in chunks(patients)
            for kind in self.types.values()
            if kind.patient_search is not None and kind.name != "Patient" and (wanted is None or kind.name in wanted)
        ]

    def facts_of(self, kind: ResourceType, patients: Sequence[str]) -> Planned:
        """Plan one type for some patients; servers that know only ``subject`` want the type of what they look for."""
        offered = self.server.capabilities().resource(kind.name).search_parameters
        if kind.patient_search not in offered and "subject" in offered:
            parameter = ("subject", ",".join(patients))
        else:
            parameter = (str(kind.patient_search), ",".join(one.partition("/")[2] for one in patients))
        return kind.name, {"variants": [[parameter]], "patients": list(patients)}

    def changes(self, since: str, until: str | None = None) -> list[Planned]:
        """Plan what changed since an instant, type by type and window by window, whoever it is about.

        Args:
            since: ISO 8601.
            until: about now; see `windows`.
        """
        planned: list[Planned] = []
        for begin, end in windows(since, until):
            asked = [("_lastUpdated", f"ge{begin}"), *([] if end is None else [("_lastUpdated", f"lt{end}")])]
            planned += [(name, {"variants": [asked], "since": since}) for name in self.held_types()]
        return planned

    def held_types(self) -> list[str]:
        """Return the types that a reading holds: about patients, and of the practice."""
        return [name for name, kind in self.types.items() if kind.patient_search is not None or name in PRACTICE_TYPES]

    def prices(self) -> list[Planned]:
        """Plan the price list: all of it, for R4 searches no definition by its code, and nothing refers to one."""
        lost = "charges come from the site's fee schedule or from the tables"
        return (
            [(PRICE_TYPE, {"variants": [[]], "lost": lost, "what": "as a whole"})] if PRICE_TYPE in self.types else []
        )

    def practice(self, references: Sequence[str]) -> list[Planned]:
        """Plan people and places of the practice by id, and the roles of the people."""
        planned: list[Planned] = []
        for name in PRACTICE_TYPES:
            ids = [one.partition("/")[2] for one in references if one.startswith(f"{name}/")]
            if name in self.types:
                planned += [(name, self.practice_of(name, "_id", chunk)) for chunk in chunks(ids)]
        people = [one for one in references if one.startswith("Practitioner/")]
        if "PractitionerRole" in self.types:
            planned += [
                ("PractitionerRole", self.practice_of("PractitionerRole", "practitioner", chunk))
                for chunk in chunks(people)
            ]
        return planned

    def includes(self, name: str) -> Parameters:
        """Return what may come along with a search of a type: only what the server says that it offers.

        What does not come, against the server's word, is asked for by its id as everywhere else.
        """
        offered = self.server.capabilities().resource(name).search_includes
        values = [(f"{name}:{parameter}", target) for parameter, target in INCLUDES.get(name, ())]
        return [("_include", value) for value, target in values if value in offered and target in self.types]

    def practice_of(self, name: str, parameter: str, values: Sequence[str]) -> dict[str, Any]:
        """Plan a few resources of the practice, with what may come along."""
        asked, included = (parameter, ",".join(values)), self.includes(name)
        variants = [[asked, *included], [asked]] if included else [[asked]]
        return {"variants": variants, "list": {"parameter": parameter, "values": list(values)}}


def chunks(items: Sequence[str], size: int = CHUNK) -> Iterator[Sequence[str]]:
    """Give lists of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
