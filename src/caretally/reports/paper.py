"""The patient's paper in words: documentation, care plan and required actions, as a stored answer holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

GUIDE = "ASCO guide, January 2025"
LISTS = (
    ("documentation", "Documentation", f"{GUIDE}, Documentation"),
    ("care_plan", "Care plan", f"{GUIDE}, Patient Care Plan"),
    ("required_actions", "Required actions", f"{GUIDE}, Required Actions"),
)
"""Key of the output, heading, source."""
TITLES = {
    "need": "why care management is needed (narrative)",
    "eligibility": "eligibility of the beneficiary",
    "care-plan": "care plan with measurable goals",
    "copy-given": "copy of the plan given to patient or caregiver",
    "permission": "prior permission, verbal or written",
    "explanation": "what was explained for it",
    "may-stop": "that consent may be ended at any time",
    "services-rendered": "support services rendered",
    "time-spent": "time spent",
    "problem-list": "problem list",
    "expected-outcome": "expected outcome and prognosis",
    "treatment-goals": "measurable treatment goals",
    "symptom-management": "symptom management",
    "planned-interventions": "planned interventions",
    "medication-management": "medication management",
    "community-services": "community and social services",
    "review-schedule": "schedule for review and revisions",
    "consent": "patient consent obtained",
    "care-team-lead": "care-team lead assigned",
    "data-recorded": "demographics, medications, allergies and problems in the record",
}
STATES = {
    "found": "found",
    "partly": "partly found",
    "unstructured": "unstructured, a person has to read it",
    "missing": "MISSING",
}
ORDER = tuple(STATES)


def paper_lines(determination: Mapping[str, Any], which: str) -> Iterator[str]:
    """Give one list of the paper, one item a line, with the resources that hold it."""
    papers = determination.get("paper", ())
    source = next(cite for key, _, cite in LISTS if key == which)
    for paper in papers:
        several = f"{paper['programme'].upper()}  " if len(papers) > 1 else ""
        for item in paper[which]:
            title = title_of(which, item["item"])
            yield f"{several}{title}: {STATES.get(item['state'], item['state'])}; {item['found']}"
            if item["evidence"]:
                yield "    evidence: " + ", ".join(item["evidence"])
    if papers:
        yield f"source: {source}"


def title_of(which: str, item: str) -> str:
    """Return what an item of a list is called."""
    if (which, item) == ("required_actions", "care-plan"):
        return "care plan established and shared"
    return TITLES.get(item, item)
