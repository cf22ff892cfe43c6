"""One patient-month as the planning sees it, and what the parts of the planning answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from caretally.billing.build import assemble
from caretally.billing.claim import REPLACEMENT, Superseded, payer_control_number
from caretally.billing.content import CLAIM_PROGRESS, CLAIM_WITHDRAWAL, CONTENT_DIGEST, PAYER_HAS_IT, State, extension
from caretally.billing.context import policy_of
from caretally.billing.difference import differences, same_content
from caretally.billing.on_file import charge_key
from caretally.facts.determination import Finding
from caretally.facts.reasons import Hold, Notice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caretally.billing.build import Desired
    from caretally.billing.change_set import Change
    from caretally.billing.context import BillingContext, Decision
    from caretally.billing.identity import ClaimIdentity
    from caretally.billing.on_file import Filed, Files, Filing
    from caretally.facts.determination import Action, Determination

_OWN_WORDS = {
    Hold.HUMAN_EDIT: "A person changed what we had written; it is not overwritten",
    Notice.CLAIM_ON_FILE_HELD: "A claim is on file for a month that is now held",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One patient-month: what is determined, what is on file, and whether a person has agreed to a correction."""

    determination: Determination
    context: BillingContext
    identity: ClaimIdentity
    files: Files
    complete_pull: bool
    agreed: Decision | None = None

    @property
    def billable(self) -> bool:
        """Whether anything is to be billed."""
        return self.determination.status == "billable"

    def wanted(self, revision: int, state: State) -> Desired:
        """Return the resources of the determination at a revision that is on file, or follows what is on file."""
        superseded = self._predecessor(revision)
        return self.wanted_instead_of(superseded, revision, state) if superseded else self._wanted(revision, state)

    def wanted_instead_of(self, old: Filed, revision: int, state: State) -> Desired:
        """Return the resources of the determination at a revision that supersedes a claim on file."""
        progress = extension(old.resource, CLAIM_PROGRESS)
        payer_has_it = isinstance(progress, str) and progress in PAYER_HAS_IT
        by_frequency = payer_has_it and policy_of(self.determination).correction == "frequency"
        superseded = Superseded(
            claim_id=str(old.resource["id"]),
            payer_control_number=payer_control_number(old.resource),
            frequency=REPLACEMENT if by_frequency else None,
        )
        return self._wanted(revision, state, superseded)

    def _predecessor(self, revision: int) -> Filed | None:
        """Return the last claim before a revision, where it was cancelled for the sake of a new one."""
        earlier = [f.kept_claim for f in self.files.filings if f.revision < revision and f.kept_claim is not None]
        claim = earlier[-1] if earlier else None
        if claim is None or extension(claim.resource, CLAIM_WITHDRAWAL) != "superseded":
            return None
        return claim

    def _wanted(self, revision: int, state: State, superseded: Superseded | None = None) -> Desired:
        return assemble(
            self.determination, self.context, self.identity, revision=revision, state=state, superseded=superseded
        )

    def finding(self, code: Hold | Notice, said: str, filed: Sequence[Filed]) -> Finding:
        """Return a finding about resources on file, with the catalogue's words and citation where it has them."""
        text = self.context.reason_texts.get(code.value)
        message = text.message if text else _OWN_WORDS[code]
        return Finding(
            code=code.value,
            message=f"{message} ({said})" if said else message,
            cite=text.cite if text else "",
            evidence=tuple(item.name for item in filed),
            hold=isinstance(code, Hold),
        )

    def human_edit(self, filed: Sequence[Filed], summary: tuple[str, ...]) -> Answer:
        """Return the answer to a person's edit: nothing is written, a person has to look."""
        current = self.files.current
        return Answer(
            revision=current.revision if current else None,
            needs_person=True,
            findings=(self.finding(Hold.HUMAN_EDIT, "", filed),),
            summary=summary,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one part of the planning asks for; `ChangeSet` has the meaning of each field."""

    action: Action = "none"
    revision: int | None = None
    writes: tuple[Change, ...] = ()
    proposed: bool = False
    proposal: tuple[Change, ...] = ()
    needs_person: bool = False
    findings: tuple[Finding, ...] = ()
    summary: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """A wanted resource and what is on file for it."""

    wanted: dict[str, Any]
    filed: Filed | None
    agrees: bool = field(init=False)
    """Whether the file says what is wanted."""

    def __post_init__(self) -> None:
        filed = self.filed
        if filed is None or not filed.live:
            agrees = False
        elif not filed.edited and extension(filed.resource, CONTENT_DIGEST) == extension(self.wanted, CONTENT_DIGEST):
            agrees = True  # the usual case, without looking at the content again
        else:
            agrees = same_content(filed.resource, self.wanted)
        object.__setattr__(self, "agrees", agrees)

    @property
    def differences(self) -> list[str]:
        """Return the elements that differ, each with the name of the resource."""
        if self.filed is None:
            return []
        return [f"{self.filed.name} {line}" for line in differences(self.filed.resource, self.wanted)]


def pairs_of(current: Filing, wanted: Desired) -> list[Pair]:
    """Return each wanted resource with its counterpart in a revision on file."""
    return [
        Pair(r, current.claim if r["resourceType"] == "Claim" else current.charge(str(charge_key(r))))
        for r in wanted.resources
    ]


def edited_among(current: Filing, pairs: Sequence[Pair]) -> list[Filed]:
    """Return what a person changed or took back, unless it says what is wanted anyway."""
    agreeing = [pair.filed for pair in pairs if pair.agrees]
    refused = [pair.filed for pair in pairs if pair.filed is not None and pair.filed.state is State.REJECTED]
    return [f for f in current.live_resources if f.edited and f not in agreeing] + refused


def shown(edited: Sequence[Filed], pairs: Sequence[Pair]) -> tuple[str, ...]:
    """Return how what a person left differs from what is wanted."""
    found: list[str] = []
    for filed in edited:
        pair = next((pair for pair in pairs if pair.filed is filed), None)
        if pair is None:
            found.append(f"{filed.name} is no longer wanted")
        elif filed.state is State.REJECTED:
            found.append(f"{filed.name} was taken back by a person")
        else:
            found += pair.differences
    return tuple(found)
