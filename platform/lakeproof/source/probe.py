"""A few items of a source beside its contract: what is gone, of another type, null throughout, or new."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from lakeproof.source.drift import compare_names
from lakeproof.source.pages import DriftError
from lakeproof.source.protocol import Precheck

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakeproof.parts import Column
    from lakeproof.source.pages import Shape

PROBED_ITEMS = 20
SHOWN_ITEM = 300

Members = dict[str, msgspec.Raw]


def probe(shape: Shape, raw: msgspec.Raw, where: str) -> Precheck:
    """Compare the first items of a page with the contract.

    Args:
        shape: The contract.
        raw: The items, as delivered.
        where: The source and day, for the refusal.

    Raises:
        DriftError: They are no list of objects.
    """
    try:
        items = [_flat(item, shape) for item in msgspec.json.decode(raw, type=list[dict[str, msgspec.Raw]])]
    except msgspec.ValidationError as error:
        msg = f"{where}: the items are no objects: {error}."
        raise DriftError(msg, next_step="mend items=, or talk to the source's owner") from None
    items = items[:PROBED_ITEMS]
    if not items:
        return Precheck()
    found = list(dict.fromkeys(name for item in items for name in item))
    values = {name: [item[name] for item in items if name in item] for name in found}
    by_path = {shape.paths[field.name]: field for field in shape.fields}

    def fits(path: str, name: str) -> bool:
        return all(shape.accepts(by_path[path], value) is None for value in map(bytes, values[name]))

    gone, new = compare_names(list(by_path), found, fits)
    learned = list(new)
    faults = [] if shape.omits_null and not new else [f"{line} The item: {_shown(items[0])}" for line in gone]
    for path, field in by_path.items():
        if path in values:
            faults += _faults(shape, field, path, items)
            if all(bytes(value) == b"null" for value in values[path]):
                learned.append(f"field {path} is null in each of {len(items)} items")
    return Precheck(tuple(faults), tuple(learned), tuple(_delivered(shape, item) for item in items))


def _faults(shape: Shape, field: Column, path: str, items: Sequence[Members]) -> list[str]:
    lacking = [item for item in items if path not in item]
    if lacking and not shape.omits_null:
        return [f"field {path} is gone from {len(lacking)} of {len(items)} items. The item: {_shown(lacking[0])}"]
    for item in items:
        if path in item and (why := shape.accepts(field, bytes(item[path]))) is not None:
            value = bytes(item[path]).decode()
            return [f"field {path} is {value}, which is no {field.type} ({why}). The item: {_shown(item)}"]
    return []


def _flat(item: Mapping[str, msgspec.Raw], shape: Shape) -> Members:
    """Return an item's members by path; an object is opened where the contract reads inside it."""
    opened = {path.rpartition(".")[0] for path in shape.paths.values() if "." in path}
    inside = {".".join(path.split(".")[: n + 1]) for path in opened for n in range(path.count(".") + 1)}

    def walk(at: str, members: Mapping[str, msgspec.Raw]) -> Members:
        flat: Members = {}
        for name, value in members.items():
            path = f"{at}{name}"
            if path not in inside:
                flat[path] = value
            elif bytes(value) == b"null":
                flat |= {other: value for other in shape.paths.values() if other.startswith(f"{path}.")}
            else:
                flat |= walk(f"{path}.", msgspec.json.decode(value, type=dict[str, msgspec.Raw]))
        return flat

    return walk("", item)


def _delivered(shape: Shape, item: Members) -> dict[str, Any]:
    return {
        field.name: json.loads(bytes(item[path])) if (path := shape.paths[field.name]) in item else None
        for field in shape.fields
    }


def _shown(item: Members) -> str:
    text = "{" + ", ".join(f'"{name}": {bytes(value).decode()}' for name, value in item.items()) + "}"
    return text if len(text) <= SHOWN_ITEM else f"{text[:SHOWN_ITEM]}…"
