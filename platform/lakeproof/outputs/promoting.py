"""A promotion: how it is begun, done table by table, taken up again after a crash, and taken back.

Its plan lies beside each of its tables before the first commit. Each table is one commit, upstream first, and a tag in
the table says that it landed, so whoever is killed in between can go on, or back.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lakeproof.errors import LakeError
from lakeproof.lake.beside import files_digest
from lakeproof.lake.days import day_key, key_day
from lakeproof.lake.evidence import publisher, write_evidence
from lakeproof.lake.faults import lake_faults
from lakeproof.lake.files import list_files, read_file, records_of
from lakeproof.lake.live import View
from lakeproof.lake.output import MAIN, OutputTable
from lakeproof.lake.promotion import PROMOTIONS, audited_days, promote_days, restore_days, tag_of
from lakeproof.lake.publish import paths_of
from lakeproof.lake.published import FIRST_KEY, carried
from lakeproof.outputs.compared import Compared, sides
from lakeproof.reading import content_of
from lakeproof.wap import new_run_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pyiceberg.table import Table as IcebergTable

    from lakeproof.contract import Table
    from lakeproof.lake.catalog import Lake
    from lakeproof.lake.days import Day
    from lakeproof.outputs.plan import Plan


@dataclass(frozen=True)
class Promotion:
    """A promotion that was begun: what is to become of each day of each table, by what tells their files.

    Args:
        id: Its id, which sorts by time.
        output: The output.
        tables: By table, upstream first, the sides of each day.
    """

    id: str
    output: str
    tables: Mapping[str, Mapping[Day, Compared]] = field(default_factory=dict)

    def as_json(self) -> bytes:
        """Return it as it is stored."""
        tables = [
            {"table": name, "days": {day_key(day): asdict(both) for day, both in days.items()}}
            for name, days in self.tables.items()
        ]
        told = {"format": 1, "id": self.id, "output": self.output, "publisher": publisher(), "tables": tables}
        return json.dumps(told, indent=1).encode()

    @classmethod
    def parse(cls, data: bytes) -> Promotion:
        """Read what is stored."""
        told = json.loads(data)
        tables = {
            entry["table"]: {key_day(key): Compared(**both) for key, both in entry["days"].items()}
            for entry in told["tables"]
        }
        return cls(told["id"], told["output"], tables)


def begin(lake: Lake, planned: Plan) -> Promotion:
    """Write a promotion's plan beside each of its tables; nothing is changed yet.

    Raises:
        LakeError: The storage refused.
    """
    tables = {
        table.contract.name: {day.day: table.sides[day.day] for day in table.days if not day.same}
        for table in planned.tables
    }
    promotion = Promotion(new_run_id(), planned.output, {name: days for name, days in tables.items() if days})
    for name in promotion.tables:
        _write(_main(lake, name), f"{promotion.id}.json", promotion.as_json())
    return promotion


def go_on(lake: Lake, promotion: Promotion, tables: Sequence[Table]) -> Iterator[tuple[Table, frozenset[Day]]]:
    """Do what is left of a promotion, table by table; yield each with the days that moved, for which nothing was done.

    Where days moved, it ends there: what was promoted until then stays and can be taken back, and the rest can be
    compared and promoted anew.

    Args:
        lake: The lake.
        promotion: The promotion.
        tables: The contracts of its tables.

    Raises:
        AuditError: A verdict is no longer on record.
        LakeError: The catalog or the storage refused.
    """
    contracts = {table.name: table for table in tables}
    landed: dict[str, Mapping[Day, Compared]] = {}
    for name, days in promotion.tables.items():
        moved = _promote(lake, promotion, contracts[name], days)
        if moved:
            _end(lake, promotion, replace(promotion, tables=landed))
            yield contracts[name], moved
            return
        landed[name] = days
        yield contracts[name], moved
    _end(lake, promotion, promotion)


def _end(lake: Lake, promotion: Promotion, landed: Promotion) -> None:
    """Say beside each table that a promotion is over, and what of it landed; with nothing, there is nothing to undo."""
    end = "done" if landed.tables else "undone"
    for name in promotion.tables:
        _write(_main(lake, name), f"{promotion.id}.{end}.json", landed.as_json())


def _promote(lake: Lake, promotion: Promotion, contract: Table, days: Mapping[Day, Compared]) -> frozenset[Day]:
    main = _main(lake, contract.name)
    if tag_of(main, promotion.id) is not None:
        return frozenset()
    table = OutputTable.of(main, promotion.output)
    now = sides(table, days)
    if moved := frozenset(day for day, both in days.items() if day not in now or Compared.now(*now[day]) != both):
        return moved
    staged, verdicts = audited_days(table, contract, set(days), promotion.id)
    evidence = _evidence(main, promotion, set(days), "promoted")
    done = promote_days(
        main,
        staged,
        verdicts,
        base={day: frozenset(old.locations if old else ()) for day, (old, _) in now.items()},
        content_of=lambda of_day: content_of(View(main, None), of_day, staged.columns),
        evidence=evidence,
        promotion=promotion.id,
    )
    return done.moved


def undo(lake: Lake, promotion: Promotion) -> Iterator[tuple[str, frozenset[Day]]]:
    """Take a promotion back, downstream first; yield each table with the days that were published again since.

    Where there are such days, it ends there.

    Args:
        lake: The lake.
        promotion: The promotion.

    Raises:
        LakeError: What it replaced is no longer kept, or the catalog or the storage refused.
    """
    for name, days in reversed(list(promotion.tables.items())):
        main = _main(lake, name)
        live = View.of(main, days).days
        now = {day: paths_of(live, day) for day in days}
        if tag_of(main, promotion.id) is None and all(files_digest(now[day]) == both.old for day, both in days.items()):
            continue  # it never came that far, or was taken back by one that was killed
        moved = frozenset(day for day, both in days.items() if files_digest(now[day]) != both.new)
        moved = moved or restore_days(main, now, _evidence(main, promotion, set(days), "restored"), promotion.id)
        yield name, moved
        if moved:
            return
    for name in promotion.tables:
        _write(_main(lake, name), f"{promotion.id}.undone.json", promotion.as_json())


def promotions(lake: Lake, output: str, names: Iterable[str]) -> list[tuple[Promotion, str]]:
    """Return the promotions of an output that tables remember, oldest first, each with its state.

    Args:
        lake: The lake.
        output: The output; it may be gone by now.
        names: The tables.

    Returns:
        Each with `begun`, `done` or `undone`.
    """
    found: dict[str, tuple[Promotion, str]] = {}
    for name in names:
        main = lake.on(MAIN).find(name)
        if main is None:
            continue
        with lake_faults(f"reading the promotions of {name}"):
            files = {file.name: file.location for file in list_files(main.io, f"{records_of(main)}/{PROMOTIONS}")}
            for file, location in files.items():
                key, _, rest = file.partition(".")
                if rest == "json":
                    state = next((end for end in ("undone", "done") if f"{key}.{end}.json" in files), "begun")
                    data = read_file(main.io, files.get(f"{key}.{state}.json", location)) or b""
                    promotion = Promotion.parse(data)
                    if promotion.output == output and found.get(key, (None, "begun"))[1] == "begun":
                        found[key] = (promotion, state)
    return [found[key] for key in sorted(found)]


def _evidence(main: IcebergTable, promotion: Promotion, days: set[Day], what: str) -> dict[str, str]:
    """Leave on record that days were promoted or restored, and when days were first published, as every run does."""
    now = datetime.now(UTC)
    first = carried(main, days)
    if what == "promoted":
        first |= {day_key(day): now for day in days if day_key(day) not in first and day is not None}
    record = {
        "format": 1,
        "table": ".".join(main.name()),
        "output": MAIN,
        "run": new_run_id(),
        what: {"promotion": promotion.id, "from": promotion.output, "days": sorted(map(day_key, days))},
        "publisher": publisher(),
        "audited": now,
        FIRST_KEY: first,
        "days": {},
    }
    return write_evidence(main, str(record["run"]), record)


def _main(lake: Lake, name: str) -> IcebergTable:
    main = lake.on(MAIN).find(name)
    if main is None:
        msg = f"{name}: the table is gone."
        raise LakeError(msg, next_step="restore it, or discard the output")
    return main


def _write(main: IcebergTable, name: str, data: bytes) -> None:
    location = f"{records_of(main)}/{PROMOTIONS}/{name}"
    with lake_faults(f"writing {location}"), main.io.new_output(location).create(overwrite=True) as out:
        out.write(data)
