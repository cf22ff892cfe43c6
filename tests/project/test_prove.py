"""scripts/prove.py reads what hypothesis and pytest really write."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from prove import failed, merged, page, proofs, rows_of

if TYPE_CHECKING:
    from pathlib import Path

TESTS = """
import pytest
from hypothesis import given, settings, strategies as st

class TestProperties:
    @pytest.mark.parametrize("other", ["a/b::c", "some words", 2])
    @settings(max_examples=70, derandomize=True, database=None)
    @given(number=st.integers())
    def test_property(self, number, other):
        assert number == number

def test_enumerated(record_property):
    record_property("cases", 12345)

def test_plain():
    pass

@pytest.mark.skip
def test_skipped():
    pass

def test_that_fails(record_property):
    record_property("cases", 3)
    assert False

def test_that_breaks(no_such_fixture):
    pass
"""


def test_cases_are_read_from_a_real_report(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    report = tmp_path / "report.xml"
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-ojunit_family=xunit1", f"--junitxml={report}", "test_some.py"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
    )
    # A file that the line above wrote.
    told = ET.parse(report).getroot()  # noqa: S314
    found = proofs(told)
    assert {proof.name: proof.cases for proof in found} == {
        "test_some.TestProperties.test_property[a/b::c]": 70,
        "test_some.TestProperties.test_property[some words]": 70,
        "test_some.TestProperties.test_property[2]": 70,
        "test_some.test_enumerated": 12345,
        "test_some.test_plain": None,
    }
    assert "| proofs | 5 |" in page(found)
    assert "| cases | 12,555 |" in page(found)
    again = merged(rows_of(page(merged([], found))), found[:1])
    assert [proof.name for proof in again] == sorted(proof.name for proof in found)
    assert rows_of(page(again)) == again
    lost = failed(told)
    assert lost == {"test_some.test_that_fails", "test_some.test_that_breaks"}
    # What once held and does not hold now has no row; what else was proved keeps its own.
    once = [*again, replace(again[0], name="test_some.test_that_fails")]
    assert merged(once, found[:1], lost) == again
