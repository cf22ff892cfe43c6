"""Findings: a code with its text, what was found, the evidence and the citation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caretally.facts.determination import Finding
from caretally.facts.reasons import Hold, Notice

if TYPE_CHECKING:
    from collections.abc import Iterable

    from caretally.facts.reasons import ReasonCode
    from caretally.rules.context import Case


def finding(
    case: Case,
    code: ReasonCode | Notice,
    said: str,
    evidence: tuple[str, ...] = (),
) -> Finding:
    """Return a finding in the words of the catalogue, with what was found behind it in brackets."""
    text = case.text(code.value)
    message = f"{text.message} ({said})" if said else text.message
    return Finding(
        code=code.value,
        message=message,
        cite=text.cite,
        evidence=evidence,
        hold=isinstance(code, Hold),
    )


def distinct(findings: Iterable[Finding]) -> list[Finding]:
    """Leave out what two programmes say in the same words about the same evidence."""
    seen: dict[tuple[str, str, tuple[str, ...]], Finding] = {}
    for found in findings:
        seen.setdefault((found.code, found.message, found.evidence), found)
    return list(seen.values())


def spoken(seconds: int) -> str:
    """Return a length of time in words, never rounded: ``19 min 59 s``."""
    minutes, rest = divmod(seconds, 60)
    if not minutes and rest:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"
