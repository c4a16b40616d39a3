"""A message to a webhook, when one is named; its address is a secret, and is told nowhere."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import dagster as dg
import requests

from lakeproof.errors import ContractError, LakeproofError
from lakeproof.stewardship.postmortem import owner_text, without_people
from lakeproof.stewardship.text import duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lakeproof.stewardship.incidents import Incident

Form = Literal["webhook", "slack"]
Event = Literal["opened", "closed"]

VARIABLE = "LAKEPROOF_NOTIFY_URL"
"""The environment variable that holds where to send messages, unless the resource names another."""


class NotificationError(LakeproofError):
    """A message was not taken."""

    may_pass = True


@dataclass(frozen=True)
class Message:
    """What an owner is told of an incident.

    Args:
        event: Whether it opened or closed.
        incident: The incident.
        owner: The table's owner, as its contract says.
    """

    event: Event
    incident: Incident
    owner: str

    @property
    def id(self) -> str:
        """The same whenever the message is sent: who gets it twice can tell."""
        return f"{self.incident.id}-{self.event}"

    @property
    def text(self) -> str:
        """The message for a person."""
        one, days = self.incident, self.incident.days_text or "the whole table"
        whose = f"({owner_text(self.owner)}; incident {one.id})"
        if self.event == "closed" and one.duration is not None:
            return f"{one.table} published: {days}, {duration(one.duration)} after it was {one.kind} {whose}"
        return f"{one.table} {one.kind}: {days}: {without_people(one.symptoms[0].reason, frozenset())} {whose}"

    def body(self, form: Form) -> dict[str, Any]:
        """Return it as JSON: for Slack and what speaks like it, the text alone."""
        if form == "slack":
            escaped = self.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            return {"text": escaped}
        one = self.incident
        return {
            "id": self.id,
            "event": self.event,
            "incident": one.id,
            "table": one.table,
            "kind": one.kind,
            "causes": sorted(one.causes),
            "days": ["all" if day is None else day.isoformat() for day in one.days],
            "owner": owner_text(self.owner),
            "opened": one.opened.isoformat(),
            "closed": None if one.closed is None else one.closed.isoformat(),
            "text": self.text,
        }


class Notifications(dg.ConfigurableResource[Any]):
    """Where owners are told of incidents. It is off until the environment names an address.

    Attributes:
        variable: The environment variable that holds the address. It is read for each message.
        owners: For owners with an address of their own, by owner: the variable that holds it.
        form: `webhook`: the incident as JSON, with an `id` that is the same if it is sent twice; `slack`: its text
            alone, as Slack's incoming webhooks take it.
        timeout: How many seconds the other side has.
    """

    variable: str = VARIABLE
    owners: dict[str, str] = {}  # noqa: RUF012 - a field of pydantic's, which copies it
    form: str = "webhook"
    timeout: float = 10

    def variable_of(self, owner: str) -> str | None:
        """Return the variable that holds where an owner is told; None when nobody tells them."""
        named = (self.owners.get(owner), self.variable)
        return next((name for name in named if name and os.environ.get(name, "").strip()), None)

    @property
    def on(self) -> bool:
        """Whether anyone is told."""
        return any(self.variable_of(owner) for owner in ("", *self.owners))

    def send(self, message: Message) -> bool:
        """Send a message, and return whether anyone was there to be told.

        Raises:
            NotificationError: It was not taken: no answer, or one that is not a success. A redirect is none.
        """
        if (name := self.variable_of(message.owner)) is None:
            return False
        form: Form = "slack" if self.form == "slack" else "webhook"
        if self.form != form:
            msg = f"Notifications: form {self.form!r} is neither 'webhook' nor 'slack'."
            raise ContractError(msg)
        if why := self._refused(os.environ[name].strip(), message.body(form)):
            msg = f"The message {message.id} was not taken by the address in {name}: {why}."
            raise NotificationError(msg, next_step=f"mend what it says, or {name}; it is sent again until it is taken")
        return True

    def _refused(self, url: str, body: dict[str, Any]) -> str:
        """Return why a message was not taken; nothing when it was. What requests raises holds the address."""
        try:
            if urlsplit(url).scheme not in {"http", "https"}:
                return "it is no http or https address"
            with (
                _quiet(),
                requests.post(url, json=body, timeout=self.timeout, allow_redirects=False, stream=True) as answer,
            ):
                return "" if answer.ok and not answer.is_redirect else f"it answered {answer.status_code}"
        except requests.Timeout:
            return f"no answer within {self.timeout:g} s"
        except (requests.RequestException, UnicodeError, ValueError) as error:
            return type(error).__name__


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep urllib3, which logs the path of what it asks, from logging it: the path of a webhook is its secret."""
    logger = logging.getLogger("urllib3.connectionpool")
    logger.addFilter(_no_record)
    try:
        yield
    finally:
        logger.removeFilter(_no_record)


def _no_record(_: logging.LogRecord) -> bool:
    return False
