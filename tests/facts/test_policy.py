from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from caretally.facts.clinical import CoverageFact
from caretally.facts.codes import Coding
from caretally.facts.policy import PayerMatch, PayerPolicy, Policy, PolicyBook, Switches
from caretally.facts.practice import Site


def payer(name: str, *types: str, **values: object) -> PayerPolicy:
    return PayerPolicy(
        name=name,
        title=name,
        switches=Switches(source=f"{name}.toml", values=values),
        match=PayerMatch(coverage_types=frozenset(types)),
    )


def coverage(code: str) -> CoverageFact:
    return CoverageFact(
        reference="Coverage/c", status="active", start=None, end=None, type_codes=(Coding("sopt", code),)
    )


BOOK = PolicyBook(
    payers={
        "medicare": payer("medicare", "sopt|121"),
        "plan": payer("plan", "sopt|5", dos="with_last", hospice="warn"),
    },
    practice=Switches(source="[policy]", values={"hospice": "block"}),
    sites={"north": Switches(source="[site.north.policy]", values={"dos": "month_end"})},
)


def test_the_coverage_chooses_the_payer_and_an_unknown_one_gets_the_default() -> None:
    assert BOOK.effective(coverage("5"), Site(name="south")).policy.dos == "with_last"
    unknown = BOOK.effective(coverage("9"), Site(name="south"))
    assert (unknown.payer, unknown.payer_known) == ("medicare", False)


def test_site_outranks_practice_outranks_payer_and_each_switch_tells_its_origin() -> None:
    found = BOOK.effective(coverage("5"), Site(name="north", zone=ZoneInfo("America/Chicago")))
    assert (found.policy.dos, found.policy.hospice, found.policy.zone) == ("month_end", "block", "America/Chicago")
    assert found.origins == {"dos": "[site.north.policy]", "hospice": "[policy]", "zone": "site.north"}


@pytest.mark.parametrize(
    "values",
    [{"dso": "threshold"}, {"dos": "first"}, {"close_grace_days": -1}, {"zone": "Mars/Base"}, {"caps": {"99439": 0}}],
)
def test_a_switch_that_does_not_exist_or_fit_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Policy.model_validate(values)
