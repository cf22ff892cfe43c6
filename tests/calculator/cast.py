"""Who and what the random patient-months are made of: people, codes, the values of every switch."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from caretally.facts.codes import CPT, HCPCS, ICD10CM, Coding
from caretally.facts.time_entry import RoleClass
from caretally.tables import Tables, load_tables
from tests.calculator import numbers

ZONES = ("America/New_York", "America/Chicago", "America/Phoenix", "America/Los_Angeles", "Pacific/Honolulu")
PRACTITIONER, STAFF = RoleClass.PRACTITIONER, RoleClass.CLINICAL_STAFF
P1, P2, P3 = "Practitioner/P1", "Practitioner/P2", "Practitioner/P3"
PEOPLE: dict[str, tuple[RoleClass, str, str | None]] = {
    P1: (PRACTITIONER, "GRP1", "207RH0003X"),
    P2: (PRACTITIONER, "GRP1", "207RH0003X"),
    P3: (PRACTITIONER, "GRP2", "207R00000X"),
    "Practitioner/P4": (PRACTITIONER, "GRP1", "207RC0000X"),
    "Practitioner/N1": (STAFF, "GRP1", "163W00000X"),
    "Practitioner/N2": (STAFF, "GRP1", None),
    "Practitioner/N3": (STAFF, "VENDOR", None),
    "Practitioner/R1": (STAFF, "GRP1", "183500000X"),
    "Practitioner/C1": (RoleClass.COMMUNITY_HEALTH_WORKER, "GRP1", None),
    "Practitioner/F1": (RoleClass.NON_CLINICAL, "GRP1", None),
    "Practitioner/U1": (RoleClass.UNKNOWN, "GRP1", None),
}
WORKERS = (P1, P2, P3, "Practitioner/P4", *(f"Practitioner/{x}" for x in ("N1", "N2", "N3", "R1", "C1", "F1", "U1")))
WORKER_WEIGHTS = (22, 6, 2, 2, 40, 10, 4, 4, 4, 3, 2)
ACTIVITIES = (*sorted(numbers.COUNTED_ACTIVITIES),) * 4 + (
    *("prior-authorization", "unsuccessful-contact", "scheduling", "billing", "enrolment", "travel"),
    *("training", "time-logging", "something-new"),
)
SEPARATE = (
    *("93792", "98012", "99442", "G2012", "99496", "99484", "99457", "99470", "G0511", "99421", "90960"),
    "G0556",
)
NEUTRAL = ("G0179", "G0180", "99490", "36415")
ILLNESSES = ("E11.9", "E11.65", "I50.22", "C50.911", "N18.4", "J44.9", "I10", "F03.90", "M06.9", "C34.11", "E10.9")
OTHERS = ("R53.83", "Z85.3", "K59.00", "L20.9", "H92.01", "J06.9")
CONFLICTING = {
    "esrd": ("90961", "90970"),
    "cpo": ("G0181", "99375"),
    "apcm": ("G0557",),
    "meos": ("M0010",),
    "g0511": ("G0511",),
    "bhi": ("99484", "G2214"),
    "tcm": ("99495", "99496"),
    "consult": ("99452",),
    "pin": ("G0023",),
    "surgery": ("36561", "44140"),
    "certification": ("G0179",),
}
DISCLOSURES = ("one-practitioner", "service", "cost-sharing", "may-stop")
OWN = ("99490", "99439", "99487", "99491", "99426", "99424", "99489")
SWITCHES: dict[str, tuple[Any, ...]] = {
    "dos": ("with_last", "month_end", "last_entry"),
    "rounding": ("floor_entry", "floor_total"),
    "caps": ({"99439": 1, "99427": 3}, {"99489": 1, "99437": 4}, {"99425": 1}),
    "physician_time": ("roll_up", "separate"),
    "ccm_vs_cccm": ("highest_allowed", "never_complex"),
    "cccm_requires_plan_revision": (True,),
    "same_day_em": ("exclude_whole_day", "overlap_only"),
    "consent_form": ("noridian",),
    "consent_disclosures": ("require",),
    "contracted_staff": ("attested",),
    "consent_max_age_months": (1, 6, 12),
    "consent_per_programme": (False,),
    "consent_after_visit": (True,),
    "revocation_effective": ("immediate",),
    "initiating_visit.performer": ("same_npi",),
    "initiating_visit.lookback_years": (2, 3),
    "initiating_visit.accept_tcm": (False,),
    "initiating_visit.accept_telehealth": (False,),
    "condition_grouping": ("mapped_group",),
    "assume_risk_for_listed": (True,),
    "other_practitioner_time": ("physician",),
    "close_grace_days": (0, 10),
    "conflict_scope.esrd": ("same_group",),
    "conflict_scope.cpo": ("same_group",),
    "conflict_scope.apcm": ("same_practitioner",),
    "conflict_scope.meos": ("same_practitioner",),
    "tcm_concurrency": ("block",),
    "pcm_bhi": ("allow",),
    "pcm_multi_requires_exacerbation": (True,),
    "hospice": ("block", "warn"),
    "chw_is_clinical_staff": (True,),
    "count_activities.prior_authorization": (True,),
    "count_activities.unsuccessful_contact": (True,),
    "count_activities.scheduling": (True,),
    "count_activities.time_logging": (True,),
    "other_claims_known": ("full",),
    "service_date_form": ("month_span",),
    "correction": ("frequency", "reopening"),
    "max_entry_minutes": (60,),
}


@lru_cache
def tables() -> Tables:
    return load_tables()


@lru_cache
def zone_named(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache
def procedure(code: str) -> Coding:
    return Coding(CPT if code.isdigit() else HCPCS, code)


@lru_cache
def icd(code: str) -> tuple[Coding, str | None, bool]:
    coding = Coding(ICD10CM, code)
    known = tables().terminology
    return coding, known.map("condition-groups").target([coding]), known.set("chronic-conditions").contains(coding)
