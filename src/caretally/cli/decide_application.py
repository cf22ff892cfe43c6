"""The commands by which people decide, and their options; part of ``caretally review``."""

from __future__ import annotations

from typing import Annotated

import typer

from caretally.cli.failure import reported
from caretally.cli.options import (
    AnyMonthOption,
    ByOption,
    MonthOption,
    OnePractitionerOption,
    PatientArgument,
    PatientsArgument,
    SeenOption,
    Settings,
    WhereArgument,
    WhyOption,
    month_of,
    with_settings,
)

# ruff: noqa: PLC0415 -- every command loads its own module, so that --help and the others need not wait for it


def add_decisions(review: typer.Typer) -> None:
    """Add the commands to ``caretally review``."""
    for name, command in (
        ("hold", review_hold),
        ("release", review_release),
        ("elect-physician", review_elect_physician),
        ("choose-programme", review_choose_programme),
        ("attest", review_attest),
        ("override", review_override),
        ("same-person", review_same_person),
        ("different-people", review_different_people),
        ("lock-month", review_lock_month),
        ("unlock-month", review_unlock_month),
        ("withdraw", review_withdraw),
        ("decisions", review_decisions),
    ):
        review.command(name)(command)


@reported
@with_settings()
def review_hold(
    settings: Settings,
    *,
    where: WhereArgument,
    patients: PatientsArgument,
    month: MonthOption,
    practitioner: OnePractitionerOption = None,
    seen: SeenOption = None,
    by: ByOption = None,
    why: WhyOption = "",
) -> None:
    """Bill nothing of a patient-month until it is released; what is on file stays as it is."""
    from caretally.cli.decide_command import Words, decide
    from caretally.facts.decision import DecisionKind

    words = Words(patients=patients, month=month_of(month), practitioner=practitioner, seen=seen, by=by, why=why)
    decide(settings, DecisionKind.HOLD, where=where, words=words)


@reported
@with_settings()
def review_release(
    settings: Settings,
    *,
    where: WhereArgument,
    patients: PatientsArgument,
    month: MonthOption,
    practitioner: OnePractitionerOption = None,
    seen: SeenOption = None,
    by: ByOption = None,
    why: WhyOption = "",
) -> None:
    """End a hold; drafts are released with approve."""
    from caretally.cli.decide_command import Words, decide
    from caretally.facts.decision import DecisionKind

    words = Words(patients=patients, month=month_of(month), practitioner=practitioner, seen=seen, by=by, why=why)
    decide(settings, DecisionKind.RELEASE, where=where, words=words)


@reported
@with_settings()
def review_elect_physician(
    settings: Settings,
    *,
    where: WhereArgument,
    patient: PatientArgument,
    month: MonthOption,
    practitioner: OnePractitionerOption = None,
    staff: Annotated[bool, typer.Option("--staff", help="Take the staff codes after all.")] = False,
    seen: SeenOption = None,
    by: ByOption = None,
    why: WhyOption = "",
) -> None:
    """Bill the practitioner's own codes in a month, and leave the staff time aside."""
    from caretally.cli.decide_command import Words, decide
    from caretally.facts.decision import DecisionKind

    words = Words(
        patients=[patient],
        month=month_of(month),
        practitioner=practitioner,
        seen=seen,
        document={"value": "staff" if staff else "physician"},
        by=by,
        why=why,
    )
    decide(settings, DecisionKind.ELECT_PHYSICIAN, where=where, words=words)


@reported
@with_settings()
def review_choose_programme(
    settings: Settings,
    *,
    where: WhereArgument,
    patient: PatientArgument,
    programme: Annotated[str, typer.Argument(metavar="PROGRAMME", help="ccm or pcm.", show_default=False)],
    month: MonthOption,
    practitioner: OnePractitionerOption = None,
    seen: SeenOption = None,
    by: ByOption = None,
    why: WhyOption = "",
) -> None:
    """Say which of two programmes is billed in a month where both could be."""
    from caretally.cli.decide_command import Words, decide
    from caretally.facts.decision import DecisionKind

    words = Words(
        patients=[patient],
        month=month_of(month),
        practitioner=practitioner,
        seen=seen,
        document={"value": programme},
        by=by,
        why=why,
    )
    decide(settings, DecisionKind.CHOOSE_PROGRAMME, where=where, words=words)


@reported
@with_settings()
def review_attest(
    settings: Settings,
    *,
    where: WhereArgument,
    fact: Annotated[
        str | None,
        typer.Argument(
            metavar="FACT", help="risk, mdm, pcm-element, copy-given, need or distinct-time.", show_default=False
        ),
    ] = None,
    patient: Annotated[
        str | None, typer.Argument(metavar="PATIENT", help="Patient/ID, or the id alone.", show_default=False)
    ] = None,
    value: Annotated[
        str,
        typer.Option(
            "--value",
            metavar="VALUE",
            help="yes or no; for mdm the level; for pcm-element the element, or no:ELEMENT.",
        ),
    ] = "yes",
    date: Annotated[
        str | None,
        typer.Option("--date", metavar="YYYY-MM-DD", help="Day on which it held or happened.", show_default=False),
    ] = None,
    subject: Annotated[
        str | None,
        typer.Option(
            "--subject",
            metavar="REFERENCE",
            help="What it is about: a Condition (risk), an Encounter (distinct-time) or a CarePlan.",
            show_default=False,
        ),
    ] = None,
    practitioner: OnePractitionerOption = None,
    file: Annotated[
        str | None,
        typer.Option("--from", metavar="FILE", help="Many at once, from a CSV file.", show_default=False),
    ] = None,
    by: ByOption = None,
    why: WhyOption = "",
) -> None:
    """Attest a fact that the record does not hold; the latest dated one counts."""
    from caretally.cli.decide_command import Words, attest_from_file, decide
    from caretally.errors import UsageError
    from caretally.facts.decision import DecisionKind
    from caretally.sync.attestation import attestation_document

    if file is not None:
        if fact is not None:
            raise UsageError("a fact and --from are both given; give one of them")
        attest_from_file(settings, where=where, path=file, by=by, why=why)
        return
    if fact is None or patient is None or date is None:
        raise UsageError("name the fact, the patient and --date, or give a CSV file with --from")
    words = Words(
        patients=[patient],
        practitioner=practitioner,
        resource=subject,
        document=attestation_document(fact, value, date),
        by=by,
        why=why,
    )
    decide(settings, DecisionKind.ATTEST, where=where, words=words)


