"""What the pages of the contract are made of: views, profiles, refusals and worked examples, from their sources."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from caretally.cli.application import application

ROOT = Path(__file__).resolve().parents[1]
CANONICAL = "https://caretally.example/fhir"
EXAMPLE_CASE = "G02"
Resource = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One ViewDefinition, as a reader needs it."""

    name: str
    title: str
    resource: str
    description: str
    layer: str
    conditions: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One line of a profile."""

    path: str
    cardinality: str
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One StructureDefinition of ours."""

    name: str
    title: str
    kind: str
    description: str
    elements: tuple[Element, ...]
    rules: tuple[tuple[str, str], ...]


def views() -> list[View]:
    """Return every view, those of the base first."""
    folder = ROOT / "mappings" / "views"
    found = []
    for path in sorted(folder.rglob("*.json")):
        document = json.loads(path.read_bytes())
        layer = path.parent.name if path.parent != folder else ""
        conditions = tuple(
            f"{row.get('description', '')} (`{row['path']}`)".strip() for row in document.get("where", ())
        )
        found.append(
            View(
                name=document["name"],
                title=document.get("title", document["name"]),
                resource=document["resource"],
                description=document.get("description", ""),
                layer=layer,
                conditions=conditions,
                columns=tuple(columns(document["select"], "")),
            )
        )
    return sorted(found, key=lambda v: (v.layer, v.resource, v.name))


def layers() -> list[dict[str, Any]]:
    """Return what mappings/layers.toml says of each layer, and which sets and maps the layer adds to."""
    mappings = ROOT / "mappings"
    rows: list[dict[str, Any]] = tomllib.loads((mappings / "layers.toml").read_text())["layer"]
    return [
        {**row, "terminology": sorted(path.stem for path in (mappings / "terminology" / row["name"]).glob("*.json"))}
        for row in rows
    ]


def columns(selects: list[dict[str, Any]], prefix: str) -> list[tuple[str, str]]:
    """Return name and FHIRPath of each column; what is read once for each element carries that element before it."""
    found = []
    for select in selects:
        each = select.get("forEach") or select.get("forEachOrNull")
        inner = f"{prefix}{each} → " if each else prefix
        found += [(column["name"], inner + column["path"]) for column in select.get("column", ())]
        found += columns(select.get("select", []), inner)
        found += columns(select.get("unionAll", []), inner)
    return found


def profiles() -> dict[str, Profile]:
    """Return our profiles by id, extensions left out."""
    found = {}
    for path in sorted((ROOT / "profiles" / "resources").glob("StructureDefinition-*.json")):
        document = json.loads(path.read_bytes())
        if document["type"] != "Extension":
            found[document["id"]] = profile(document)
    return found


def extensions() -> list[Resource]:
    """Return our extensions."""
    files = sorted((ROOT / "profiles" / "resources").glob("StructureDefinition-*.json"))
    return [d for path in files for d in [json.loads(path.read_bytes())] if d["type"] == "Extension"]


def profile(document: Resource) -> Profile:
    """Return what a profile says beside its base."""
    elements, rules = [], []
    for row in document["differential"]["element"]:
        rules += [(c["key"], c["human"]) for c in row.get("constraint", ())]
        said = rule_of(row)
        if "min" in row or "max" in row or said:
            name = row["id"].partition(".")[2]
            if name:
                elements.append(Element(path=name, cardinality=cardinality(row), rule=said))
    return Profile(
        name=document["id"],
        title=document["title"],
        kind=document["type"],
        description=document["description"],
        elements=tuple(elements),
        rules=tuple(rules),
    )


def cardinality(row: Resource) -> str:
    """Return how often an element stands there, as far as the profile says more than its base."""
    if row.get("max") == "0":
        return "not used"
    if "min" in row and "max" in row:
        return f"{row['min']}..{row['max']}"
    return f"at least {row['min']}" if "min" in row else f"at most {row['max']}" if "max" in row else ""


def rule_of(row: Resource) -> str:
    """Return in words what an element of a profile must be."""
    said = []
    for key, value in row.items():
        if key.startswith(("pattern", "fixed")):
            said.append(f"is `{plain(value)}`")
    if "binding" in row:
        said.append(f"from `{row['binding']['valueSet'].rsplit('/', 1)[1]}` ({row['binding']['strength']})")
    for kind in row.get("type", ()):
        targets = [target.rsplit("/", 1)[1] for target in kind.get("targetProfile", ())]
        own = [target.rsplit("/", 1)[1] for target in kind.get("profile", ())]
        said += [f"refers to {' or '.join(targets)}"] if targets else [f"extension `{name}`" for name in own]
    if "maxLength" in row:
        said.append(f"at most {row['maxLength']} characters")
    return "; ".join(said)


def plain(value: Any) -> str:
    """Return a fixed value as a person writes it."""
    if isinstance(value, dict):
        coding = value.get("coding", [{}])[0]
        return f"{coding.get('system', '').rsplit('/', 1)[-1]}#{coding.get('code')}" if coding else json.dumps(value)
    return str(value)


