"""What a pipeline is: an end, which is worth something by itself, and all the tables that it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


def ends_of(upstream: Mapping[str, Collection[str]], worth: Collection[str]) -> list[str]:
    """Return the ends, by name: tables that are worth something, and those that no other reads.

    >>> ends_of({"raw": [], "clean": ["raw"], "report": ["clean"]}, worth=["clean"])
    ['clean', 'report']

    Args:
        upstream: What each table reads, all tables by name; itself among them counts for nothing.
        worth: The tables that somebody outside needs, as is declared.
    """
    read = {name for table, reads in upstream.items() for name in reads if name != table}
    return sorted(table for table in upstream if table in worth or table not in read)


def needed_by(upstream: Mapping[str, Collection[str]], table: str) -> frozenset[str]:
    """Return a table and all that it needs, however far upstream.

    >>> sorted(needed_by({"raw": [], "clean": ["raw"], "report": ["clean"]}, "clean"))
    ['clean', 'raw']

    Args:
        upstream: What each table reads.
        table: The table.
    """
    found: set[str] = set()
    reached = [table]
    while reached:
        name = reached.pop()
        if name not in found:
            found.add(name)
            reached += upstream.get(name, ())
    return frozenset(found)


def only_for(
    upstream: Mapping[str, Collection[str]], ends: Collection[str], read: Collection[str]
) -> dict[str, frozenset[str]]:
    """Return of each end what nothing else needs: what could stop with it. Nothing, when others read the end itself.

    >>> reads = {"raw": [], "clean": ["raw"], "report": ["clean"], "letter": ["clean", "stamps"], "stamps": []}
    >>> {end: sorted(alone) for end, alone in only_for(reads, ["report", "letter"], read=[]).items()}
    {'report': ['report'], 'letter': ['letter', 'stamps']}
    >>> sorted(only_for(reads, ["report", "letter"], read=["stamps"])["letter"])
    ['letter']

    Args:
        upstream: What each table reads.
        ends: The ends.
        read: Tables that somebody was seen to read, which are needed whatever becomes of an end downstream.
    """
    needs = {table: needed_by(upstream, table) for table in {*ends, *read}}
    return {end: needs[end].difference(*(needs[other] for other in needs if other != end)) for end in ends}
