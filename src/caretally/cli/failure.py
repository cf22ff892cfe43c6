"""How a command ends badly: one message for a person, one exit code, never a resource's content.

An exception of another library may carry what it was reading. Of an error that is not ours, therefore, only the
kind and the places in the code are shown, never its text; with ``--verbose`` or ``CARETALLY_DEBUG`` all the
places, else the last one.
"""

from __future__ import annotations

import functools
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar

import typer

from caretally.errors import CaretallyError

if TYPE_CHECKING:
    from collections.abc import Callable

INTERRUPTED = 130
BROKEN_PIPE = 141

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def reported(command: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Turn every way in which a command can fail into a message and a documented exit code."""

    @functools.wraps(command)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        as_json, verbose = bool(kwargs.get("as_json")), bool(kwargs.get("verbose"))
        try:
            return command(*args, **kwargs)
        except CaretallyError as error:
            _say(type(error).__name__, str(error), error.exit_code, as_json=as_json)
            if verbose or _debugging():
                sys.stderr.write(places(error))
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            sys.stderr.write("\nstopped; what was written so far is whole, and running the command again continues\n")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # The reader of our output went away (`| head`): no fault, and nothing to say to it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(BROKEN_PIPE) from None
        except typer.Exit:
            raise
        except Exception as error:
            if type(error).__module__.partition(".")[0] in {
                "typer",
                "click",
            }:  # a usage error, or the end of the command
                raise
            _say("InternalError", internal_message(error), CaretallyError.exit_code, as_json=as_json)
            if verbose or _debugging():
                sys.stderr.write(places(error))
            raise typer.Exit(CaretallyError.exit_code) from None

    return run


def error_document(error: CaretallyError) -> dict[str, Any]:
    """Return an error as it stands in JSON output."""
    return {"kind": type(error).__name__, "message": str(error), "exit_code": error.exit_code}


def end_badly(error: CaretallyError) -> NoReturn:
    """End a command that has said what it did, but could not do all of it."""
    sys.stderr.write(f"error: {error}\n")
    raise typer.Exit(error.exit_code) from None


def internal_message(error: BaseException) -> str:
    """Return what may be told about a fault of ours: its kind and place, never its text."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"
    return (
        f"caretally failed with {type(error).__name__} at {place}. This is a fault of the program, not of your data. "
        "Nothing half-done was kept. Run the command again with --verbose and report what it prints on the "
        "project's issue page: it names places in the code and holds no patient data."
    )


def places(error: BaseException) -> str:
    """Return the places in the code that an error passed, and the kinds of the errors behind it; no values."""
    parts: list[str] = []
    current: BaseException | None = error
    while current is not None:
        parts.append(f"{type(current).__module__}.{type(current).__name__}\n")
        parts += [
            f"  {frame.filename}:{frame.lineno} in {frame.name}\n"
            for frame in traceback.extract_tb(current.__traceback__)
        ]
        current = current.__cause__ or current.__context__
    return "".join(parts)


def _debugging() -> bool:
    return os.environ.get("CARETALLY_DEBUG", "") not in {"", "0"}


def _say(kind: str, message: str, exit_code: int, *, as_json: bool) -> None:
    sys.stderr.write(f"error: {message}\n")
    if as_json:
        import json  # noqa: PLC0415 -- only a failing command pays for it

        document = {"error": {"kind": kind, "message": message, "exit_code": exit_code}}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
