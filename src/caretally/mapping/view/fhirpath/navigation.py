"""Walking down a resource: paths, choice elements, extensions, keys. Whatever has no such element gives nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from caretally.mapping.view.fhirpath.fhir_types import CHOICE_KEYS
from caretally.mapping.view.fhirpath.values import Run, Scope, collection, items

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from caretally.mapping.view.fhirpath.compiled import Compiled

_RELATIVE_REFERENCE = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9.\-]{1,64})(?:/_history/[A-Za-z0-9.\-]{1,64})?")


def path(source: Compiled | None, names: tuple[str, ...]) -> Run:
    """Return the expression ``source.name.name…``; None as the source stands for the focus."""
    steps = tuple((name, CHOICE_KEYS.get(name)) for name in names)
    if source is not None:
        start = source.run
        return lambda focus, scope: _walk(start(focus, scope), steps)
    if len(steps) == 1 and steps[0][1] is None:
        return _single_step(names[0])
    return lambda focus, _scope: _walk(focus, steps)


def _single_step(name: str) -> Run:
    # The most frequent path of all, without the loop.
    steps = ((name, None),)

    def run(focus: Any, _scope: Scope) -> Any:
        if type(focus) is dict:
            value = focus.get(name)
            return value if type(value) is not list else _without_nulls(value)
        return _walk(focus, steps)

    return run


def _walk(value: Any, steps: Iterable[tuple[str, tuple[str, ...] | None]]) -> Any:
    for name, choices in steps:
        if type(value) is dict:
            found = value.get(name)
            value = found if found is not None or choices is None else _choice(value, choices)
        elif type(value) is list:
            value = _spread(value, name, choices)
        else:
            return None
    return _without_nulls(value) if type(value) is list else value


def _choice(element: dict[str, Any], keys: tuple[str, ...]) -> Any:
    for key in keys:
        if key in element:
            return element[key]
    return None


def _spread(elements: list[Any], name: str, choices: tuple[str, ...] | None) -> list[Any]:
    found: list[Any] = []
    for element in elements:
        if type(element) is not dict:
            continue
        value = element.get(name)
        if value is None and choices is not None:
            value = _choice(element, choices)
        if type(value) is list:
            found.extend(value)
        elif value is not None:
            found.append(value)
    return found


def _without_nulls(values: list[Any]) -> list[Any]:
    # FHIR JSON pads lists of primitives with null where a value has only an extension.
    return [value for value in values if value is not None] if None in values else values


def typed_element(source: Compiled, key: str, name: str, test: Callable[[Any], bool]) -> Run:
    """Return ``source.name.ofType(T)``: the choice element under its JSON key, else the plain element if it fits."""
    start = source.run

    def run(focus: Any, scope: Scope) -> Any:
        owner = start(focus, scope)
        if owner is None:
            return None
        if type(owner) is dict:
            # By far the usual case, kept free of lists.
            value = owner.get(key)
            if value is None:
                value = owner.get(name)
                if value is None or (type(value) is not list and not test(value)):
                    return None
            if type(value) is not list:
                return value
        found: list[Any] = []
        for element in items(owner):
            if type(element) is dict:
                typed = items(element.get(key))
                found.extend(typed or [value for value in items(element.get(name)) if test(value)])
        return collection(_without_nulls(found))

    return run


def extensions(source: Compiled) -> Run:
    """Return ``source.extension``."""
    return path(source, ("extension",))


def primitive_extensions(owner: Compiled, name: str) -> Run:
    """Return ``owner.name.extension``, also where `name` is a primitive: JSON keeps those under ``_name``."""
    start, plain, sibling = owner.run, ((name, CHOICE_KEYS.get(name)),), ((f"_{name}", None),)

    def run(focus: Any, scope: Scope) -> Any:
        owners = start(focus, scope)
        return _walk([*items(_walk(owners, plain)), *items(_walk(owners, sibling))], _EXTENSION)

    return run


_EXTENSION = (("extension", None),)


def with_url(found: Run, url: Run) -> Run:
    """Return those of the extensions that have this url."""

    def run(focus: Any, scope: Scope) -> Any:
        wanted = url(focus, scope)
        return collection(
            [
                extension
                for extension in items(found(focus, scope))
                if type(extension) is dict and extension.get("url") == wanted
            ]
        )

    return run


def resource_key(source: Compiled) -> Run:
    """Return ``source.getResourceKey()``: the id of a resource, nothing for anything else."""
    start = source.run

    def run(focus: Any, scope: Scope) -> Any:
        resource = start(focus, scope)
        if type(resource) is not dict or "resourceType" not in resource:
            return None
        key = resource.get("id")
        return key if type(key) is str else None

    return run


def reference_key(source: Compiled, resource_type: str | None) -> Run:
    """Return ``source.getReferenceKey(resource_type)``, equal to the key of the resource that is referred to.

    Only relative references are answered: an absolute one may point to another server, whose ids mean other resources.
    """
    start = source.run

    def run(focus: Any, scope: Scope) -> Any:
        owners = start(focus, scope)
        if type(owners) is not list:
            return _key(owners, resource_type)
        return collection([key for owner in owners if (key := _key(owner, resource_type)) is not None])

    return run


def _key(reference: Any, resource_type: str | None) -> str | None:
    text = reference.get("reference") if type(reference) is dict else None
    match = _RELATIVE_REFERENCE.fullmatch(text) if type(text) is str else None
    if match is None or (resource_type is not None and match.group(1) != resource_type):
        return None
    return match.group(2)
