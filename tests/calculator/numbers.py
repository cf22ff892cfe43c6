"""The calculator's own copy of every number and code of the rules, typed from the billing rules and not from mappings/.

A table that is changed by mistake then shows as a disagreement between the engine and the calculator.
"""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal

START = date(1900, 1, 1)
END = date(9999, 12, 31)

# family: programme, whose time, base, minutes, add-on, further minutes, most add-ons in a month (rules 0, point 4)
LADDERS = {
    "ccm-staff": ("ccm", "staff", "99490", 20, "99439", 20, 2),
    "ccm-physician": ("ccm", "physician", "99491", 30, "99437", 30, 2),
    "cccm-staff": ("ccm", "staff", "99487", 60, "99489", 30, 10),
    "pcm-staff": ("pcm", "staff", "99426", 30, "99427", 30, 2),
    "pcm-physician": ("pcm", "physician", "99424", 30, "99425", 30, 2),
}
CODES_OF = {
    "ccm": {"99490", "99439", "99491", "99437", "99487", "99489"},
    "pcm": {"99426", "99427", "99424", "99425"},
}
CONDITIONS_NEEDED = {"ccm": 2, "pcm": 1}
MONTHS_NEEDED = {"ccm": 12, "pcm": 3}

# relative values: year -> code -> (office, facility)
RELATIVE_VALUES = {
    2024: {
        "99490": ("1.88", "1.49"),
        "99439": ("1.44", "1.04"),
        "99491": ("2.54", "2.24"),
        "99437": ("1.79", "1.50"),
        "99487": ("4.03", "2.68"),
        "99489": ("2.17", "1.49"),
        "99426": ("1.86", "1.47"),
        "99427": ("1.42", "1.03"),
        "99424": ("2.48", "2.21"),
        "99425": ("1.80", "1.52"),
    },
    2025: {
        "99490": ("1.87", "1.48"),
        "99439": ("1.42", "1.02"),
        "99491": ("2.54", "2.24"),
        "99437": ("1.78", "1.48"),
        "99487": ("4.07", "2.69"),
        "99489": ("2.18", "1.46"),
        "99426": ("1.91", "1.47"),
        "99427": ("1.56", "1.06"),
        "99424": ("2.50", "2.23"),
        "99425": ("1.82", "1.52"),
    },
    2026: {
        "99490": ("1.98", "1.31"),
        "99439": ("1.51", "0.92"),
        "99491": ("2.67", "1.96"),
        "99437": ("1.89", "1.31"),
        "99487": ("4.32", "2.37"),
        "99489": ("2.34", "1.31"),
        "99426": ("2.03", "1.32"),
        "99427": ("1.62", "0.94"),
        "99424": ("2.62", "1.94"),
        "99425": ("1.84", "1.32"),
    },
}
FACILITY_PLACES = {"02", "19", "21", "22", "23", "24", "26", "31", "34", "41", "42", "51", "52", "53", "56", "61"}
BLOCKED_PLACES = {"21", "31"}


def conversion_factor(on: date) -> Decimal | None:
    if on.year == 2024:
        return Decimal("32.7442") if on < date(2024, 3, 9) else Decimal("33.2875")
    return {2025: Decimal("32.3465"), 2026: Decimal("33.4009")}.get(on.year)


def amount(code: str, units: int, on: date, place_of_service: str) -> Decimal | None:
    factor, values = conversion_factor(on), RELATIVE_VALUES.get(on.year)
    if factor is None or values is None:
        return None
    value = Decimal(values[code][place_of_service in FACILITY_PLACES])
    return (value * factor).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP) * units


def span(first: int, last: int) -> list[str]:
    return [str(n) for n in range(first, last + 1)]


