"""Reading one TOML or JSON file, and turning what pydantic found into words for the person who wrote the file.

A message names the file, the table, the row (counted from 1) and the key, says what was found and what is
wanted, and offers the nearest known name for a misspelt one.
"""

from __future__ import annotations

import json
import re
import tomllib
from decimal import Decimal
from difflib import get_close_matches
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from caretally.errors import ConfigurationError, TableError
from caretally.tables.locate import display_name

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pydantic_core import ErrorDetails

_DECIMAL = re.compile(r"\d{1,9}(\.\d{1,6})?")
MOST_ERRORS = 5
_MOST_SHOWN = 60
_Model = TypeVar("_Model", bound=BaseModel)


class Strict(BaseModel):
    """A table of a data file: nothing is coerced, nothing unknown is let through."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def parse_amount(value: object) -> Decimal:
    """Read an amount or rate from a TOML string; floats would already have lost digits. Decimals stay as they are.

    Raises:
        ValueError: not a string, or not a plain decimal number.
    """
    if isinstance(value, Decimal) and value.is_finite() and value >= 0:
        return value
    if isinstance(value, bool | int | float):
        raise ValueError(f'an amount is written as a string, for example "{value}"; a TOML number is refused')  # noqa: TRY004 -- pydantic reports ValueError
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        hint = "; write a point, not a comma" if isinstance(value, str) and "," in value else ""
        raise ValueError(f'an amount is a string of digits with a point, for example "60.49"{hint}')
    return Decimal(value)


Amount = Annotated[Decimal, BeforeValidator(parse_amount)]
"""A decimal amount, written in TOML as a string."""


def read_toml(path: Path, error: type[ConfigurationError] = TableError) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigurationError: (of the given kind) the file cannot be read, or is not TOML; the line is named.
    """
    try:
        return tomllib.loads(_text(path, error))
    except tomllib.TOMLDecodeError as problem:
        raise _failure(error, f"not valid TOML: {problem}", path) from None


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds one object.

    Raises:
        TableError: the file cannot be read, is not JSON (the line is named), or holds something else.
    """
    text = _text(path, TableError)
    try:
        # The standard parser: a key that stands there twice would go unseen otherwise.
        found = json.loads(text, object_pairs_hook=_without_twins)
    except json.JSONDecodeError as problem:
        where = f"line {problem.lineno}, column {problem.colno}"
        raise TableError(f"not valid JSON: {problem.msg}", file=display_name(path), where=where) from None
    except KeyError as problem:
        raise TableError(f"key {problem} stands twice in one object; keep one", file=display_name(path)) from None
    if not isinstance(found, dict):
        raise TableError("holds no JSON object; wanted one FHIR resource", file=display_name(path))
    return found


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise KeyError(next(name for name in names if names.count(name) > 1))
    return found


def _text(path: Path, error: type[ConfigurationError]) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as problem:
        raise _failure(error, f"not UTF-8 text at byte {problem.start}", path) from None
    except OSError as problem:
        raise _failure(error, f"cannot be read: {problem.strerror or problem}", path) from None


def _failure(error: type[ConfigurationError], message: str, path: Path) -> ConfigurationError:
    if issubclass(error, TableError):
        return error(message, file=display_name(path))
    return error(f"{display_name(path)}: {message}")


def checked(model: type[_Model], raw: object, path: Path) -> _Model:
    """Check what a file holds against a model.

    Raises:
        TableError: with the places and reasons, the first few of them.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise refusal(error, model, path, raw) from None


def refusal(
    error: ValidationError, model: type[BaseModel], path: Path, raw: object = None, below: tuple[str, ...] = ()
) -> TableError:
    """Return what a person should read about data that a model refused.

    Args:
        error: what pydantic found.
        model: the model that refused.
        path: the file, or another name of where the data come from.
        raw: what the file holds.
        below: table of the file in which the data stand.
    """
    text = path.read_text(encoding="utf-8") if path.suffix == ".toml" and path.is_file() else ""
    found = []
    for problem in error.errors():
        loc = (*below, *problem["loc"])
        line = line_of(loc, text)
        place = spoken_place(loc, raw) + (f", line {line}" if line else "")
        found.append((place, spoken(problem, model)))
    file = display_name(path)
    if len(found) == 1:
        return TableError(found[0][1], file=file, where=found[0][0])
    lines = [f"\n  {place}: {message}" for place, message in found[:MOST_ERRORS]]
    rest = len(found) - MOST_ERRORS
    return TableError(f"{len(found)} errors{''.join(lines)}" + (f"\n  and {rest} more" if rest > 0 else ""), file=file)


def spoken_place(loc: Iterable[str | int], raw: object = None) -> str:
    """Return where a value stands: ``code[3] "99491", rvu_facility``. Rows are counted from 1."""
    place, here = "", raw
    for part in loc:
        if isinstance(part, int):
            here = here[part] if isinstance(here, list) and part < len(here) else None
            label = _row_name(here)
            place += f"[{part + 1}]" + (f' "{label}",' if label else "")
        else:
            here = here.get(part) if isinstance(here, dict) else None
            place += (" " if place.endswith(",") else "." if place else "") + part
    return place.rstrip(",")


