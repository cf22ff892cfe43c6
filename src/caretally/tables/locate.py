"""Where the data outside the code lies: inside an installed wheel, or beside ``src`` in a checkout.

A wheel carries the folders as ``caretally/_data``; an editable install has them at the root of the repository.
This is the only place that knows the difference.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from caretally.errors import ConfigurationError


@lru_cache(maxsize=1)
def _root() -> Path:
    package = Path(str(files("caretally")))
    shipped = package / "_data"
    return shipped if shipped.is_dir() else package.parents[1]


def data_path(*parts: str) -> Path:
    """Return the path of a shipped data file or folder, for example ``data_path("mappings", "services")``.

    Raises:
        ConfigurationError: nothing of that name is shipped, so the installation is not complete.
    """
    path = _root().joinpath(*parts)
    if not path.exists():
        raise ConfigurationError(
            f"{'/'.join(parts)} is missing beside the program (looked in {_root()}); install Caretally again"
        )
    return path


def display_name(path: Path) -> str:
    """Return the name of a file as the user knows it: below the shipped folder where it is, else as it was given."""
    return path.relative_to(_root()).as_posix() if path.is_relative_to(_root()) else str(path)