# (codes, first day, last day): services with codes of their own (rules 3.3)
SEPARATE_ROWS: list[tuple[list[str], date, date]] = [
    (span(99441, 99443), START, date(2024, 12, 31)),
    (span(98000, 98016), date(2025, 1, 1), END),
    (span(98966, 98968), START, END),
    (["G2012"], START, date(2024, 12, 31)),
    (["G2251", "G2252", "G2010", "G2250"], START, END),
    (span(99605, 99607), START, END),
    (span(99421, 99423) + span(98970, 98972), START, END),
    (["99358", "99359", "99417", "99418", "G2212", "G0316", "G0317", "G0318"], START, END),
    (["93792", "93793", "G0248", "G0249", "G0250"], START, END),
    (span(90951, 90970), START, END),
    ([*span(99202, 99205), *span(99211, 99215)], START, END),
    ([*span(99221, 99223), *span(99231, 99236), "99238", "99239"], START, END),
    (span(99281, 99285), START, END),
    ([*span(99304, 99310), "99315", "99316"], START, END),
    (["99341", "99342", "99344", "99345", *span(99347, 99350)], START, END),
    (["G0402", "G0438", "G0439", "99483", "99497", "99498"], START, END),
    (["99495", "99496"], START, END),
    (["99457", "99458", "99091", "98980", "98981"], START, END),
    (["99470"], date(2026, 1, 1), END),
    (["99484", "99492", "99493", "99494", "G2214", "G0323"], START, END),
    (["G0019", "G0022", "G0023", "G0024", "G0140", "G0146"], START, END),
    (["G0181", "G0182", *span(99374, 99375), *span(99377, 99380)], START, END),
    ([*span(98960, 98962), *span(99366, 99368), "99071", "99078", "99080"], START, END),
    ([*span(99446, 99449), "99451", "99452"], START, END),
    (["G0556", "G0557", "G0558"], date(2025, 1, 1), END),
    (["M0010"], START, END),
    (["G0511"], START, date(2025, 9, 30)),
]
SEPARATE: dict[str, tuple[date, date]] = {code: (first, last) for codes, first, last in SEPARATE_ROWS for code in codes}

# conflict: reason, programmes, codes, first day, last day (rules 5)
CONFLICTS: dict[str, tuple[str, tuple[str, ...], set[str], date, date]] = {
    "esrd": ("R-CONFLICT-ESRD", ("ccm", "pcm"), set(span(90951, 90970)), START, END),
    "cpo": (
        "R-CONFLICT-CPO",
        ("ccm", "pcm"),
        {"G0181", "G0182", "99374", "99375", "99377", "99378", "99379", "99380"},
        START,
        END,
    ),
    "apcm": ("R-CONFLICT-APCM", ("ccm", "pcm"), {"G0556", "G0557", "G0558"}, date(2025, 1, 1), END),
    "meos": ("R-CONFLICT-MEOS", ("ccm", "pcm"), {"M0010"}, START, END),
    "g0511": ("R-CONFLICT-G0511", ("ccm", "pcm"), {"G0511"}, START, date(2025, 9, 30)),
    "bhi": (
        "R-CONFLICT-BHI-PCM",
        ("pcm",),
        {"99484", "99492", "99493", "99494", "G2214", "G0323"},
        START,
        END,
    ),
    "consult": ("R-CONFLICT-CONSULT-PCM", ("pcm",), {*span(99446, 99449), "99451", "99452"}, START, END),
    "pin": ("R-CONFLICT-PIN-PCM", ("pcm",), {"G0023", "G0024", "G0140", "G0146"}, START, END),
    "tcm": ("R-CONFLICT-TCM", ("ccm", "pcm"), {"99495", "99496"}, START, END),
}

# surgery: days before and after it that belong to the surgeon (rules 4.5); the codes that the random months use
GLOBAL_PERIODS = {"36561": (0, 10), "44140": (1, 90)}

OFFICE_VISITS = {*span(99202, 99205), *span(99211, 99215)}
INITIATING = {
    *("G0402", "G0438", "G0439"),
    *span(99202, 99205),
    *span(99212, 99215),
    *("99341", "99342", "99344", "99345"),
    *span(99347, 99350),
}
TRANSITION = {"99495", "99496"}
TELEHEALTH_MARKS = {"93", "95", "GT", "GQ", "FQ", "VR", *span(98000, 98015)}

COUNTED_ACTIVITIES = {
    *("care-plan", "communication", "coordination", "education", "medication", "symptom-management", "transition"),
    *("status-review", "community-services"),
}
NEVER_CHRONIC = ("R", "Z", "S", "V", "W", "X", "Y", "J06", "J20")
# Diseases under the switch condition_grouping = mapped_group, of the codes that the random months use.
GROUPS = {
    "E11": "diabetes",
    "E10": "diabetes",
    "I50": "heart-failure",
    "N18": "chronic-kidney-disease",
    "J44": "copd",
    "I10": "hypertension",
    "F03": "dementia",
    "M06": "rheumatoid-arthritis",
    "M17": "osteoarthritis",
}