def line_of(loc: tuple[str | int, ...], text: str) -> int | None:
    """Return the line of a TOML file on which a place begins; None where that cannot be told."""
    lines = text.splitlines()
    row: int | None = None
    start, end = 0, len(lines)
    if len(loc) > 1 and isinstance(loc[1], int):
        heads = [n for n, line in enumerate(lines) if re.match(rf"\s*\[\[\s*{loc[0]}\s*\]\]", line)]
        if loc[1] >= len(heads):
            return None
        row = start = heads[loc[1]]
        end = next((n for n in range(start + 1, len(lines)) if lines[n].lstrip().startswith("[")), len(lines))
    names = [part for part in loc if isinstance(part, str)]
    key = re.escape(names[-1]) if names else ""
    hits = [n for n in range(start, end) if re.match(rf'\s*"?{key}"?\s*=', lines[n])]
    if len(hits) == 1:
        return hits[0] + 1
    return None if row is None else row + 1


def _row_name(row: object) -> str | None:
    if not isinstance(row, dict):
        return None
    return next((v for key in ("code", "name") if isinstance(v := row.get(key), str)), None)


def spoken(error: ErrorDetails, model: type[BaseModel]) -> str:
    """Return one pydantic error in words: what was found, what is wanted, what was probably meant."""
    kind, context, found = error["type"], error.get("ctx", {}), _shown(error["input"])
    if kind == "extra_forbidden":
        known = known_keys(model, error["loc"][:-1])
        return f"unknown key{nearest(str(error['loc'][-1]), known)}"
    if kind == "missing":
        return "is missing"
    if kind == "literal_error":
        options = re.findall(r"'([^']*)'", str(context.get("expected", "")))
        wanted = ", ".join(options)
        return f"found {found}, wanted one of {wanted}{_meant(str(error['input']), options)}"
    if kind in _BOUNDS:
        wanted = _BOUNDS[kind].format(next(iter(context.values())))
        return f"found {found}, wanted {wanted}"
    if kind in {"value_error", "assertion_error"}:
        said = str(context.get("error", error["msg"]))
        return said if isinstance(error["input"], dict | list) else f"found {found}: {said}"
    form_wanted = _FORMS.get(str(context.get("pattern"))) or _WANTED.get(kind)
    return f"found {found}, wanted {form_wanted}" if form_wanted else f"found {found}: {error['msg']}"


_BOUNDS = {
    "greater_than_equal": "{} or more",
    "less_than_equal": "{} or less",
    "greater_than": "more than {}",
    "less_than": "less than {}",
    "string_too_short": "text of {} or more characters",
    "too_short": "{} or more entries",
}
_WANTED = {
    "int_type": "a whole number",
    "bool_type": "true or false",
    "string_type": "text in quotes",
    "date_type": "a date such as 2025-01-01, without quotes",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "float_type": "a number",
}
_FORMS: dict[str, str] = {}


def form(pattern: str, words: str) -> Any:
    """Return a pydantic field for text of a form; `words` say in messages what is wanted."""
    _FORMS[pattern] = words
    return Field(pattern=pattern)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint after an unknown name: the nearest known one, else all of them."""
    options = sorted(known)
    return _meant(name, options) or (f"; known are {', '.join(options)}" if options else "")


def _meant(name: str, options: Iterable[str]) -> str:
    close = get_close_matches(name, list(options), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    text = repr(value) if isinstance(value, str | int | float | bool) else str(value)
    text = {"True": "true", "False": "false"}.get(text, text)
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "..."


def known_keys(model: type[BaseModel], loc: Iterable[str | int]) -> list[str]:
    """Return the keys that a place of a model knows, by the names used in the file."""
    here: Any = model
    for part in loc:
        here = _step(here, part)
    found = _model_of(here)
    return [] if found is None else [f.alias or name for name, f in found.model_fields.items()]


def annotation_at(model: type[BaseModel], loc: Iterable[str]) -> Any:
    """Return the annotation of a place of a model; None when the place is unknown."""
    here: Any = model
    for part in loc:
        here = _step(here, part)
    return here


def _step(annotation: Any, part: str | int) -> Any:
    model = _model_of(annotation)
    if model is not None:
        for name, field in model.model_fields.items():
            if part in (name, field.alias):
                return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
        return None
    for option in _options(annotation):
        if get_origin(option) in {dict, list}:
            return get_args(option)[-1]
    return None


def _model_of(annotation: Any) -> type[BaseModel] | None:
    for option in _options(annotation):
        if isinstance(option, type) and issubclass(option, BaseModel):
            return option
    return None


def _options(annotation: Any) -> list[Any]:
    """Return an annotation without ``Annotated``, and each side of a union."""
    if get_origin(annotation) is Annotated:
        return _options(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        return [option for side in get_args(annotation) for option in _options(side)]
    return [annotation]
