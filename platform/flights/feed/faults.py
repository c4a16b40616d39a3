"""Everything that can be wrong with an API, on demand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

Item = dict[str, Any]

IN_ITEMS = {
    "drop": "a field is left out",
    "rename": "a field has another name (to)",
    "retype": "a field's numbers are text",
    "null": "a field is null",
    "overflow": "a field is 2**63",
    "nan": "a field is NaN",
    "no_such_date": "a field is the 30th of February",
    "not_utf8": "a field holds a byte that is no UTF-8",
    "new": "there is a field more",
    "duplicate": "every tenth item comes twice",
}
IN_PAGES = {
    "repeat_page": "the second page is the first again",
    "skip_page": "the link to the next page leads to the one after",
    "wrong_total": "the total is one more than there are",
    "elsewhere": "the link to the next page leads to another host (to)",
}
IN_TRANSPORT = {
    "truncate": "the body ends before its length",
    "cut_gzip": "the body is a gzip without its end",
    "cut_json": "the body is JSON without its end",
    "slow": "the answer takes some seconds (seconds)",
    "error": "the answer is 500",
    "reset": "the connection is reset",
    "expired": "the key is not valid any more",
}
KINDS = IN_ITEMS | IN_PAGES | IN_TRANSPORT
NOT_UTF8 = "\udcff"
"""Becomes the byte 0xFF when an answer is written."""


@dataclass
class Fault:
    """One thing that is wrong.

    Args:
        kind: One of `KINDS`.
        field: The field at fault.
        to: What it becomes, or where a link leads.
        from_item: The item of the day at which it begins.
        times: In how many answers it shows, where it is one of `IN_TRANSPORT`; None for all.
        seconds: How long an answer takes.
    """

    kind: str
    field: str = "dep_delay"
    to: str = "departure_delay"
    from_item: int = 0
    times: int | None = None
    seconds: float = 1

    def __post_init__(self) -> None:
        """Refuse a fault that is not known."""
        if self.kind not in KINDS:
            msg = f"no fault {self.kind!r}; there are {', '.join(KINDS)}"
            raise ValueError(msg)

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read a fault as a command line has it.

        >>> Fault.parse("rename:field=carrier,to=airline,from_item=600")
        Fault(kind='rename', field='carrier', to='airline', from_item=600, times=None, seconds=1)
        """
        kind, _, rest = text.partition(":")
        given = dict(part.split("=", 1) for part in rest.split(",") if part)
        types = {"from_item": int, "times": int, "seconds": float}
        return cls(kind, **{name: types.get(name, str)(value) for name, value in given.items()})

    def shows(self) -> bool:
        """Whether it shows in one more answer."""
        if self.times is None:
            return True
        self.times -= 1
        return self.times >= 0


def spoil(items: Sequence[Item], faults: Sequence[Fault]) -> list[Item]:
    """Return a day's items with what is wrong with them."""
    spoilt = [dict(item) for item in items]
    for fault in faults:
        if fault.kind == "duplicate":
            spoilt = [item for n, item in enumerate(spoilt) for _ in range(2 if n % 10 == 0 else 1)]
        elif fault.kind in IN_ITEMS:
            for item in spoilt[fault.from_item :]:
                _spoil(item, fault)
    return spoilt


def _spoil(item: Item, fault: Fault) -> None:
    value = item.get(fault.field)
    match fault.kind:
        case "drop":
            item.pop(fault.field, None)
        case "rename":
            renamed = {(fault.to if name == fault.field else name): value for name, value in item.items()}
            item.clear()
            item.update(renamed)
        case "new":
            item[fault.to] = 1
        case "retype":
            item[fault.field] = None if value is None else str(value)
        case "null":
            item[fault.field] = None
        case "overflow":
            item[fault.field] = 2**63
        case "nan":
            item[fault.field] = float("nan")
        case "no_such_date":
            item[fault.field] = "2013-02-30T10:00:00Z"
        case "not_utf8":
            item[fault.field] = NOT_UTF8


def as_bytes(answer: object) -> bytes:
    """Write JSON, and what is no JSON, as it is."""
    return json.dumps(answer, separators=(",", ":"), ensure_ascii=False).encode(errors="surrogateescape")
