"""The only place that decides whether and when a request is sent again (tenacity runs it).

Reads are repeated after lost connections, cut answers and the statuses of `REPEATABLE_READ`. A write is repeated
only when the server cannot have taken it: the connection was never made, or the server itself said "not now".
A server's Retry-After is obeyed in full or not at all: never earlier than asked.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

import tenacity

from caretally.fhir.errors import ResponseError, RetryLaterError, ServerUnreachableError, TruncatedAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from caretally.fhir.settings import RetrySettings

REPEATABLE_READ = frozenset({408, 429, 500, 502, 503, 504})
TOO_MANY_REQUESTS = 429
UNAVAILABLE = 503
LONGEST_BACKOFF_SECONDS = 30.0
FIRST_BACKOFF_SECONDS = 0.5
MILLISECONDS = 1000
_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")


class Sending(Enum):
    """What a second sending of the same request would do; `ONCE`: nothing that is worth it."""

    READ = "read"
    WRITE = "write"
    ONCE = "once"


def may_repeat(error: BaseException, sending: Sending) -> bool:
    """Tell whether a request that failed with `error` may be sent again."""
    if sending is Sending.ONCE:
        return False
    if isinstance(error, ServerUnreachableError):
        return sending is Sending.READ or not error.sent
    if isinstance(error, ResponseError):
        if sending is Sending.READ:
            return error.status in REPEATABLE_READ
        told_to_wait = error.status == UNAVAILABLE and error.retry_after_seconds is not None
        return told_to_wait or error.status == TOO_MANY_REQUESTS
    return isinstance(error, TruncatedAnswerError) and sending is Sending.READ


def retrying(
    settings: RetrySettings,
    sending: Sending,
    *,
    sleep: Callable[[float], None],
    before_sleep: Callable[[float, int], None],
) -> tenacity.Retrying:
    """Build the policy for one request.

    Args:
        settings: attempts and wait budget.
        sending: read or write.
        sleep: waits so many seconds.
        before_sleep: told the seconds and the number of the attempt that failed.
    """
    backoff = tenacity.wait_random_exponential(multiplier=FIRST_BACKOFF_SECONDS, max=LONGEST_BACKOFF_SECONDS)

    def wait(state: tenacity.RetryCallState) -> float:
        asked = _asked_to_wait(state)
        return backoff(state) if asked is None else asked

    def stop(state: tenacity.RetryCallState) -> bool:
        over_budget = state.idle_for + state.upcoming_sleep > settings.wait_budget_seconds
        return state.attempt_number >= settings.attempts or over_budget

    def give_up(state: tenacity.RetryCallState) -> Any:
        error = _error(state)
        left = max(0.0, settings.wait_budget_seconds - state.idle_for)
        asked = _asked_to_wait(state)
        if isinstance(error, ResponseError) and asked is not None and asked > left:
            raise RetryLaterError(error.exchange, wait_seconds=asked, budget_seconds=left) from error
        raise error

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: may_repeat(error, sending)),
        wait=wait,
        stop=stop,
        sleep=sleep,
        before_sleep=lambda state: before_sleep(state.upcoming_sleep, state.attempt_number),
        retry_error_callback=give_up,
        reraise=True,
    )


def retry_after_seconds(headers: httpx.Headers, now: datetime) -> float | None:
    """Read how long the server asks to wait: Retry-After as seconds or date, or x-ms-retry-after-ms.

    Args:
        headers: of the answer.
        now: our clock, aware; a date is measured from our clock and from the server's `Date`, and the longer
            wait counts, because either clock may be wrong and we never come early.

    Returns:
        Seconds, or None when the server does not say or what it says cannot be read.
    """
    waits = []
    milliseconds = headers.get("x-ms-retry-after-ms", "").strip()
    if _SECONDS.fullmatch(milliseconds):
        waits.append(float(milliseconds) / MILLISECONDS)
    text = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        waits.append(float(text))
    elif (until := _http_date(text)) is not None:
        sent = _http_date(headers.get("date", "")) or now
        waits.append(max(0.0, (until - now).total_seconds(), (until - sent).total_seconds()))
    return max(waits, default=None)


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _error(state: tenacity.RetryCallState) -> BaseException:
    error = state.outcome.exception() if state.outcome else None
    return error or RuntimeError("a request was given up without an error")


def _asked_to_wait(state: tenacity.RetryCallState) -> float | None:
    error = _error(state)
    return error.retry_after_seconds if isinstance(error, ResponseError) else None
