"""FHIR ValueSets and ConceptMaps of mappings/terminology, read into the code sets and maps of the rules.

What is understood of FHIR, and no more: exact concepts; ``is-a`` on ICD-10-CM (the code and everything below it);
``regex`` on the property ``code`` (the whole code). Dates stand in the extension ``valid-period``, citations in
``source``; a ConceptMap group says with ``match`` how its codes are compared. The rest is refused by name, because
a filter that is read wrongly decides money.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING

from caretally.errors import TableError
from caretally.facts.codes import CANONICAL, ICD10CM, CodeMap, CodeRule, CodeSet, Terminology
from caretally.tables.locate import display_name
from caretally.tables.reading import checked, read_json
from caretally.tables.terminology_files import ConceptMapFile, ValueSetFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from caretally.tables.terminology_files import Canonical, Extended, Include, MapGroup


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """One file, read: exactly one of the two is set."""

    name: str
    file: str
    replaces: bool
    code_set: CodeSet | None = None
    code_map: CodeMap | None = None


def read_terminology(shipped: Sequence[Path], *additions: Sequence[Path]) -> Terminology:
    """Read all value sets and concept maps.

    Args:
        shipped: files whose name (without its ending) is the name of the set or map.
        additions: the files of each layer, then those of the site. One with the name of an earlier file adds to it,
            and its map rows come first; with the extension ``replaces`` it takes the place of what was there.

    Raises:
        TableError: a file is wrong, or two files of one kind have one name.
    """
    sets: dict[str, CodeSet] = {}
    maps: dict[str, CodeMap] = {}
    for number, group in enumerate((shipped, *additions)):
        seen: dict[str, str] = {}
        for path in group:
            read = _read_file(path, named=number == 0)
            if read.name in seen:
                raise TableError(f"'{read.name}' is also defined by {seen[read.name]}; keep one", file=read.file)
            seen[read.name] = read.file
            _add(read, sets, maps)
    return Terminology(sets=sets, maps=maps)


def _add(read: _Read, sets: dict[str, CodeSet], maps: dict[str, CodeMap]) -> None:
    if read.code_set is not None:
        if read.name in maps:
            raise TableError(f"'{read.name}' is a ConceptMap already; a ValueSet needs another name", file=read.file)
        known = () if read.replaces or read.name not in sets else sets[read.name].rules
        sets[read.name] = CodeSet(read.name, (*known, *read.code_set.rules))
    elif read.code_map is not None:
        if read.name in sets:
            raise TableError(f"'{read.name}' is a ValueSet already; a ConceptMap needs another name", file=read.file)
        rows = () if read.replaces or read.name not in maps else maps[read.name].rows
        maps[read.name] = CodeMap(read.name, (*read.code_map.rows, *rows))


def _read_file(path: Path, *, named: bool) -> _Read:
    raw, file = read_json(path), display_name(path)
    kind = raw.get("resourceType")
    if kind == "ValueSet":
        value_set = checked(ValueSetFile, raw, path)
        name = _name(value_set, path, file, named=named)
        rules = tuple(rule for n, i in enumerate(value_set.compose.include, 1) for rule in _include_rules(i, n, file))
        _no_overlap(rules, file)
        return _Read(name=name, file=file, replaces=value_set.replaces(), code_set=CodeSet(name, rules))
    if kind == "ConceptMap":
        concept_map = checked(ConceptMapFile, raw, path)
        name = _name(concept_map, path, file, named=named)
        rows = tuple(row for n, g in enumerate(concept_map.group, 1) for row in _group_rows(g, n, file))
        _no_overlap((rule for rule, _ in rows), file)
        _all_reached(rows, file)
        return _Read(name=name, file=file, replaces=concept_map.replaces(), code_map=CodeMap(name, rows))
    raise TableError(
        f"found '{kind}', wanted ValueSet or ConceptMap" if kind else "is missing; wanted ValueSet or ConceptMap",
        file=file,
        where="resourceType",
    )


def _name(definition: Canonical, path: Path, file: str, *, named: bool) -> str:
    kind, _, name = definition.url.removeprefix(CANONICAL + "/").partition("/")
    if kind != definition.resourceType or not name:
        wanted = f"{CANONICAL}/{definition.resourceType}/{path.stem}"
        raise TableError(f"found '{definition.url}', wanted {wanted}", file=file, where="url")
    if named and name != path.stem:
        raise TableError(
            f"ends in '{name}', but the file is named {path.name}; make them alike", file=file, where="url"
        )
    return name


def _include_rules(include: Include, number: int, file: str) -> Iterable[CodeRule]:
    common = _dated(CodeRule(include.system), include)
    where = f"compose.include[{number}]"
    if include.filter:
        found = include.filter[0]
        yield _filter_rule(common, found.property, found.op, found.value, file=file, where=f"{where}.filter")
    for concept in include.concept:
        yield _dated(replace(common, code=concept.code), concept)


def _group_rows(group: MapGroup, number: int, file: str) -> Iterable[tuple[CodeRule, str]]:
    common = CodeRule(group.source, source=group.citation() or "")
    for place, element in enumerate(group.element, 1):
        where = f"group[{number}].element[{place}]"
        match group.comparison():
            case "is-a":
                rule = _filter_rule(common, "concept", "is-a", element.code, file=file, where=where)
            case "regex":
                rule = _filter_rule(common, "code", "regex", element.code, file=file, where=where)
            case _:
                rule = replace(common, code=element.code)
        yield _dated(rule, element), element.target[0].code


def _dated(rule: CodeRule, row: Extended) -> CodeRule:
    period, source = row.validity(), row.citation()
    if period is not None:
        rule = replace(rule, valid_from=period.start, valid_to=period.end)
    return replace(rule, source=source) if source else rule


def _filter_rule(common: CodeRule, prop: str, op: str, value: str, *, file: str, where: str) -> CodeRule:
    if (prop, op) == ("concept", "is-a"):
        if common.system != ICD10CM:
            raise TableError(
                f"is-a is understood for {ICD10CM} only, where a code shows what it belongs to; list the codes",
                file=file,
                where=where,
            )
        return replace(common, prefix=value)
    if (prop, op) == ("code", "regex"):
        try:
            re.compile(value)
        except re.error as problem:
            raise TableError(f"'{value}' is not a regular expression: {problem}", file=file, where=where) from None
        return replace(common, pattern=value)
    raise TableError(
        f"found property '{prop}' with op '{op}'; understood are concept with is-a and code with regex",
        file=file,
        where=where,
    )


def _no_overlap(rules: Iterable[CodeRule], file: str) -> None:
    """Refuse two rows for one code whose dates overlap: which of them holds would be chance."""
    rows: dict[tuple[str, str | None, str | None, str | None], list[CodeRule]] = {}
    for rule in rules:
        rows.setdefault((rule.system, rule.code, rule.prefix, rule.pattern), []).append(rule)
    for (_, code, prefix, pattern), same in rows.items():
        if len(same) == 1:
            continue
        ordered = sorted(same, key=lambda r: r.valid_from or date.min)
        for one, other in pairwise(ordered):
            if (one.valid_to or date.max) >= (other.valid_from or date.min):
                what = code or prefix or pattern
                raise TableError(
                    f"'{what}' stands there twice for the same dates; keep one, or end the first", file=file
                )


def _all_reached(rows: Sequence[tuple[CodeRule, str]], file: str) -> None:
    """Refuse a row that an earlier, wider one of the same system always hides."""
    wide: dict[str, list[CodeRule]] = {}
    for rule, _ in rows:
        own = rule.code or rule.prefix
        hidden = next((w for w in wide.get(rule.system, ()) if own and _hides(w, own)), None)
        if hidden is not None:
            raise TableError(f"'{own}' is never reached: '{hidden.prefix}' comes first and holds it", file=file)
        if rule.prefix is not None and rule.valid_from is None and rule.valid_to is None:
            wide.setdefault(rule.system, []).append(rule)


def _hides(wide: CodeRule, code: str) -> bool:
    return code.replace(".", "").startswith((wide.prefix or "").replace(".", ""))
