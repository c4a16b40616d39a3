"""Answers of one server, whole or not at all: tried again, at a rate, and a credential leaves for no other host."""

from __future__ import annotations

import logging
import time
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import parse_qsl, urljoin, urlsplit

import requests
import tenacity
from urllib3.exceptions import HTTPError

from lakeproof.cost.meter import count, count_request
from lakeproof.errors import ContractError, SourceError
from lakeproof.source.auth import FromEnvironment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from requests.auth import AuthBase

    from lakeproof.source.rate import Rate

CONNECT_SECONDS = 10
HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "lakeproof"}
BRIEF_ATTEMPTS, BRIEF_SECONDS = 3, 20
"""How patient a small call is, whatever its source says for pages: someone waits for it, or asks again soon."""

CHUNK_BYTES = 64 * 1024
MOST_REDIRECTS = 5
SHOWN_TEXT = 200
ANSWERED = (200, 201)
REFUSED = (401, 403)
PASSING = (408, 425, 429, 500, 502, 503, 504)
"""What a server answers that may answer otherwise in a moment."""

T = TypeVar("T")


@dataclass(frozen=True)
class Retry:
    """How often, and how patiently, a request is tried again.

    A wait is random, below a limit that doubles from `first` to `longest`. A server that says how long is believed.

    Args:
        attempts: How often in all.
        first: The most seconds before the second attempt.
        longest: The most seconds to wait. A server that asks for more is not waited for.
    """

    attempts: int = 8
    first: float = 0.5
    longest: float = 60

    def __post_init__(self) -> None:
        """Refuse to never try."""
        if self.attempts < 1:
            msg = f"Retry(attempts={self.attempts}) never asks at all."
            raise ContractError(msg, next_step="give at least one attempt")


