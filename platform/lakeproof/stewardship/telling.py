"""The sensor that tells owners of incidents: once when one opens, once when it closes.

A message is remembered in Dagster's storage as soon as it was taken. Where a process dies between the two, it is sent
again, with the same id: at least once, and never twice for another reason.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from lakeproof.asset import tables_among
from lakeproof.lakehouse import KEY as LAKE
from lakeproof.stewardship.notifications import Message, NotificationError, Notifications
from lakeproof.stewardship.reporting import incidents_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lakeproof.lake.catalog import Lake
    from lakeproof.stewardship.incidents import Incident

KEY = "notifications"
"""The key of the resource."""

NAME = "lakeproof_incidents"
TOLD, SINCE = "lakeproof/told/", "lakeproof/told-since/"
"""What Dagster's storage remembers: each message that was taken, and since when messages are sent."""

AT_ONCE = 500


def notifications(
    assets: Iterable[object], resource: Notifications | None = None, *, every_seconds: int = 60, name: str = NAME
) -> dg.Definitions:
    """Return a sensor that tells the owners of tables of their incidents, and the resource by which it does.

    Nobody is told while the environment names no address. Once it does, owners are told of what is open then, and of
    what opens later. To merge into a code location's definitions.

    Args:
        assets: The location's assets; those that are no tables are left alone.
        resource: Where they are told; by default, as a webhook at `LAKEPROOF_NOTIFY_URL`.
        every_seconds: How often to look.
        name: The sensor's name.
    """
    made = tables_among(assets)
    owners = {one.table.name: one.table.owner for one in made}

    def look(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        lake, resource = getattr(context.resources, LAKE).lake, getattr(context.resources, KEY)
        return dg.SkipReason(_tell(context.instance, lake, resource, owners, name))

    look.__annotations__.clear()  # Dagster reads them as they stand, and they stand as text
    sensor = dg.sensor(
        name=name,
        description="Tells owners when an incident of their tables opens, and when it closes.",
        minimum_interval_seconds=every_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={KEY, LAKE},
    )(look)
    return dg.Definitions(sensors=[sensor], resources={KEY: resource or Notifications()})


def _tell(
    instance: dg.DagsterInstance, lake: Lake, resource: Notifications, owners: Mapping[str, str], name: str
) -> str:
    """Send what was not sent yet, and return what was done."""
    memory, now = instance.daemon_cursor_storage, datetime.now(UTC)
    if not resource.on:
        memory.set_cursor_values({SINCE + name: now.isoformat()})
        return f"Nobody is told: {resource.variable} is not set."
    if (since := memory.get_cursor_values({SINCE + name}).get(SINCE + name)) is None:
        since = now.isoformat()
        memory.set_cursor_values({SINCE + name: since})
    found = incidents_of(instance, lake, owners, now)
    due = [message for one in found for message in _messages(one, owners[one.table], datetime.fromisoformat(since))]
    told = _told(instance, due)
    sent, refused = 0, dict[str, NotificationError]()
    for message in due:
        where = resource.variable_of(message.owner)
        if message.id in told or where is None or where in refused:
            continue
        try:
            resource.send(message)
        except NotificationError as error:
            refused[where] = error  # who does not answer is not asked for each message
            continue
        memory.set_cursor_values({TOLD + message.id: now.isoformat()})
        sent += 1
    if refused:
        raise next(iter(refused.values()))
    waiting = sum(one.closed is None for one in found)
    return f"Messages sent: {sent}. Incidents open: {waiting}."


def _messages(incident: Incident, owner: str, since: datetime) -> list[Message]:
    """Return what an owner is to be told of an incident, whether it was told or not."""
    if incident.closed is None:
        return [Message("opened", incident, owner)]
    both = [Message("opened", incident, owner), Message("closed", incident, owner)]
    return both if incident.closed >= since else []


def _told(instance: dg.DagsterInstance, due: Sequence[Message]) -> set[str]:
    """Return the ids of the messages that were taken."""
    keys = [TOLD + message.id for message in due]
    told: set[str] = set()
    for n in range(0, len(keys), AT_ONCE):
        told |= instance.daemon_cursor_storage.get_cursor_values(set(keys[n : n + AT_ONCE])).keys()
    return {key.removeprefix(TOLD) for key in told}
