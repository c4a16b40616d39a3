"""How a source's pages follow each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from requests.utils import parse_header_links

from lakeproof.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping

Step = str | dict[str, str]
"""The way to the next page: a link, or parameters that change."""


@dataclass(frozen=True)
class Received:
    """What is known when a page has come.

    Args:
        items: How many items it held.
        rows: How many items all pages of the day held so far.
        pages: How many pages came so far.
        told: What stood beside the items, by path.
        headers: The answer's headers.
        total: How many rows the source says that the day has; None when it does not say.
    """

    items: int
    rows: int
    pages: int
    told: Mapping[str, Any]
    headers: Mapping[str, str]
    total: int | None = None

    @property
    def is_last(self) -> bool:
        """Whether nothing can follow: an empty page, or all that there is has come.

        A page that is only short says nothing: a server may give less than it was asked for.
        """
        return self.items == 0 or (self.total is not None and self.rows >= self.total)


class Pagination(Protocol):
    """Finds the way from page to page."""

    @property
    def beside(self) -> Mapping[str, Any]:
        """What it needs to know that stands beside the items: paths in the answer, and their types."""

    def first(self, limit: int | None = None) -> dict[str, str]:
        """Return the parameters of the first page, of at most `limit` items where that can be asked for."""

    def after(self, received: Received) -> Step | None:
        """Return the way to the page after one; None after the last."""


@dataclass(frozen=True, kw_only=True)
class _Limited:
    limit: int | None = None
    limit_param: str = "limit"

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            msg = f"{type(self).__name__}: a page of {self.limit} items is none."
            raise ContractError(msg)

    @property
    def beside(self) -> Mapping[str, Any]:
        return {}

    def first(self, limit: int | None = None) -> dict[str, str]:
        if self.limit is None:
            return {}
        return {self.limit_param: str(min(self.limit, limit or self.limit))}


@dataclass(frozen=True)
class OnePage(_Limited):
    """All of a day in one answer."""

    def after(self, received: Received) -> None:
        """Return nothing: no page follows."""
        del received


@dataclass(frozen=True)
class LinkHeader(_Limited):
    """The header `Link: <…>; rel="next"` (RFC 8288) leads to the next page; on the last it does not.

    Args:
        limit: Items of a page, or None to leave it to the server.
        limit_param: The parameter that asks for it.
    """

    def after(self, received: Received) -> Step | None:
        """Return the link in the header."""
        links = parse_header_links(received.headers.get("Link", ""))
        return next((link["url"] for link in links if "next" in link.get("rel", "").split()), None)


@dataclass(frozen=True)
class NextLink(_Limited):
    """A link in the answer leads to the next page; on the last it is null.

    Args:
        path: Where it stands, such as `next` or `meta.next`.
        limit: Items of a page, or None to leave it to the server.
        limit_param: The parameter that asks for it.
    """

    path: str = field(default="next", kw_only=False)

    @property
    def beside(self) -> Mapping[str, Any]:
        """The link."""
        return {self.path: str | None}

    def after(self, received: Received) -> Step | None:
        """Return the link in the answer."""
        return received.told[self.path] or None


@dataclass(frozen=True)
class Cursor(_Limited):
    """A mark in the answer asks for the next page; on the last it is null.

    Args:
        param: The parameter that takes it.
        path: Where it stands in the answer.
        limit: Items of a page, or None to leave it to the server.
        limit_param: The parameter that asks for it.
    """

    param: str = field(kw_only=False)
    path: str = field(kw_only=False)

    @property
    def beside(self) -> Mapping[str, Any]:
        """The mark."""
        return {self.path: str | int | None}

    def after(self, received: Received) -> Step | None:
        """Return the mark."""
        mark = received.told[self.path]
        return None if mark in {None, ""} else {self.param: str(mark)}


@dataclass(frozen=True)
class Offset(_Limited):
    """The number of items that came already asks for the next page; the last is when all came, or the next is empty.

    Args:
        limit: Items of a page.
        limit_param: The parameter that asks for it.
        offset_param: The parameter that takes the number.
    """

    limit: int | None = field(default=500, kw_only=False)
    offset_param: str = "offset"

    def first(self, limit: int | None = None) -> dict[str, str]:
        """Return the first page's limit and offset."""
        return super().first(limit) | {self.offset_param: "0"}

    def after(self, received: Received) -> Step | None:
        """Return the next offset."""
        return None if received.is_last else {self.offset_param: str(received.rows)}


@dataclass(frozen=True)
class PageNumber(_Limited):
    """Pages are numbered; the last is when all came, or the next is empty.

    Args:
        param: The parameter that takes the number.
        start: The first page's number.
        limit: Items of a page, or None to leave it to the server.
        limit_param: The parameter that asks for it.
    """

    param: str = field(default="page", kw_only=False)
    start: int = 1

    def first(self, limit: int | None = None) -> dict[str, str]:
        """Return the first page's limit and number."""
        return super().first(limit) | {self.param: str(self.start)}

    def after(self, received: Received) -> Step | None:
        """Return the next number."""
        return None if received.is_last else {self.param: str(self.start + received.pages)}
