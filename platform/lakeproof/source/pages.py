"""A page of JSON becomes Arrow columns exactly as declared, or a refusal names the item, the field and the value."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec
import pyarrow as pa

from lakeproof.engine.cast import arrow_schema
from lakeproof.errors import SourceError
from lakeproof.source.client import Answer, PassingError
from lakeproof.source.drift import renamed
from lakeproof.source.twice import comes_twice, surely_once
from lakeproof.source.values import CONVERT, JSON_TYPES, TEXTS, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lakeproof.parts import Column

    Octets = bytes | memoryview

SHOWN_ITEM = 300
_AT = re.compile(r" - at `\$(?P<path>.*)`$")
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")
_GONE = re.compile(r"missing required field `([^`]+)`")


class DriftError(SourceError):
    """What a source delivered is not what its contract says."""


@dataclass(frozen=True)
class Page:
    """A page, as declared.

    Args:
        batch: Its items.
        beside: What stands beside them, by path.
        digest: A hash of the items as they were delivered, of this process.
        answer: The answer it came in.
    """

    batch: pa.RecordBatch
    beside: Mapping[str, Any]
    digest: int
    answer: Answer


@dataclass(frozen=True)
class Shape:
    """How a source's answers are built.

    Args:
        fields: The contract.
        paths: Where each field stands in an item, by column name.
        items: Where the items stand in the answer; empty when the answer is the list itself.
        beside: What else is read of it: paths and their types.
        omits_null: Whether the source leaves out what is null.
    """

    fields: Sequence[Column]
    paths: Mapping[str, str]
    items: str
    beside: Mapping[str, Any]
    omits_null: bool

    @cached_property
    def _answer(self) -> _Node:
        if not self.items:
            return _Node.leaf(msgspec.Raw)
        return _Node.of({self.items: msgspec.Raw, **self.beside}, optional=False, omits=self.omits_null)

    @cached_property
    def _item(self) -> _Node:
        wanted = {self.paths[field.name]: JSON_TYPES[kind_of(field.type)] | None for field in self.fields}
        return _Node.of(wanted, optional=True, omits=self.omits_null)

    @cached_property
    def _schema(self) -> pa.Schema:
        return arrow_schema(self.fields)

    @cached_property
    def _columns(self) -> list[tuple[Column, str, pa.DataType]]:
        """Each field with the kind and Arrow type of its column."""
        kinds = [kind_of(field.type) for field in self.fields]
        return list(zip(self.fields, kinds, self._schema.types, strict=True))

    @cached_property
    def _names(self) -> frozenset[str]:
        """The names that matter in an item."""
        return frozenset(part for path in self.paths.values() for part in path.split("."))

    @cached_property
    def _decoders(self) -> tuple[msgspec.json.Decoder[Any], msgspec.json.Decoder[Any]]:
        return msgspec.json.Decoder(self._answer.type), msgspec.json.Decoder(list[self._item.type])  # type: ignore[name-defined]

    def open(self, answer: Answer, where: str) -> tuple[msgspec.Raw, dict[str, Any]]:
        """Return an answer's items, not decoded yet, and what stands beside them.

        Raises:
            PassingError: The body is no JSON: it was cut or garbled on its way.
            DriftError: It is JSON of another shape, or holds what JSON has not.
        """
        if not answer.body.isascii():
            try:
                answer.body.decode()
            except UnicodeDecodeError as error:
                _refuse_text(answer.body, error, where)
        try:
            found = self._decoders[0].decode(answer.body)
        except msgspec.ValidationError as error:
            msg = f"{where}: the answer is not built as declared: {_words(error)}. It begins {_short(answer.body)}"
            raise DriftError(
                msg, next_step="mend items=, total= or pagination=, or talk to the source's owner"
            ) from None
        except msgspec.DecodeError as error:
            self._refuse_json(answer.body, error, where)
        if not self.items:
            return found, {}
        beside = self._answer.values(found)
        raw = beside.pop(self.items)
        begin = _place_in(answer.body, raw)
        end = begin + memoryview(raw).nbytes
        self._refuse_answer_twice(answer.body[:begin] + b"[]" + answer.body[end:], where)
        return raw, beside

    def read(self, answer: Answer, where: str) -> Page:
        """Return an answer as a page.

        Raises:
            PassingError: As for `open`.
            DriftError: It is not what the contract says.
        """
        raw, beside, items = self._cut(answer.body, where) or self._opened(answer, where)
        columns = zip(self._columns, self._item.columns(items), strict=True)
        arrays = [self._column(*column, values, where, raw) for column, values in columns]
        batch = pa.RecordBatch.from_arrays(arrays, schema=self._schema)
        self._refuse_item_twice(raw, batch, where)
        return Page(batch, beside, hash(raw), answer)

    def accepts(self, field: Column, raw: bytes) -> str | None:
        """Return why one value as delivered is not what a field says; None when it is."""
        try:
            value = msgspec.json.decode(raw, type=JSON_TYPES[kind_of(field.type)] | None)
            CONVERT[kind_of(field.type)]([value], arrow_schema([field]).field(0).type)
        except (msgspec.ValidationError, pa.ArrowInvalid) as error:
            return _words(error)
        return None

    def _opened(self, answer: Answer, where: str) -> tuple[Octets, dict[str, Any], list[Any]]:
        """Return an answer's items as delivered, what stands beside them, and the items decoded."""
        part, beside = self.open(answer, where)
        raw = bytes(part)
        try:
            return raw, beside, self._decoders[1].decode(raw)
        except msgspec.ValidationError as error:
            self._refuse_item(raw, error, where)

    def _cut(self, body: bytes, where: str) -> tuple[Octets, dict[str, Any], list[Any]] | None:
        """Do the same without a look at each item to find where they end; None where that cannot be.

        What is between the first and the last bracket is a list of sound items, and JSON that has an empty list there
        is a sound answer with its items there: so this is what the answer says.
        """
        begin, end = body.find(b"["), body.rfind(b"]") + 1
        if not self.items or begin < 0 or not body.isascii():
            return None
        envelope, raw = body[:begin] + b"[]" + body[end:], memoryview(body)[begin:end]
        try:
            found = self._decoders[0].decode(envelope)
            items = self._decoders[1].decode(raw)
        except msgspec.DecodeError:
            return None
        beside = self._answer.values(found)
        if _place_in(envelope, beside.pop(self.items)) != begin:
            return None
        self._refuse_answer_twice(envelope, where)
        return raw, beside, items

    def _column(
        self, field: Column, kind: str, wanted: pa.DataType, values: Sequence[Any], where: str, raw: Octets
    ) -> pa.Array:
        convert = CONVERT[kind]
        try:
            return convert(values, wanted)
        except pa.ArrowInvalid:
            for place, value in enumerate(values):
                try:
                    convert([value], wanted)
                except pa.ArrowInvalid as error:
                    self._refuse_value(raw, place, field, _words(error), where)
            raise

    def _refuse_item(self, raw: Octets, error: msgspec.ValidationError, where: str) -> NoReturn:
        steps = _steps(error)
        place = steps[0] if steps and isinstance(steps[0], int) else 0
        inside = [str(step) for step in steps[1:]]
        gone = _GONE.search(str(error))
        path = ".".join([*inside, gone[1]] if gone else inside)
        field = next((field for field in self.fields if self.paths[field.name] == path), None)
        if field is not None and not gone:
            self._refuse_value(raw, place, field, _words(error), where)
        at = f"{where}, {self._at(place)}"
        if gone:
            members = msgspec.json.decode(_part(raw, [place]), type=dict[str, msgspec.Raw])
            new = sorted(set(members) - {path.partition(".")[0] for path in self.paths.values()})
            msg = f"{at}: field {path} is gone. {renamed(path, new)} The item: {_short(_part(raw, [place]))}"
        else:
            msg = f"{at}: {path or 'the item'} is not as declared: {_words(error)}. It is {_short(_part(raw, steps))}"
        raise DriftError(msg, next_step=_TALK) from None

    def _refuse_answer_twice(self, envelope: bytes, where: str) -> None:
        """Refuse an answer, given without its items, that has them or what stands beside them twice."""
        names = {part for path in (self.items, *self.beside) for part in path.split(".")}
        if name := comes_twice(envelope, names):
            msg = f"{where}: the answer has {name} twice. It begins {_short(envelope)}"
            raise DriftError(msg, next_step=_TALK)

    def _refuse_item_twice(self, raw: Octets, batch: pa.RecordBatch, where: str) -> None:
        """Refuse an item that has a field twice."""
        names = self._names
        flat = not self.omits_null and len(names) == len(self.paths)
        texts = [batch.column(place) for place, (_, kind, _) in enumerate(self._columns) if kind in TEXTS]
        known = sum(len(column) - column.null_count for column in texts)
        if surely_once(raw, batch.num_rows * len(names) if flat else None, known):
            return
        for place, item in enumerate(msgspec.json.decode(raw, type=list[msgspec.Raw])):
            if name := comes_twice(bytes(item), names):
                msg = f"{where}, {self._at(place)}: field {name} comes twice. The item: {_short(bytes(item))}"
                raise DriftError(msg, next_step=_TALK)

    def _refuse_value(self, items: Octets, place: int, field: Column, why: str, where: str) -> NoReturn:
        path = self.paths[field.name]
        value = _short(_part(items, [place, *path.split(".")]))
        at = f"{where}, {self._at(place)}: field {path} is {value}, which is no {field.type}"
        msg = f"{at} ({why}). The item: {_short(_part(items, [place]))}"
        raise DriftError(msg, next_step=_TALK) from None

    def _refuse_json(self, body: bytes, error: msgspec.DecodeError, where: str) -> NoReturn:
        """Tell JSON that was cut from JSON that was written wrongly: Python's reader lets the latter pass."""
        try:
            answer = json.loads(body)
        except ValueError:
            msg = f"the body is no whole JSON ({_words(error)})"
            raise PassingError(msg) from None
        for path, value in _leaves(answer):
            if isinstance(value, float) and not -float("inf") < value < float("inf"):
                what = f"{path} is {value}, which JSON has not"
            elif isinstance(value, str) and not value.isprintable() and _is_broken(value):
                what = f"{path} is {json.dumps(value)}, half of a character"
            else:
                continue
            msg = f"{where}: {what}."
            raise DriftError(msg, next_step=_TALK) from None
        msg = f"the body is no sound JSON ({_words(error)})"
        raise PassingError(msg) from None

    def _at(self, place: int) -> str:
        return f"{self.items}[{place}]"


