"""Structured logs for runs that nobody watches: one JSON object a line on standard error.

Only named fields pass. A log line that brings anything else loses that field, so that a careless caller in any
room cannot print a patient; references of patients are for outputs, not for logs.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from collections.abc import MutableMapping

ALLOWED_FIELDS = frozenset(
    {
        # of every line
        "event",
        "level",
        "timestamp",
        "fields_left_out",
        # of a run
        "done",
        "phase",
        "total",
        # of an exchange with a server; `path` is a template without ids
        "attempt",
        "bytes",
        "kind",
        "method",
        "milliseconds",
        "path",
        "status",
        "wait_milliseconds",
    }
)
"""Fields that may stand in a log line; a test holds them against what the rooms log."""


def configure_logs(*, quiet: bool, verbose: bool) -> None:
    """Send the logs of this process to standard error, as JSON lines."""
    level = logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            only_allowed_fields,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


def only_allowed_fields(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Leave out every field that is not on the list, and count what was left out."""
    left_out = event.keys() - ALLOWED_FIELDS
    kept = {name: value for name, value in event.items() if name in ALLOWED_FIELDS}
    if left_out:
        kept["fields_left_out"] = len(left_out)
    return kept
