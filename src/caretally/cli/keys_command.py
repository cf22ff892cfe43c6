"""``caretally keys``: the private key stays in its file, readable by its owner alone; the key set is public."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from caretally.errors import UsageError
from caretally.fhir.keys import Algorithm, key_id_of, new_private_key, public_key_set, read_private_key
from caretally.tables.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caretally.cli.options import Settings

PRIVATE, PUBLIC = "private-key.pem", "jwks.json"


def make_keys(settings: Settings, *, folder: str, algorithm: str) -> None:
    """Make a key pair and the key set to register.

    Raises:
        UsageError: an unknown algorithm, files that are there already, or a folder that cannot be written.
    """
    chosen: dict[str, Algorithm] = {name: name for name in get_args(Algorithm)}
    if algorithm.upper() not in chosen:
        raise UsageError(f"--algorithm '{algorithm}' is unknown; wanted is {' or '.join(chosen)}")
    place = Path(folder).expanduser()
    text = new_private_key(chosen[algorithm.upper()])
    key = read_private_key(text.decode(), origin=PRIVATE)
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(place / PRIVATE, text, mode=0o600)
        _write(place / PUBLIC, _text(public_key_set([key])).encode(), mode=0o644)
    except FileExistsError as error:
        raise UsageError(
            f"{error.filename} exists already, and a key is never overwritten: name another folder with --out"
        ) from None
    except OSError as error:
        raise UsageError(f"{place} cannot be written ({error.strerror}); name another folder with --out") from None
    found = {"private_key": str(place / PRIVATE), "jwks": str(place / PUBLIC), "key_id": key_id_of(key)}
    settings.output.document(found)
    settings.output.text(f"private key  {found['private_key']}  (keep it; give it to nobody)")
    settings.output.text(f"key set      {found['jwks']}  (register it with the server)")
    settings.output.text(f"key id       {found['key_id']}")
    settings.output.note('Then, in the configuration: [server] auth = "smart", client_id, private_key_file.')


def print_key_set(settings: Settings, *, files: Sequence[str]) -> None:
    """Print the public key set of some private keys.

    Raises:
        ConfigurationError: a file cannot be read, is open to others, or holds no private key.
    """
    keys = [
        read_private_key(Secret.from_file(Path(name).expanduser()).reveal(), origin=f"file {name}") for name in files
    ]
    sys.stdout.write(_text(public_key_set(keys)))
    settings.output.note(f"{len(keys)} public key(s)")


def _text(document: Any) -> str:
    return json.dumps(document, indent=2) + "\n"


def _write(path: Path, content: bytes, *, mode: int) -> None:
    """Write a new file with its rights from the first moment."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
