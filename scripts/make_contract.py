"""Writes the pages of the contract from views, profiles and code; a test writes them again and compares.

    scripts/make_contract.py [FOLDER]     default: docs/reference

input-contract.md, output-contract.md and implementation-guide.html (from implementation_guide.html.jinja).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import contract_parts as parts
from jinja2 import Environment, FileSystemLoader, StrictUndefined

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contract_parts import Profile, Resource, View

HERE = Path(__file__).resolve().parent
NOTE = (
    "Written by `scripts/make_contract.py` from `mappings/views`, `profiles` and the code: change those, not this file."
)
PROFILE_OF_VIEW = {
    "time_entry": "cm-time-entry-encounter",
    "consent": "cm-consent",
    "care_plan": "cm-care-plan",
    "price": "cm-charge-item-definition",
}
EXAMPLE_OF_VIEW = {
    "time_entry": "time_entry",
    "encounter": "visit",
    "consent": "Consent",
    "care_plan": "CarePlan",
    "care_plan_copy": "Communication",
    "condition": "Condition",
    "coverage": "Coverage",
    "organization": "Organization",
    "patient": "Patient",
    "practitioner": "Practitioner",
    "practitioner_role": "PractitionerRole",
}
WRITTEN = (("cm-claim-professional", "Claim"), ("cm-charge-item", "ChargeItem"), ("cm-provenance", "Provenance"))


def cell(text: str) -> str:
    """Return a text that can stand in a cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def code(text: str) -> str:
    """Return a text as code in a cell."""
    return f"`{cell(text)}`"


def example(resource: Resource) -> str:
    """Return an example as a block."""
    return f"```json\n{json.dumps(resource, indent=1, ensure_ascii=False)}\n```\n"


def profile_part(profile: Profile) -> Iterable[str]:
    """Yield what a profile asks."""
    yield f"Profile `{profile.name}`: {profile.description}\n"
    yield "| element | how many | what |\n|---|---|---|"
    yield "\n".join(f"| {code(e.path)} | {e.cardinality} | {cell(e.rule)} |" for e in profile.elements) + "\n"
    if profile.rules:
        yield "\n".join(f"- {code(key)}: {human}." for key, human in profile.rules) + "\n"


def view_part(view: View) -> Iterable[str]:
    """Yield where one kind of fact is read."""
    yield f"### {view.title} (`{view.name}`, {view.resource})\n"
    yield f"{view.description}\n"
    if view.conditions:
        yield "\n".join(f"- Only where: {condition}" for condition in view.conditions) + "\n"
    yield "| column | read from |\n|---|---|"
    yield "\n".join(f"| {code(name)} | {code(path)} |" for name, path in view.columns) + "\n"


def input_contract() -> str:
    """Return the input contract."""
    profiles, examples = parts.profiles(), parts.example_inputs()
    found = [f"# Input contract\n\n{NOTE}\n"]
    found.append(
        "Every kind of fact, where it is read, in which shapes, with an example where there is one, and what is "
        "refused. What decides about a fact that was read stands in the [billing rules](billing-rules.md). A resource "
        "that fits the profile is read; others are read too as far as the columns go. All paths are FHIRPath; `→` "
        "reads once for each element before it.\n"
    )
    base = [view for view in parts.views() if not view.layer]
    for view in base:
        found += view_part(view)
        if view.name in PROFILE_OF_VIEW:
            found += profile_part(profiles[PROFILE_OF_VIEW[view.name]])
        if view.name in EXAMPLE_OF_VIEW:
            found.append(example(examples[EXAMPLE_OF_VIEW[view.name]]))
    found.append(
        "## Shapes of mapping layers\n\nRead when `[mapping] use` names the layer; [Map a vendor's records]"
        "(../how-to/map-a-vendor.md) says how one is written.\n\n"
        "| layer | reads | terminology | source |\n|---|---|---|---|"
    )
    rows = ((r["name"], r["reads"], ", ".join(map(code, r["terminology"])), r["source"]) for r in parts.layers())
    found.append("\n".join(f"| {code(a)} | {cell(b)} | {c} | {cell(d)} |" for a, b, c, d in rows) + "\n")
    for view in parts.views():
        if view.layer:
            found += [part.replace(f"### {view.title}", f"### {view.layer}: {view.title}") for part in view_part(view)]
    found.append("## Extensions that are read\n\n| extension | on | what |\n|---|---|---|")
    found.append(
        "\n".join(
            f"| {code(e['id'])} | {', '.join(c['expression'] for c in e['context'])} | {cell(e['description'])} |"
            for e in parts.extensions()
        )
        + "\n"
    )
    found.append(
        "## What is refused\n\nA refusal is an issue row: the resource, the element, this code, what was found and "
        "what is wanted. The rest of the patient is read on; refused minutes stand in the ledger as `X-INVALID`.\n\n"
        "| code | wanted |\n|---|---|"
    )
    found.append("\n".join(f"| {code(name)} | {cell(wanted)} |" for name, wanted in parts.refusals()) + "\n")
    return "\n".join(found)


def output_contract() -> str:
    """Return the output contract of the resources that are written."""
    profiles, examples = parts.profiles(), parts.example_outputs()
    found = [f"# Output contract: resources\n\n{NOTE}\n"]
    found.append(
        "What is written for one patient, month and billing practitioner. The answers themselves "
        "(`determinations.ndjson`) are described in [Output](output.md). Every resource is checked against these "
        "profiles with HL7's validator.\n"
    )
    for name, kind in WRITTEN:
        found += [f"## {profiles[name].title}\n", *profile_part(profiles[name]), example(examples[kind])]
    found.append("## What is asked of a server\n")
    for strategy in parts.strategies():
        found.append(f"### `{strategy['id']}`\n\n{strategy['description']}\n")
        found.append("\n".join(f"- {need}" for need in strategy["needs"]) + "\n")
    return "\n".join(found)


def guide() -> str:
    """Return the page for a vendor."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    profiles = parts.profiles()
    return environment.get_template("implementation_guide.html.jinja").render(
        views=[view for view in parts.views() if not view.layer],
        layers=sorted({view.layer for view in parts.views() if view.layer}),
        read=[profiles[name] for name in ("cm-time-entry-encounter", "cm-consent", "cm-care-plan")],
        written=[profiles[name] for name, _ in WRITTEN],
        price=profiles["cm-charge-item-definition"],
        extensions=parts.extensions(),
        refusals=parts.refusals(),
        strategies=parts.strategies(),
        inputs={k: json.dumps(v, indent=1, ensure_ascii=False) for k, v in parts.example_inputs().items()},
        outputs={k: json.dumps(v, indent=1, ensure_ascii=False) for k, v in parts.example_outputs().items()},
        canonical=parts.CANONICAL,
    )


def main() -> None:
    """Write all pages."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "docs" / "reference"
    pages = {
        "input-contract.md": input_contract(),
        "output-contract.md": output_contract(),
        "implementation-guide.html": guide(),
    }
    for name, text in pages.items():
        (folder / name).write_text(text.rstrip("\n") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