_TALK = "talk to the source's owner, or change the field to what is true"


@dataclass(frozen=True)
class _Node:
    """A part of an answer: a value, or an object with parts. msgspec decodes into the type made of it."""

    type: Any
    parts: Mapping[str, _Node]
    wanted: tuple[str, ...] = ()

    @property
    def has_items(self) -> bool:
        """Whether it is the items, or they are in it: an answer never lacks them."""
        return self.type is msgspec.Raw or any(part.has_items for part in self.parts.values())

    @classmethod
    def leaf(cls, kind: Any) -> _Node:
        return cls(kind, {})

    @classmethod
    def of(cls, wanted: Mapping[str, Any], *, optional: bool, omits: bool) -> _Node:
        """Build the type of an object from the paths that are read of it."""
        groups: dict[str, dict[str, Any]] = {}
        for path, kind in wanted.items():
            head, _, rest = path.partition(".")
            groups.setdefault(head, {})[rest] = kind
        parts = {
            head: cls.leaf(inner[""]) if "" in inner else cls.of(inner, optional=optional, omits=omits)
            for head, inner in groups.items()
        }
        names = {head: f"f{number}" for number, head in enumerate(parts)}
        fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
        for head, part in parts.items():
            kind = part.type | None if optional and part.parts else part.type
            may_lack = omits and not part.has_items
            fields.append((names[head], kind, None) if may_lack else (names[head], kind))
        made = msgspec.defstruct(
            "Item", fields, rename={name: head for head, name in names.items()}, gc=False, kw_only=True
        )
        return cls(made, parts, tuple(wanted))

    def columns(self, objects: Sequence[Any]) -> Iterator[Sequence[Any]]:
        """Yield the values of each path, in the order in which the paths were asked for."""
        found = dict(self.pairs("", objects))
        return (found[path] for path in self.wanted)

    def pairs(self, at: str, objects: Sequence[Any]) -> Iterator[tuple[str, Sequence[Any]]]:
        """Yield each path below `at` with its values."""
        width = len(self.parts)
        flat: list[Any] = []
        for one in objects:
            # A missing object is one without values.
            flat += repeat(None, width) if one is None else msgspec.structs.astuple(one)
        for place, (head, part) in enumerate(self.parts.items()):
            values = flat[place::width]
            path = f"{at}{head}"
            if part.parts:
                yield from part.pairs(f"{path}.", values)
            else:
                yield path, values

    def values(self, one: Any) -> dict[str, Any]:
        """Return the value of each path of one object."""
        return {path: values[0] for path, values in zip(self.wanted, self.columns([one]), strict=True)}


