"""Data and configuration: the files of mappings/ and the practice's own TOML file, read, checked and put together."""

from __future__ import annotations

from caretally.tables.configuration import Configuration
from caretally.tables.configuration_loading import load_configuration
from caretally.tables.loading import Tables, load_tables, tables_for
from caretally.tables.locate import data_path
from caretally.tables.policies import EffectiveSwitch, effective_switches, policy_book
from caretally.tables.practice import attestations, sites
from caretally.tables.secret import Secret
from caretally.tables.showing import CodeView, TablesReport, check_tables, show_code

__all__ = [
    "CodeView",
    "Configuration",
    "EffectiveSwitch",
    "Secret",
    "Tables",
    "TablesReport",
    "attestations",
    "check_tables",
    "data_path",
    "effective_switches",
    "load_configuration",
    "load_tables",
    "policy_book",
    "show_code",
    "sites",
    "tables_for",
]
