from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.tables.test_configuration import GOOD

import caretally
from caretally.tables.published_schema import published_schema, text

PUBLISHED = Path(caretally.__file__).parents[2] / "docs" / "reference" / "configuration.schema.json"


def as_json(toml: str) -> Any:
    return json.loads(json.dumps(tomllib.loads(toml), default=str))


def test_the_published_file_is_up_to_date() -> None:
    hint = "python -m caretally.tables.published_schema > docs/reference/configuration.schema.json"
    assert PUBLISHED.read_text(encoding="utf-8") == text(), f"run: {hint}"


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(published_schema())


def test_a_good_file_is_valid() -> None:
    jsonschema.validate(as_json(GOOD), published_schema())


@pytest.mark.parametrize(
    "wrong",
    [
        '[server]\nbase_ulr = "x"',
        '[server]\ntoken = "x"',
        '[policy]\ndos = "x"',
        '[policy]\nhospise = "hold"',
        '[site.a.policy]\ndos = "x"',
        "[site.a.fee_schedule]\n99490 = 85.0",
        '[site.a.fee_schedule]\n99490 = "85,00"',
        '[writeback]\ntenant = "https://x"',
        '[profile.t.policy]\ndos = "x"',
    ],
)
def test_a_wrong_file_is_not(wrong: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(as_json(wrong), published_schema())