def _words(error: Exception) -> str:
    return _AT.sub("", str(error)).splitlines()[0].rstrip(".")


def _steps(error: Exception) -> list[str | int]:
    found = _AT.search(str(error))
    return [int(n) if n else key for key, n in _STEP.findall(found["path"])] if found else []


def _place_in(body: bytes, raw: msgspec.Raw) -> int:
    """Return where raw JSON begins in the body that it was read of, and is a view of."""
    return int(pa.py_buffer(raw).address - pa.py_buffer(body).address)


def _part(body: Octets, steps: Sequence[str | int]) -> bytes:
    """Return a part of JSON as it is written."""
    part = msgspec.Raw(body)
    try:
        for step in steps:
            if isinstance(step, int):
                part = msgspec.json.decode(part, type=list[msgspec.Raw])[step]
            else:
                part = msgspec.json.decode(part, type=dict[str, msgspec.Raw])[step]
    except (msgspec.DecodeError, KeyError, IndexError):
        return b"null"
    return bytes(part)


def _short(text: bytes) -> str:
    """Return JSON in a line's length."""
    shown = text.decode(errors="replace")
    return shown if len(shown) <= SHOWN_ITEM else f"{shown[:SHOWN_ITEM]}…"


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{place}]")
    else:
        yield path, value


def _is_broken(text: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def _refuse_text(body: bytes, error: UnicodeDecodeError, where: str) -> NoReturn:
    """Name the value that is no UTF-8."""
    at = f"byte {error.start:,}"
    try:
        answer = json.loads(body.decode(errors="surrogateescape"))
    except ValueError:
        msg = f"the body is neither UTF-8 nor whole JSON ({at})"
        raise PassingError(msg) from None
    for path, value in _leaves(answer):
        if isinstance(value, str) and _is_broken(value):
            shown = _short(value.encode(errors="surrogateescape"))
            msg = f"{where}: {path} is {shown!r}, which is no UTF-8 ({at})."
            raise DriftError(msg, next_step=_TALK) from None
    msg = f"{where}: the body is no UTF-8 ({at})."
    raise DriftError(msg, next_step=_TALK) from None
