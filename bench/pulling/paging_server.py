"""A server of pages on loopback, for more patients than a real server is loaded with in a few minutes.

    python -m bench.pulling.paging_server      prints its base URL, and serves until its input is closed

It makes each page when it is asked for, so that its own memory says nothing. Only what a pull by patient lists needs:
a statement of what it can do, search by ``_id`` and ``patient``, ``_count``, and links to next pages.
"""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import orjson
from bench.pulling.patients import TYPES, resources_of

NUMBER = len("pull")


def statement() -> dict[str, Any]:
    """What it can do."""
    names = ("_id", "patient")
    return {
        "resourceType": "CapabilityStatement",
        "fhirVersion": "4.0.1",
        "rest": [
            {
                "mode": "server",
                "resource": [{"type": kind, "searchParam": [{"name": name} for name in names]} for kind in TYPES],
            }
        ],
    }


class Pages(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer a search, or say what is possible."""
        where = urlsplit(self.path)
        kind = where.path.rpartition("/")[2]
        body = statement() if kind == "metadata" else self.page(kind, dict(parse_qsl(where.query)))
        content = orjson.dumps(body)
        self.send_response(200)
        self.send_header("Content-Type", "application/fhir+json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def page(self, kind: str, asked: dict[str, str]) -> dict[str, Any]:
        """One page of some patients' resources of a type."""
        people = (asked.get("patient") or asked["_id"]).split(",")
        start, count = int(asked.get("offset", "0")), int(asked.get("_count", "20"))
        each = TYPES[kind]
        first, last = start // each, (start + count - 1) // each
        made = [one for who in people[first : last + 1] for one in resources_of(int(who[NUMBER:]), kind)]
        rows = made[start - first * each :][:count]
        base = f"http://{self.headers['Host']}/fhir"
        links = [{"relation": "self", "url": f"{base}/{kind}?{urlencode(asked)}"}]
        if start + count < each * len(people):
            more = urlencode({**asked, "offset": str(start + count)})
            links.append({"relation": "next", "url": f"{base}/{kind}?{more}"})
        entries = [
            {"fullUrl": f"{base}/{kind}/{one['id']}", "resource": one, "search": {"mode": "match"}} for one in rows
        ]
        return {"resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries}

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Ends with its process."""

    daemon_threads = True


def main() -> None:
    """Serve until nobody holds the other end of the input."""
    server = Server(("127.0.0.1", 0), Pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_address[1]}/fhir", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
