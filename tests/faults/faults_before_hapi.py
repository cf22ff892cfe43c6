"""Faults between the command line and a real server, HAPI: of reading, and of writing."""

from __future__ import annotations

from random import Random

from tests.faults import spoiling as do
from tests.faults.fault import Ended, Fault, Incomplete, Survived
from tests.faults.faults_elsewhere import elsewhere
from tests.faults.front import Injection, Spoil

TIME = r"^GET /fhir/Encounter\?(patient|subject)=[^&]*first"
"""The search for the time of the first patient; their ids have ``first`` and ``second`` in them."""
ANY = r"^GET /fhir(\?_getpages|/[A-Z]\w+\?(patient|subject|_id|practitioner)=)"
LATER_PAGE = r"^GET /fhir\?_getpages"
WRITING = r"^POST /fhir/?$"

SURVIVABLE: tuple[Spoil, ...] = (
    do.cut_in_the_middle(reset=True),
    do.cut_in_the_middle(reset=False),
    do.dropped,
    do.shortened,
    do.packed_and_cut,
    do.refuses(503),
    do.refuses(502),
    do.wait_seconds(429, 1),
    do.wait_until(503, 2),
    do.wait_seconds(429, 0.5, header="x-ms-retry-after-ms"),
)


def storm(seed: int) -> tuple[Injection, ...]:
    """Each survivable fault once, at places of its own, and an expired page."""
    draw = Random(seed)  # noqa: S311 -- the same storm in every run
    places = draw.sample(range(24), len(SURVIVABLE))
    spoilt = [Injection(ANY, spoil, 1, place) for spoil, place in zip(SURVIVABLE, places, strict=True)]
    return (Injection(LATER_PAGE, do.refuses(410), 1), *spoilt)


READING: tuple[Fault, ...] = (
    Fault(
        name="hapi-storm",
        group="broken answers",
        what="ten survivable faults at random places of one pull (resets, cuts, 502, 503, 429), and an expired page",
        script=storm(1),
        outcome=Survived(),
        settings={"retry.attempts": 8},
    ),
    Fault(
        name="hapi-expired-page",
        group="pages",
        what="410 for HAPI's own link to a next page, twice",
        script=(Injection(LATER_PAGE, do.refuses(410), 2),),
        outcome=Survived(),
    ),
    Fault(
        name="hapi-bomb",
        group="too much",
        what="1 GB, packed to 1 MB, instead of a page of HAPI",
        script=(Injection(TIME, do.bombs(), None),),
        outcome=Incomplete("the answer has more than"),
        most_mebibytes=200,
    ),
    Fault(
        name="hapi-foreign-next",
        group="led elsewhere",
        what="HAPI's link to a next page, on another server",
        script=(Injection(TIME, do.next_is(elsewhere), None),),
        outcome=Incomplete("links to a next page elsewhere"),
        heals=True,
    ),
    Fault(
        name="hapi-loop",
        group="pages",
        what="A → A: HAPI's page links to itself",
        script=(Injection(TIME, do.next_is(do.own_address), None),),
        outcome=Incomplete("links to a page that was already read"),
        most_pages=2,
    ),
    Fault(
        name="hapi-log-in-page",
        group="broken answers",
        what="the page of a proxy's log-in instead of every answer, from the tenth on",
        script=(Injection(ANY, do.says(b"<html>Log in</html>", "text/html"), None, 10),),
        outcome=Ended("NotFhirError", 4, "with a web page (HTML), not FHIR"),
        heals=True,
    ),
)

WRITING_FAULTS: tuple[Fault, ...] = (
    Fault(
        name="hapi-write-429",
        group="asked for patience",
        what="429 with `Retry-After: 1` for a transaction",
        script=(Injection(WRITING, do.wait_seconds(429, 1), 1),),
        outcome=Survived("each claim and charge is there once"),
    ),
    Fault(
        name="hapi-write-lost-answer",
        group="broken answers",
        what="a transaction is done, and its answer lost",
        script=(Injection(WRITING, do.dropped, 1),),
        outcome=Survived("each claim and charge is there once"),
    ),
    Fault(
        name="hapi-write-redirected",
        group="led elsewhere",
        what="307 to another server for a transaction",
        script=(Injection(WRITING, do.redirects(elsewhere, 307), None),),
        outcome=Ended("WriteError", 6, "could not be written"),
    ),
)