@dataclass(frozen=True)
class Answer:
    """What a server said.

    Args:
        url: Where it was asked.
        headers: The headers.
        body: The body, whole, unpacked.
        attempts: How often it was asked.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes
    attempts: int = 1


class StatusError(SourceError):
    """A server answered, and refused."""


class PassingError(Exception):
    """What may be otherwise at the next attempt.

    Args:
        reason: What happened.
        wait: Seconds that the server asks to wait; None when it does not.
    """

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait


@dataclass
class Client:
    """Asks one server.

    Args:
        origin: Scheme, host and port: `https://api.example.org`.
        auth: Puts the credential into each request.
        headers: Sent with each request.
        rate: The limit that all runs keep together.
        retry: How often a request is tried again.
        timeout: Seconds that an attempt may take, its body included.
        most_bytes: The largest body, unpacked.
        repeats: Whether a refusal repeats what the server says. One that was sent a password may say it again.
    """

    origin: str
    auth: AuthBase | None
    headers: Mapping[str, str]
    rate: Rate | None
    retry: Retry
    timeout: float
    most_bytes: int
    repeats: bool = True
    _session: requests.Session = field(default_factory=requests.Session, repr=False)

    def __enter__(self) -> Self:
        """Keep connections open between requests."""
        logging.getLogger("urllib3.connectionpool").addFilter(_without_query)
        return self

    def __exit__(self, *_: object) -> None:
        """Close them."""
        self._session.close()

    def get(
        self,
        url: str,
        params: Mapping[str, str],
        where: str,
        accept: Callable[[Answer], T],
        *,
        method: str = "GET",
        sent: Mapping[str, str] | None = None,
    ) -> T:
        """Ask until an answer is whole and accepted.

        Args:
            url: Of this server.
            params: Added to the query.
            where: The source, day and page, for the refusal.
            accept: Makes something of the answer; a `PassingError` asks again.
            method: GET, HEAD or POST.
            sent: What to send, as JSON.

        Raises:
            SourceError: No attempt brought an answer, or it is not one that another attempt would change.
        """
        attempts = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self.retry.attempts),
            wait=self._wait,
            retry=tenacity.retry_if_exception_type(PassingError),
            reraise=True,
        )

        def attempt() -> T:
            answer = self._ask(url, params, where, method, sent)
            answer = Answer(answer.url, answer.headers, answer.body, attempts.statistics.get("attempt_number", 1))
            return accept(answer)

        try:
            return attempts(attempt)
        except RecursionError:
            msg = f"{where}: the answer is nested deeper than JSON can be read."
            raise SourceError(msg, next_step="talk to the source's owner") from None
        except PassingError as error:
            times = f"{self.retry.attempts} attempts" if self.retry.attempts > 1 else "one attempt"
            msg = f"{where}: {error.reason}, after {times}."
            raise SourceError(msg, next_step="run it again when the source answers") from None

    def _wait(self, state: tenacity.RetryCallState) -> float:
        back_off = tenacity.wait_random_exponential(self.retry.first, self.retry.longest)(state)
        asked = getattr(state.outcome.exception() if state.outcome else None, "wait", None)
        return back_off if asked is None else asked

    def _ask(
        self, url: str, params: Mapping[str, str], where: str, method: str, sent: Mapping[str, str] | None
    ) -> Answer:
        """Make one attempt, and follow redirects within the server."""
        for _ in range(MOST_REDIRECTS):
            try:
                origin = origin_of(url)
            except SourceError as error:
                msg = f"{where}: {error.what}"
                raise SourceError(msg, next_step="talk to the source's owner") from None
            if origin != self.origin:
                msg = f"{where}: it leads to {origin}, another server than {self.origin}."
                raise SourceError(
                    msg, next_step="talk to the source's owner: no request goes where it was not declared"
                )
            headers = dict(self.headers)
            request = requests.Request(method, url, headers=headers, params=dict(params), json=sent).prepare()
            plain = request.copy()
            request = self.auth(request) if self.auth else request
            answer = self._send(request, where, _Secrets.between(plain, request, self.auth))
            if isinstance(answer, Answer):
                return answer
            url, params = linked(url, answer), {}
        msg = f"{where}: it was redirected {MOST_REDIRECTS} times."
        raise SourceError(msg, next_step="talk to the source's owner")

    def _send(self, request: requests.PreparedRequest, where: str, secrets: _Secrets) -> Answer | str:
        """Return the answer, or where it is to be had instead."""
        if self.rate:
            self.rate.wait(self.origin)
        count_request(urlsplit(self.origin).netloc)
        ends = time.monotonic() + self.timeout
        settings = self._session.merge_environment_settings(str(request.url), {}, stream=True, verify=None, cert=None)
        limits = (min(CONNECT_SECONDS, self.timeout), self.timeout)
        try:
            with self._session.send(request, timeout=limits, allow_redirects=False, **settings) as response:
                if response.is_redirect:
                    return str(response.headers["Location"])
                body = _body(response, self.most_bytes, ends) if request.method != "HEAD" else b""
        except _TooLargeError as error:
            msg = f"{where}: {error}"
            raise SourceError(msg, next_step="ask for fewer items a page, or raise most_bytes") from None
        except requests.Timeout:
            msg = f"no answer within {self.timeout:g} s"
            raise PassingError(msg) from None
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError, HTTPError, zlib.error) as error:
            msg = f"the connection failed ({secrets.hide(_root(error))})"
            raise PassingError(msg) from None
        except (requests.RequestException, ValueError) as error:
            msg = f"{where}: the request cannot be sent ({type(error).__name__})."
            raise SourceError(msg, next_step="mend the source's base, headers or credential") from None
        status = secrets.hide(f"it answers {response.status_code} {response.reason or ''}".rstrip())
        if response.status_code in PASSING:
            raise PassingError(status, self._asked_to_wait(response, f"{where}: {status}"))
        if response.status_code not in ANSWERED:
            said = secrets.hide(_shortened(body)) if self.repeats else ""
            msg = f"{where}: {status}{f': {said}' if said else ''}."
            raise StatusError(msg, next_step=self._remedy(response.status_code))
        return Answer(request.url or "", response.headers, body)

    def _asked_to_wait(self, response: requests.Response, what: str) -> float | None:
        text = response.headers.get("Retry-After")
        if text is None:
            return None
        try:
            wait = float(text) if text.strip().isdigit() else _until(parsedate_to_datetime(text))
        except ValueError:
            return None
        if wait > self.retry.longest:
            msg = f"{what}, and asks to wait {wait:,.0f} s, more than {self.retry.longest:g}."
            raise SourceError(msg, next_step="run it again later, or raise the longest wait of retry=")
        return wait

    def _remedy(self, status: int) -> str:
        if status not in REFUSED:
            return "talk to the source's owner, or mend the source's path and parameters"
        variable = getattr(self.auth, "env", None)
        return f"set {variable} to a credential that is valid" if variable else "give it a credential that is valid"


def origin_of(url: str) -> str:
    """Return scheme, host and port, as they are compared.

    >>> origin_of("HTTPS://Api.example.org:443/v1?x=1")
    'https://api.example.org'

    Raises:
        SourceError: It is no HTTP URL, or carries a user's name or password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        msg = "an address is no plain http:// or https:// URL, or holds a credential."
        raise SourceError(msg, next_step="give scheme, host and port alone, and the credential as auth=")
    default = {"http": 80, "https": 443}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in {None, default} else "")


