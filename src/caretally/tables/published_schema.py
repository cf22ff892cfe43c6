"""The JSON schema of the configuration file, for editors and for docs/reference/configuration.schema.json.

``python -m caretally.tables.published_schema`` prints it; a test compares the published file with it.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from caretally.facts.policy import Policy
from caretally.tables.configuration import ConfigurationFile

_SECRETS = "Secrets never stand in this file: token_file or token_env, password_file or password_env, url_env."


def published_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12)."""
    schema = ConfigurationFile.model_json_schema(ref_template="#/$defs/{model}")
    policy = Policy.model_json_schema(ref_template="#/$defs/{model}")
    definitions = schema["$defs"] | policy.pop("$defs", {})
    definitions["Policy"] = policy
    for holder in (schema, definitions["Sections"], definitions["SiteTable"], definitions["PayerTable"]):
        holder["properties"]["policy"] = {"$ref": "#/$defs/Policy"}
    for definition in (*definitions.values(), schema):
        for name, found in definition.get("properties", {}).items():
            _say_decimal(name, found)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://caretally.example/schema/configuration.schema.json",
        **schema,
        "title": "Caretally configuration",
        "description": f"The TOML file of a practice. {_SECRETS}",
        "$defs": definitions,
    }


def _say_decimal(name: str, found: dict[str, Any]) -> None:
    if name == "fee_schedule":
        found["patternProperties"] = {r"^[0-9A-Z]\d{4}$": {"type": "string", "pattern": r"^\d{1,9}(\.\d{1,6})?$"}}
        found["additionalProperties"] = False
        found["description"] = 'Charge for a unit by code, as a string: "85.00".'


def text() -> str:
    """Return the schema as it is published."""
    return json.dumps(published_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
