"""Reading the configuration: flags over environment over file, a profile over the rest of the file.

The file is never looked for in the data that are read: a path is given, or CARETALLY_CONFIG names it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from caretally.errors import ConfigurationError
from caretally.facts.policy import Policy
from caretally.tables.configuration import Configuration, ConfigurationFile, Sections
from caretally.tables.environment import environment_layer
from caretally.tables.payers import flat
from caretally.tables.reading import MOST_ERRORS, nearest, read_toml, spoken
from caretally.tables.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_Model = TypeVar("_Model", bound=BaseModel)

SECRET_KEYS = ("token", "password", "client_secret", "private_key")


def load_configuration(
    path: Path | None,
    *,
    environment: Mapping[str, str],
    overrides: Mapping[str, Any] | None = None,
    profile: str | None = None,
) -> Configuration:
    """Read the configuration in force.

    Args:
        path: the TOML file; None for none.
        environment: variables such as ``CARETALLY_SERVER__BASE_URL``; also where ``token_env`` looks.
        overrides: values of flags by dotted name, for example ``{"server.base_url": "..."}``; None is no value.
        profile: name of the ``[profile.NAME]`` that overlays the file.

    Raises:
        ConfigurationError: naming file or variable, table and key, what was found and what is wanted.
    """
    raw = {} if path is None else read_toml(path, ConfigurationError)
    origin = str(path) if path is not None else "configuration"
    _no_inline_secret(raw, origin)
    _check(ConfigurationFile, raw, dict.fromkeys(_leaves(raw), origin), origin)
    values = _with_profile(raw, profile, origin)
    origins = {
        ".".join(leaf): origin if profile is None else f"{origin}, profile {profile}" for leaf in _leaves(values)
    }
    secrets = _environment_secrets(environment)
    others = {k: v for k, v in environment.items() if k not in {s.origin.rpartition(" ")[2] for s in secrets.values()}}
    for setting, (variable, value) in environment_layer(others, Sections, values).items():
        _put(values, setting, value)
        origins[".".join(setting)] = f"environment {variable}"
    for name, value in flat(overrides or {}):
        if value is not None:
            _put(values, tuple(name.split(".")), value)
            origins[name] = "flag"
    configuration = _check(Configuration, values, {tuple(k.split(".")): v for k, v in origins.items()}, origin)
    configuration._file = path  # noqa: SLF001 -- private attributes of a frozen model are set once, here
    configuration._origins = origins  # noqa: SLF001 -- as above
    configuration._secrets = {**_named_secrets(configuration, environment), **secrets}  # noqa: SLF001 -- as above
    configuration._store_url = _store_url(configuration, environment, origins)  # noqa: SLF001 -- as above
    _fits_together(configuration, origin)
    return configuration


def _check(model: type[_Model], values: Mapping[str, Any], origins: Mapping[tuple[str, ...], str], file: str) -> _Model:
    try:
        found = model.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigurationError(_told(error, model, origins, file)) from None
    for place, switches in _switch_tables(values):
        try:
            Policy.model_validate(switches)
        except ValidationError as error:
            raise ConfigurationError(_told(error, Policy, origins, file, below=place)) from None
    return found


def _told(
    error: ValidationError,
    model: type[BaseModel],
    origins: Mapping[tuple[str, ...], str],
    file: str,
    below: tuple[str, ...] = (),
) -> str:
    lines = []
    for problem in error.errors():
        loc = (*below, *problem["loc"])
        names = tuple(part for part in loc if isinstance(part, str) and part != "[key]")
        origin = next((o for k, o in origins.items() if k[: len(names)] == names), file)
        lines.append(f"{origin}: {place_of(loc)}: {spoken(problem, model)}")
    rest = len(lines) - MOST_ERRORS
    return "\n".join([*lines[:MOST_ERRORS], *([f"and {rest} more"] if rest > 0 else [])])


def place_of(loc: Iterable[str | int]) -> str:
    """Return ``[table.sub] key`` for a place of the file."""
    names: list[str] = []
    for part in loc:
        if isinstance(part, int):
            names[-1] += f"[{part + 1}]"
        elif part != "[key]":
            names.append(part)
    return f"[{names[0]}]" if len(names) == 1 else f"[{'.'.join(names[:-1])}] {names[-1]}"


def _switch_tables(values: Mapping[str, Any], below: tuple[str, ...] = ()) -> Iterable[tuple[tuple[str, ...], Any]]:
    yield (*below, "policy"), values.get("policy", {})
    for kind in ("site", "payer"):
        for name, table in values.get(kind, {}).items():
            yield (*below, kind, name, "policy"), table.get("policy", {})
    for name, overlay in values.get("profile", {}).items():
        yield from _switch_tables(overlay, (*below, "profile", name))


def _leaves(values: Mapping[str, Any], below: tuple[str, ...] = ()) -> Iterable[tuple[str, ...]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*below, key))
        else:
            yield (*below, key)


def _put(values: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    *tables, key = path
    here = values
    for table in tables:
        inner = here.get(table)
        # Never write into the tables that were read: a profile must not change the base.
        here[table] = dict(inner) if isinstance(inner, dict) else {}
        here = here[table]
    here[key] = value


def _with_profile(raw: Mapping[str, Any], profile: str | None, file: str) -> dict[str, Any]:
    base = {key: value for key, value in raw.items() if key != "profile"}
    if profile is None:
        return base
    known = raw.get("profile", {})
    if profile not in known:
        raise ConfigurationError(f"{file}: no [profile.{profile}]{nearest(profile, known)}")
    return _merged(base, known[profile])


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        inner = result.get(key)
        result[key] = _merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return result


def _no_inline_secret(raw: Mapping[str, Any], file: str) -> None:
    tables = {"server": raw.get("server")}
    profiles = raw.get("profile")
    if isinstance(profiles, dict):
        tables |= {f"profile.{n}.server": o.get("server") for n, o in profiles.items() if isinstance(o, dict)}
    for table, server in tables.items():
        if not isinstance(server, dict):
            continue
        for key in SECRET_KEYS:
            if key in server:
                raise ConfigurationError(
                    f"{file}: [{table}] {key}: a secret does not belong into this file; put it into a file of its own "
                    f"and name that with {key}_file, or into an environment variable and name that with {key}_env"
                )
        for key in ("base_url", "proxy"):
            address = server.get(key)
            if isinstance(address, str) and _has_password(address):
                raise ConfigurationError(f"{file}: [{table}] {key}: the address holds a password; remove it")


def _has_password(address: str) -> bool:
    try:
        return urlsplit(address).password is not None
    except ValueError:
        return False


def _environment_secrets(environment: Mapping[str, str]) -> dict[str, Secret]:
    names = {
        "token": "CARETALLY_SERVER__TOKEN",
        "password": "CARETALLY_SERVER__PASSWORD",
        "private_key": "CARETALLY_SERVER__PRIVATE_KEY",
    }
    return {
        key: Secret.from_environment(variable, environment[variable])
        for key, variable in names.items()
        if variable in environment
    }


def _named_secrets(configuration: Configuration, environment: Mapping[str, str]) -> dict[str, Secret]:
    server = configuration.server
    found: dict[str, Secret] = {}
    for key, file, variable in (
        ("token", server.token_file, server.token_env),
        ("password", server.password_file, server.password_env),
        ("private_key", server.private_key_file, server.private_key_env),
    ):
        if file is not None and variable is not None:
            raise ConfigurationError(f"[server] {key}_file and {key}_env are both set; keep one")
        if file is not None:
            found[key] = Secret.from_file(configuration.path(file))
        if variable is not None:
            if variable not in environment:
                raise ConfigurationError(f"[server] {key}_env: the environment has no variable {variable}")
            found[key] = Secret.from_environment(variable, environment[variable])
    return found


def _store_url(configuration: Configuration, environment: Mapping[str, str], origins: Mapping[str, str]) -> str | None:
    store = configuration.store
    if store.url_env is not None:
        if store.url is not None:
            raise ConfigurationError("[store] url and url_env are both set; keep one")
        if store.url_env not in environment:
            raise ConfigurationError(f"[store] url_env: the environment has no variable {store.url_env}")
        return environment[store.url_env]
    if store.url is None:
        return None
    origin = origins.get("store.url", "")
    if _has_password(store.url) and not origin.startswith("environment"):
        raise ConfigurationError(
            f"{origin}: [store] url: the address holds a password; put the whole address into an environment variable "
            "and name that with url_env"
        )
    if "://" in store.url:
        return store.url
    return str(configuration.path(store.url)) if origin != "flag" else store.url


def _fits_together(configuration: Configuration, file: str) -> None:
    server = configuration.server
    token, password = configuration.server_token, configuration.server_password
    if server.auth == "bearer" and token is None:
        raise ConfigurationError(f"{file}: [server] auth is bearer, but there is no token; set token_file or token_env")
    if server.auth == "basic" and (password is None or server.username is None):
        raise ConfigurationError(
            f"{file}: [server] auth is basic; it wants username, and password_file or password_env"
        )
    if server.auth == "smart" and (configuration.server_private_key is None or server.client_id is None):
        raise ConfigurationError(
            f"{file}: [server] auth is smart; it wants client_id, and private_key_file or private_key_env"
        )
    given = [name for name, secret in (("token", token), ("password", password)) if secret is not None]
    # auth = "none" said aloud is meant so, for example by a profile for a server that asks for nothing.
    if server.auth == "none" and given and "server.auth" not in configuration.origins:
        kind = "bearer" if token is not None else "basic"
        raise ConfigurationError(f'{file}: [server] a {given[0]} is given, but auth is none; set auth = "{kind}"')
    if (server.client_certificate_file is None) != (server.client_key_file is None):
        raise ConfigurationError(f"{file}: [server] client_certificate_file and client_key_file belong together")
