"""``caretally keys`` and its options."""

from __future__ import annotations

from typing import Annotated

import typer

from caretally.cli.failure import reported
from caretally.cli.options import (
    Settings,
    with_settings,
)

# ruff: noqa: PLC0415 -- every command loads its own module, so that --help and the others need not wait for it

keys = typer.Typer(
    help="Key pairs for a log-in by SMART Backend Services.", no_args_is_help=True, rich_markup_mode=None
)


@keys.command("make")
@reported
@with_settings(without=("config", "store", "profile", "verbose"))
def keys_make(
    settings: Settings,
    *,
    out: Annotated[
        str,
        typer.Option(
            "--out", metavar="FOLDER", help="Folder for private-key.pem and jwks.json; made where it is missing."
        ),
    ] = "caretally-keys",
    algorithm: Annotated[
        str, typer.Option("--algorithm", metavar="NAME", help="ES384 or RS384; every SMART server takes both.")
    ] = "ES384",
) -> None:
    """Make a private key, and the key set to register with the server."""
    from caretally.cli.keys_command import make_keys

    make_keys(settings, folder=out, algorithm=algorithm)


@keys.command("jwks")
@reported
@with_settings(without=("config", "store", "profile", "as_json", "verbose"))
def keys_jwks(
    settings: Settings,
    *,
    key: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...", help="Private keys; name two while one replaces the other.", show_default=False
        ),
    ],
) -> None:
    """Print the public key set of private keys, to register it or to put it on a web server."""
    from caretally.cli.keys_command import print_key_set

    print_key_set(settings, files=key)
