"""OperationOutcome: what the server says about a request, trimmed to what a person can read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

from caretally.fhir.errors import OutcomeIssue

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST_TEXT = 500
MOST_ISSUES = 20
_ISSUE_CODE = re.compile(r"[a-z]+(-[a-z]+)*")
_SEVERITIES = frozenset({"fatal", "error", "warning", "information", "success"})


def issues_of_body(body: bytes) -> tuple[OutcomeIssue, ...]:
    """Read the issues out of an answer's bytes; none when they are no OperationOutcome."""
    try:
        return issues_of(orjson.loads(body))
    except orjson.JSONDecodeError:
        return ()


def issues_of(document: Any) -> tuple[OutcomeIssue, ...]:
    """Read the issues of an OperationOutcome; none when `document` is something else."""
    if not isinstance(document, dict) or document.get("resourceType") != "OperationOutcome":
        return ()
    issues = document.get("issue")
    if not isinstance(issues, list):
        return ()
    return tuple(_issue(issue) for issue in issues[:MOST_ISSUES] if isinstance(issue, dict))


def short_words(value: Any, longest: int) -> str:
    """Give a server's words on one line, printable and short; "" for anything that is no text."""
    words = " ".join("".join(c if c.isprintable() else " " for c in value).split()) if isinstance(value, str) else ""
    return words if len(words) <= longest else f"{words[: longest - 1]}…"


def _issue(issue: dict[str, Any]) -> OutcomeIssue:
    code = _text(issue.get("code"))
    severity = _text(issue.get("severity"))
    details = issue.get("details")
    coded_text = _text(details.get("text")) if isinstance(details, dict) else ""
    return OutcomeIssue(
        severity=severity if severity in _SEVERITIES else "",
        code=code if _ISSUE_CODE.fullmatch(code) else "",
        text=short_words(_text(issue.get("diagnostics")) or coded_text, LONGEST_TEXT),
        places=(*_texts(issue.get("expression")), *_texts(issue.get("location"))),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def operation_outcome(issues: Iterable[OutcomeIssue]) -> dict[str, Any]:
    """Return an OperationOutcome that says what `issues` say; it may hold patient data."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": issue.severity or "error",
                "code": issue.code or "processing",
                **({"diagnostics": issue.text} if issue.text else {}),
                **({"expression": list(issue.places)} if issue.places else {}),
            }
            for issue in issues
        ],
    }