def linked(url: str, link: str) -> str:
    """Return where a link leads from a URL; one that is no URL is returned as it is, and refused by who follows it."""
    try:
        return urljoin(url, link)
    except ValueError:
        return link


class _TooLargeError(Exception):
    pass


@dataclass(frozen=True)
class _Secrets:
    """What an auth put into a request, so that no text of ours repeats it."""

    values: tuple[str, ...]

    @classmethod
    def between(
        cls, plain: requests.PreparedRequest, signed: requests.PreparedRequest, auth: AuthBase | None
    ) -> _Secrets:
        """Find what is in a signed request and was not there before, and what an auth of another library holds."""
        added = [str(v) for k, v in signed.headers.items() if plain.headers.get(k) != v]
        known = set(parse_qsl(urlsplit(plain.url or "").query))
        added += [v for pair in parse_qsl(urlsplit(signed.url or "").query) if pair not in known for v in pair[1:]]
        if not isinstance(auth, FromEnvironment):
            added += [v for v in getattr(auth, "__dict__", {}).values() if isinstance(v, str)]
        return cls(tuple(sorted({part for value in added for part in (value, *value.split())}, key=len, reverse=True)))

    def hide(self, text: str) -> str:
        """Return a text without them."""
        for value in self.values:
            text = text.replace(value, "***")
        return text


def _body(response: requests.Response, most: int, ends: float) -> bytes:
    """Read a body to its end, and prove that it ended."""
    packing = response.headers.get("Content-Encoding", "identity").lower()
    if packing not in {"identity", "gzip", ""}:
        msg = f"it answers in {packing}, which was not asked for"
        raise PassingError(msg)
    unpack = zlib.decompressobj(wbits=31) if packing == "gzip" else None
    body = bytearray()
    # What is there, and not a whole chunk: a server that drips would never let the time be looked at.
    while chunk := response.raw.read1(CHUNK_BYTES, decode_content=False):
        count(read=len(chunk))
        body += unpack.decompress(chunk, most + 1) if unpack else chunk
        if len(body) > most:
            msg = f"an answer is larger than {most:,} bytes."
            raise _TooLargeError(msg)
        if time.monotonic() > ends:
            raise requests.Timeout
    if unpack and not unpack.eof:
        msg = "a gzip body was cut short"
        raise PassingError(msg)
    return bytes(body)


def _shortened(body: bytes) -> str:
    text = " ".join(body[: 4 * SHOWN_TEXT].decode(errors="replace").split())
    return text if len(text) <= SHOWN_TEXT else f"{text[:SHOWN_TEXT]}…"


def _until(at: datetime) -> float:
    return max(0.0, (at.astimezone(UTC) - datetime.now(UTC)).total_seconds())


def _root(error: BaseException) -> str:
    """Return what lies below an exception: the outer ones repeat the URL."""
    seen: Any = error
    while isinstance(deeper := seen.args[-1] if seen.args else None, BaseException) or (
        deeper := getattr(seen, "reason", None)
    ):
        if not isinstance(deeper, BaseException):
            break
        seen = deeper
    text = seen.strerror if isinstance(seen, OSError) and seen.strerror else str(seen)
    kind = type(seen).__name__
    return text if text.startswith(kind) else f"{kind}: {text}".rstrip(": ")


def _without_query(record: logging.LogRecord) -> bool:
    """Cut the query from what urllib3 logs of a request: it may hold a key."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            arg.partition("?")[0] if isinstance(arg, str) and arg.startswith("/") else arg for arg in record.args
        )
    return True
