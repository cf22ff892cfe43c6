"""A real HAPI FHIR server for tests: started by docker/hapi/hapi, filled by transactions, always stopped by its pid."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

COMMAND = Path(__file__).parents[2] / "docker" / "hapi" / "hapi.py"
START_TIMEOUT_S = 300
ENTRIES_PER_TRANSACTION = 200
FHIR_JSON = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}

TypeAndId = tuple[str, str]


class HapiStartError(Exception):
    """The server did not start; the message has the end of its log."""


class HapiServer:
    """One server process: `begin` starts it, `wait` gives its base URL once it answers, `stop` ends it.

    Options are those of ``hapi start`` (``db_url``, ``db_user``, ``heap``, ...) and the settings of
    docker/hapi/README.md, with underscores for dots: ``HapiServer(client_ids="NOT_ALLOWED", integrity=False)``.
    """

    ARGUMENTS = frozenset({"port", "db_url", "db_user", "db_password_file", "heap"})

    def __init__(self, **options: str | int | bool) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="caretally-hapi-"))
        self.options = options
        self._starting: subprocess.Popen[str] | None = None
        self._base_url: str | None = None

    def begin(self) -> None:
        """Starts the server and returns at once, so that other tests can run meanwhile."""
        if self._starting is not None:
            return
        atexit.register(self.stop)
        self._starting = subprocess.Popen(
            [sys.executable, COMMAND, "start", *self._state(), *self._arguments()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait(self) -> str:
        """The base URL, such as ``http://127.0.0.1:40123/fhir``, once the server answers.

        Raises:
            HapiStartError: the server ended or was not ready in time.
        """
        self.begin()
        if self._base_url is None:
            assert self._starting is not None
            # The command has its own time limit and tells why it gave up; this one is for a command that hangs.
            out, err = self._starting.communicate(timeout=START_TIMEOUT_S + 120)
            if self._starting.returncode != 0:
                raise HapiStartError(f"hapi start failed (exit {self._starting.returncode}):\n{err}")
            self._base_url = out.strip()
        return self._base_url

    def stop(self) -> None:
        """Ends the server, also one that is still starting; harmless when it is gone."""
        if self._starting is not None and self._starting.poll() is None:
            self._starting.terminate()
            self._starting.wait(timeout=60)
        if self._starting is not None:
            for pipe in (self._starting.stdout, self._starting.stderr):
                assert pipe is not None
                pipe.close()
            subprocess.run([sys.executable, COMMAND, "stop", *self._state()], check=True, capture_output=True)
            self._starting = None
        atexit.unregister(self.stop)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """What the server has logged so far."""
        return (self.folder / "server.log").read_text(encoding="utf-8", errors="replace")

    def _state(self) -> list[str]:
        return ["--state", str(self.folder / "server.json")]

    def _arguments(self) -> Iterator[str]:
        yield from ("--timeout", str(START_TIMEOUT_S))
        # However this process ends, also by KILL, the server then ends itself.
        yield from ("--owner", str(os.getpid()))
        for name, value in self.options.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            if name in self.ARGUMENTS:
                yield from (f"--{name.replace('_', '-')}", text)
            else:
                yield from ("--set", f"{name.replace('_', '.')}={text}")


def read_folder(folder: Path) -> list[dict[str, Any]]:
    """Every resource of the ``*.ndjson`` files in `folder`, without its subfolders."""
    lines = (line for path in sorted(folder.glob("*.ndjson")) for line in path.read_bytes().splitlines())
    return [orjson.loads(line) for line in lines if line.strip()]


def references(node: Any) -> Iterator[TypeAndId]:
    """Every relative reference below `node`, as resource type and id."""
    if isinstance(node, dict):
        target = node.get("reference")
        if isinstance(target, str) and target.count("/") == 1 and not target.startswith("#"):
            kind, _, rid = target.partition("/")
            yield kind, rid
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def by_type_and_id(resources: Iterable[dict[str, Any]]) -> dict[TypeAndId, dict[str, Any]]:
    """The resources by type and id; the same one twice counts once, two different ones are a fault in the data."""
    found: dict[TypeAndId, dict[str, Any]] = {}
    for resource in resources:
        key = (resource["resourceType"], resource["id"])
        if found.setdefault(key, resource) != resource:
            raise AssertionError(f"the test data have two different resources {'/'.join(key)}")
    return found


def in_reference_order(resources: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Groups of resources, each referring only to itself and to groups before it.

    A group has more than one resource only where they refer to one another in a circle (Tarjan's components).
    """
    nodes = by_type_and_id(resources)
    edges = {key: [t for t in references(r) if t in nodes] for key, r in nodes.items()}
    index: dict[TypeAndId, int] = {}
    low: dict[TypeAndId, int] = {}
    path: list[TypeAndId] = []
    on_path: set[TypeAndId] = set()
    groups: list[list[dict[str, Any]]] = []
    for root in nodes:
        work = [] if root in index else [(root, iter(edges[root]))]
        while work:
            node, targets = work[-1]
            if node not in index:
                index[node] = low[node] = len(index)
                path.append(node)
                on_path.add(node)
            for target in targets:
                if target not in index:
                    work.append((target, iter(edges[target])))
                    break
                if target in on_path:
                    low[node] = min(low[node], index[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    group: list[TypeAndId] = []
                    while not group or group[-1] != node:
                        group.append(path.pop())
                    on_path.difference_update(group)
                    groups.append([nodes[key] for key in group])
    return groups


def transactions(resources: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Transactions of PUTs, in an order in which every reference has its target already."""
    entries: list[dict[str, Any]] = []
    for group in in_reference_order(resources):
        if entries and len(entries) + len(group) > ENTRIES_PER_TRANSACTION:
            yield {"resourceType": "Bundle", "type": "transaction", "entry": entries}
            entries = []
        for resource in group:
            url = f"{resource['resourceType']}/{resource['id']}"
            entries.append({"resource": resource, "request": {"method": "PUT", "url": url}})
    if entries:
        yield {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def load(base_url: str, source: Path | Iterable[dict[str, Any]] | Mapping[str, Iterable[dict[str, Any]]]) -> int:
    """Puts a folder of NDJSON, a list of resources or lists by type on the server; the number of resources put."""
    if isinstance(source, Path):
        resources: Iterable[dict[str, Any]] = read_folder(source)
    elif hasattr(source, "values"):
        resources = [resource for kind in source.values() for resource in kind]
    else:
        resources = source
    count = 0
    with httpx.Client(headers={**FHIR_JSON, "Prefer": "return=minimal"}, timeout=300) as client:
        for bundle in transactions(resources):
            answer = client.post(base_url, content=orjson.dumps(bundle))
            if answer.status_code != httpx.codes.OK:
                raise AssertionError(f"the server refused the test data ({answer.status_code}): {answer.text[:2000]}")
            count += len(bundle["entry"])
    return count


def reset(base_url: str) -> None:
    """Removes every resource, every version and every search from the server."""
    body = {"resourceType": "Parameters", "parameter": [{"name": "expungeEverything", "valueBoolean": True}]}
    answer = httpx.post(f"{base_url}/$expunge", content=orjson.dumps(body), headers=FHIR_JSON, timeout=300)
    assert answer.status_code == httpx.codes.OK, answer.text[:2000]
