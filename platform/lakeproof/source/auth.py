"""Credentials that are read when a request is made, from the environment, and are kept nowhere."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from requests.auth import AuthBase

from lakeproof.errors import ContractError, SourceError

if TYPE_CHECKING:
    from requests import PreparedRequest


@dataclass(frozen=True)
class FromEnvironment(AuthBase):
    """A credential in a header or in the query; build it with `bearer` or `api_key`.

    Args:
        env: The environment variable that holds it.
        header: The header that carries it, or None.
        query: The query parameter that carries it, or None.
        scheme: What stands before it in the header.
    """

    env: str
    header: str | None = None
    query: str | None = None
    scheme: str = ""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Put the credential into a request.

        Raises:
            SourceError: The variable is not set, or holds what no header can carry.
        """
        secret = secret_of(self.env)
        if not (secret.isascii() and secret.isprintable()):
            msg = f"environment variable {self.env} holds characters that no credential has."
            raise SourceError(msg, next_step=f"set {self.env} to the credential alone")
        if self.header:
            request.headers[self.header] = f"{self.scheme} {secret}".lstrip()
        if self.query:
            parts = urlsplit(request.url or "")
            others = [
                (name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != self.query
            ]
            request.url = urlunsplit(parts._replace(query=urlencode([*others, (self.query, secret)])))
        return request


def secret_of(env: str) -> str:
    """Return a credential.

    Args:
        env: The environment variable that holds it.

    Raises:
        SourceError: It is not set.
    """
    secret = os.environ.get(env, "").strip()
    if not secret:
        msg = f"environment variable {env} is not set, and holds the source's credential."
        raise SourceError(msg, next_step=f"set {env}")
    return secret


def bearer(*, env: str) -> AuthBase:
    """Send a token as `Authorization: Bearer …`.

    Args:
        env: The environment variable that holds the token. It is read for each request, so a token may be renewed.
    """
    return FromEnvironment(env, header="Authorization", scheme="Bearer")


def api_key(*, env: str, header: str | None = None, query: str | None = None) -> AuthBase:
    """Send a key in a header, or as a parameter of the query.

    Args:
        env: The environment variable that holds the key. It is read for each request.
        header: The header's name.
        query: The parameter's name.

    Raises:
        ContractError: Both or neither are given.
    """
    if (header is None) == (query is None):
        msg = f"api_key(env={env!r}) goes into a header or into the query."
        raise ContractError(msg, next_step='say which: header="X-Api-Key" or query="key"')
    return FromEnvironment(env, header=header, query=query)