def refusals() -> list[tuple[str, str]]:
    """Return every code by which a resource or a fact is refused or remarked on, with what is wanted, from the code."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / "src" / "caretally" / "mapping").rglob("*.py")):
        tree = ast.parse(path.read_text())
        said = {
            (target.id, value.lineno): value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign)
            for target, value in pairs(node)
        }
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and (place := ARGUMENTS.get(name_of(call))) is not None:
                arguments = [*call.args, *([None] * 6)]
                code = words(arguments[place], said, call.lineno)
                if CODE.fullmatch(code):
                    found[code] = found.get(code) or words(arguments[place + 2], said, call.lineno)
        # ``code, wanted = "...", "..."``: several refusals that are made in one place.
        for (name, line), value in said.items():
            if name == "code" and isinstance(value, ast.Constant) and ("wanted", said_line(said, line)) in said:
                found[str(value.value)] = words(said["wanted", said_line(said, line)], said, line)
    return sorted({code: wanted or TOLD_BY_ELEMENT[code] for code, wanted in found.items()}.items())


TOLD_BY_ELEMENT = {
    "unreadable-date": "a FHIR date, or a date and time with its offset",
    "wrong-type": "the JSON type that FHIR gives the element",
}
"""What is wanted where the code says it for each element."""
ARGUMENTS = {"Refusal": 1, "Issue": 2, "note": 2, "_note": 2}
"""Where the code stands among the arguments; what is wanted stands two places on."""
CODE = re.compile(r"[a-z]+(-[a-z]+)+")


def pairs(node: ast.Assign) -> list[tuple[ast.Name, ast.expr]]:
    """Return names and values of an assignment, also of ``a, b = 1, 2``."""
    found = []
    for target in node.targets:
        names = target.elts if isinstance(target, ast.Tuple) else [target]
        values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value] * len(names)
        found += [(name, value) for name, value in zip(names, values, strict=False) if isinstance(name, ast.Name)]
    return found


def said_line(said: dict[tuple[str, int], ast.expr], line: int) -> int:
    """Return the line of the text that is wanted, when it is assigned together with a code; else 0."""
    return next((at for name, at in said if name == "wanted" and at == line), 0)


def words(node: ast.expr | None, said: dict[tuple[str, int], ast.expr], line: int) -> str:
    """Return a text of the code as a reader sees it; what is filled in while the program runs is left open."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(v.value) if isinstance(v, ast.Constant) else "…" for v in node.values)
    if isinstance(node, ast.IfExp):
        return f"{words(node.body, said, line)}, or {words(node.orelse, said, line)}"
    if isinstance(node, ast.BinOp):
        return words(node.left, said, line) + words(node.right, said, line)
    if isinstance(node, ast.Name):
        before = [place for name, place in said if name == node.id and place <= line]
        return words(said[node.id, max(before)], said, line) if before else ""
    return "…" if isinstance(node, ast.Call) else ""


def name_of(call: ast.Call) -> str:
    """Return the last part of what is called."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def example_inputs() -> dict[str, Resource]:
    """Return one resource of each type of a patient who is billed; an Encounter each for time and visit."""
    found: dict[str, Resource] = {}
    for resource in golden():
        kind = resource["resourceType"]
        if kind == "Encounter":
            kind = "time_entry" if "serviceType" in resource else "visit"
        found.setdefault(kind, resource)
    return found


def golden() -> list[Resource]:
    """Return the resources of the example case."""
    folder = ROOT / "fixtures" / "golden"
    spec = importlib.util.spec_from_file_location("golden_to_fhir", folder / "to_fhir.py")
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{folder} holds no script")
    script = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = script
    spec.loader.exec_module(script)
    cases = [json.loads(text) for text in (folder / "cases.jsonl").read_text().splitlines()]
    case = next(c for c in cases if c["id"] == EXAMPLE_CASE)
    return [r for rows in script.Case(case).build().values() for r in rows]


def example_outputs() -> dict[str, Resource]:
    """Return what is written for the example case; instants and digests of the moment are fixed."""
    with tempfile.TemporaryDirectory() as work:
        source = Path(work) / "practice"
        source.mkdir()
        for resource in golden():
            with (source / f"{resource['resourceType']}.ndjson").open("a") as file:
                file.write(json.dumps(resource) + "\n")
        (Path(work) / "caretally.toml").write_text('[policy]\nzone = "America/New_York"\n')
        words = ["--config", f"{work}/caretally.toml", "apply", str(source), "--month", "2025-01"]
        words += ["--as-of", "2025-02-10", "--out", f"{work}/out"]
        done = CliRunner().invoke(application, words, prog_name="caretally")
        if done.exit_code != 0:
            raise RuntimeError(f"the example could not be made: {done.output}")
        found = {}
        for kind in ("Claim", "ChargeItem", "Provenance"):
            text = (Path(work) / "out" / f"{kind}.ndjson").read_text().splitlines()[0]
            found[kind] = steady(json.loads(text))
        return found


def steady(resource: Resource) -> Resource:
    """Return a resource whose moment of writing, software and tables are fixed: they change with every run."""
    for name in ("recorded", "enteredDate", "occurredDateTime"):
        if name in resource:
            resource[name] = "2025-02-10T09:00:00Z"
    if resource["resourceType"] == "Provenance":
        resource["id"] = "pv-example"
        resource["agent"][0]["who"]["identifier"]["value"] = resource["agent"][0]["who"]["display"] = "caretally"
        resource["entity"] = resource["entity"][:2]
    return resource


def strategies() -> list[dict[str, Any]]:
    """Return the ways of writing, with what a server SHALL offer for each."""
    found = []
    for path in sorted((ROOT / "profiles" / "resources").glob("CapabilityStatement-*.json")):
        statement = json.loads(path.read_bytes())
        rest = statement["rest"][0]
        needs = [f"system interaction {i['code']}" for i in rest.get("interaction", ())]
        for row in rest["resource"]:
            codes = [i["code"] for i in row["interaction"] if i["extension"][0]["valueCode"] == "SHALL"]
            flags = [k for k in ("updateCreate", "conditionalUpdate", "conditionalCreate") if row.get(k)]
            if codes:
                needs.append(f"{row['type']}: {', '.join([*codes, *flags])}")
        found.append({"id": statement["id"], "description": statement["description"], "needs": needs})
    order = ("transaction", "single-put", "conditional-update", "conditional-create", "export-only")
    return sorted(found, key=lambda s: order.index(s["id"].removeprefix("server-")))