@reported
@with_settings()
def review_override(
    settings: Settings,
    *,
    where: WhereArgument,
    patient: PatientArgument,
    code: Annotated[str, typer.Argument(metavar="CODE", help="Code of the hold, R-….", show_default=False)],
    month: MonthOption,
    practitioner: OnePractitionerOption = None,
    seen: SeenOption = None,
    by: ByOption = None,
    why: WhyOption = "",
) -> None:
    """Go on in spite of a hold that asked a person to look; it holds for the evidence of now."""
    from caretally.cli.decide_command import Words, decide
    from caretally.facts.decision import DecisionKind

    words = Words(
        patients=[patient],
        month=month_of(month),
        practitioner=practitioner,
        seen=seen,
        document={"code": code},
        by=by,
        why=why,
    )
    decide(settings, DecisionKind.OVERRIDE, where=where, words=words)


@reported
@with_settings()
def review_same_person(
    settings: Settings,
    *,
    where: WhereArgument,
    stands: Annotated[
        str, typer.Argument(metavar="STANDS", help="The Patient record that stands.", show_default=False)
    ],
    other: Annotated[
        str, typer.Argument(metavar="OTHER", help="The other record of the same person.", show_default=False)
    ],
    by: ByOption = None,
    why: WhyOption = "",
) -> None:
    """Say that two Patient records are one person, who is billed once, under the first."""
    from caretally.cli.decide_command import decide_pair
    from caretally.facts.decision import DecisionKind

    decide_pair(settings, DecisionKind.SAME_PERSON, where=where, records=(stands, other), by=by, why=why)


@reported
@with_settings()
def review_different_people(
    settings: Settings,
    *,
    where: WhereArgument,
    one: Annotated[str, typer.Argument(metavar="ONE", help="A Patient record.", show_default=False)],
    other: Annotated[str, typer.Argument(metavar="OTHER", help="Another Patient record.", show_default=False)],
    by: ByOption = None,
    why: WhyOption = "",
) -> None:
    """Say that two Patient records with one beneficiary identifier are two people."""
    from caretally.cli.decide_command import decide_pair
    from caretally.facts.decision import DecisionKind

    decide_pair(settings, DecisionKind.DIFFERENT_PEOPLE, where=where, records=(one, other), by=by, why=why)


@reported
@with_settings()
def review_lock_month(
    settings: Settings,
    *,
    where: WhereArgument,
    month: MonthOption,
    by: ByOption = None,
    why: WhyOption = "",
) -> None:
    """Close a month: no claim of it is changed, and no change proposed, until it is unlocked."""
    from caretally.cli.decide_command import Words, decide
    from caretally.facts.decision import DecisionKind

    decide(settings, DecisionKind.LOCK_MONTH, where=where, words=Words(month=month_of(month), by=by, why=why))


@reported
@with_settings()
def review_unlock_month(
    settings: Settings,
    *,
    where: WhereArgument,
    month: MonthOption,
    by: ByOption = None,
    why: WhyOption = "",
) -> None:
    """Open a locked month again."""
    from caretally.cli.decide_command import Words, decide
    from caretally.facts.decision import DecisionKind

    decide(settings, DecisionKind.UNLOCK_MONTH, where=where, words=Words(month=month_of(month), by=by, why=why))


@reported
@with_settings()
def review_withdraw(
    settings: Settings,
    *,
    where: WhereArgument,
    decision: Annotated[
        str, typer.Argument(metavar="DECISION", help="Id of the decision, from review decisions.", show_default=False)
    ],
    by: ByOption = None,
    why: WhyOption = "",
) -> None:
    """Take an earlier decision back by a later one; both are kept."""
    from caretally.cli.decide_command import Words, decide
    from caretally.facts.decision import DecisionKind

    decide(settings, DecisionKind.WITHDRAW, where=where, words=Words(resource=decision, by=by, why=why))


@reported
@with_settings()
def review_decisions(
    settings: Settings,
    *,
    where: WhereArgument,
    patient: Annotated[
        str | None, typer.Option("--patient", metavar="ID", help="About this patient only.", show_default=False)
    ] = None,
    month: AnyMonthOption = None,
) -> None:
    """List what people decided: when, who, what, why."""
    from caretally.cli.decide_command import show_decisions

    show_decisions(settings, where=where, patient=patient, month=None if month is None else month_of(month))
