"""Log lines hold only fields from a list, whoever writes them."""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING

import structlog

from caretally.cli.logs import ALLOWED_FIELDS, configure_logs
from tests.cli.running import ROOT

if TYPE_CHECKING:
    import pytest

LEVELS = {"debug", "info", "warning", "error", "critical", "exception", "bind"}


def test_a_field_that_is_not_on_the_list_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(quiet=False, verbose=False)
    structlog.get_logger("any").info("something", phase="pull", patient="Patient/1", name="Jane Roe")
    line = json.loads(capsys.readouterr().err)
    assert line["event"] == "something"
    assert line["phase"] == "pull"
    assert line["fields_left_out"] == 2
    assert "Jane" not in json.dumps(line)


def test_quiet_keeps_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(quiet=True, verbose=False)
    log = structlog.get_logger("any")
    log.info("not this")
    log.warning("but this")
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["but this"]


def test_no_room_logs_a_field_that_would_be_lost() -> None:
    used: dict[str, str] = {}
    for file in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in LEVELS
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id in {"log", "logger", "_log", "_logger"}
            ):
                used |= {keyword.arg: file.name for keyword in node.keywords if keyword.arg}
    assert used
    assert {name: file for name, file in used.items() if name not in ALLOWED_FIELDS} == {}
