"""Where a server is: given in the declaration, or in an environment variable that is read when it is asked."""

from __future__ import annotations

import os

from lakeproof.errors import ContractError, SourceError
from lakeproof.source.client import origin_of


def check_base(where: str, base: str | None, base_env: str | None) -> None:
    """Refuse a base that is none, or of which it is not clear where it stands.

    Args:
        where: The declaration, for the refusal.
        base: Scheme, host and port, and what stands before every path.
        base_env: Or the environment variable that holds it.

    Raises:
        ContractError: It is.
    """
    if (base is None) == (base_env is None):
        msg = f"{where} needs one of base= and base_env=."
        raise ContractError(msg, next_step='give base="https://…", or the environment variable that holds it')
    if base is not None:
        try:
            origin_of(base)
        except SourceError as error:
            msg = f"{where}: base= is wrong: {error.what}"
            raise ContractError(msg, next_step=error.next_step) from None


def shown_base(base: str | None, base_env: str | None) -> str:
    """Return a base as a person reads it: what was declared."""
    return (base or f"${base_env}").rstrip("/")


def opened_base(where: str, base: str | None, base_env: str | None) -> str:
    """Return a base to put before a path.

    Raises:
        SourceError: The variable is not set.
    """
    found = base or os.environ.get(base_env or "", "")
    if not found:
        msg = f"{where}: environment variable {base_env} is not set, and says where the source is."
        raise SourceError(msg, next_step=f"set {base_env}")
    return found.rstrip("/")
