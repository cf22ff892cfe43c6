"""How changes reach a server: what it promises, what the configuration says, and what has to be tried out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caretally.errors import ConfigurationError
from caretally.fhir.capability import HOW, WriteStrategy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caretally.fhir.capability import Capabilities, WriteChoice

BY_IDENTIFIER = frozenset({WriteStrategy.CONDITIONAL_UPDATE, WriteStrategy.CONDITIONAL_CREATE})
"""Ways of writing in which the server chooses the ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The way of writing to one server.

    Attributes:
        strategy: what is done.
        reason: for a person.
        otherwise: what is done where the server turns out to refuse ids of ours; None where it promised to take
            them, or nothing else is left.
    """

    strategy: WriteStrategy
    reason: str
    otherwise: WriteStrategy | None = None


def way_of(
    choice: WriteChoice, capabilities: Capabilities, written: Sequence[str], configured: WriteStrategy | None
) -> Way:
    """Choose.

    HAPI and others take ids of ours and do not say so. A server that does not take them refuses, and nothing is
    written, so that trying it out does no harm.

    Args:
        choice: the best way that the server promises.
        capabilities: all that it says.
        written: resource types.
        configured: ``[writeback] strategy``; None: automatic.

    Raises:
        ConfigurationError: the way that the configuration wants has no operations on this server.
    """
    if configured is not None:
        return _configured(configured, capabilities, written)
    if choice.strategy not in BY_IDENTIFIER | {WriteStrategy.EXPORT_ONLY}:
        return Way(strategy=choice.strategy, reason=choice.reason)
    kinds = [capabilities.resource(name) for name in written]
    if any("update" not in kind.interactions or kind.update_create is False for kind in kinds):
        return Way(strategy=choice.strategy, reason=choice.reason)
    strategy = WriteStrategy.TRANSACTION if capabilities.transaction else WriteStrategy.SINGLE_PUT
    otherwise = choice.strategy if choice.strategy in BY_IDENTIFIER else None
    then = f"; where it refuses them, {HOW[otherwise]}" if otherwise is not None else ""
    return Way(
        strategy=strategy,
        reason=f"{HOW[strategy]}, although the server does not say that it takes them (updateCreate){then}",
        otherwise=otherwise,
    )


def _configured(strategy: WriteStrategy, capabilities: Capabilities, written: Sequence[str]) -> Way:
    missing = []
    if strategy is WriteStrategy.TRANSACTION and not capabilities.transaction:
        missing.append("system interaction transaction")
    wanted = {WriteStrategy.CONDITIONAL_CREATE: "create", WriteStrategy.EXPORT_ONLY: None}.get(strategy, "update")
    missing += [
        f"{name}.{wanted}" for name in written if wanted and wanted not in capabilities.resource(name).interactions
    ]
    if missing:
        raise ConfigurationError(
            f"[writeback] strategy = '{strategy.value}', but the server does not offer {', '.join(missing)}: choose "
            "another one, or leave it out to have the best one chosen"
        )
    return Way(strategy=strategy, reason=f"{HOW[strategy]}, because [writeback] strategy says so")
