"""Commits to an output's line: audited days, on a branch or a table of its own, with the ledger that owns them."""

from __future__ import annotations

import uuid
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pyiceberg.exceptions import NoSuchTableError, RESTError, TableAlreadyExistsError
from pyiceberg.serializers import ToOutputFile
from pyiceberg.table.refs import SnapshotRef, SnapshotRefType
from pyiceberg.table.update import (
    AssertRefSnapshotId,
    RemoveSnapshotRefUpdate,
    SetSnapshotRefUpdate,
)

from lakeproof.errors import LakeError, UsageError
from lakeproof.lake.attempts import committed
from lakeproof.lake.evidence import SHA256_KEY
from lakeproof.lake.faults import lake_faults
from lakeproof.lake.live import View, files_at, live_days
from lakeproof.lake.output import (
    FORKED_KEY,
    LEDGER_KEY,
    MAIN,
    OUTPUT_KEY,
    TABLE_KEY,
    OutputLedger,
    OutputTable,
    OwnedDay,
    ledger_location,
)
from lakeproof.lake.publish import Published, demand_verdicts, landed, paths_of
from lakeproof.lake.replace import MemoizedTransaction, ReplaceDays
from lakeproof.lake.schema import columns_by_id, evolve
from lakeproof.lake.stage import digest_of, verify_files
from lakeproof.lake.turn import turn

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from pyiceberg.catalog import Catalog
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table as IcebergTable

    from lakeproof.lake.days import Day
    from lakeproof.lake.live import LiveDay
    from lakeproof.lake.stage import Staged
    from lakeproof.verdict import Content, Verdict


@dataclass(frozen=True)
class Beside:
    """What a run to an output is beside.

    Args:
        main: What `main` had of its days when it began.
        as_table: A name for the line, as a table of its own; None for a branch, where the columns allow one.
    """

    main: Mapping[Day, LiveDay]
    as_table: str | None = None


def files_digest(locations: Collection[str]) -> str | None:
    """Return what tells the files of a day from any other; None for no files.

    A data file is never written twice under one name, so names are enough.
    """
    return digest_of(dict.fromkeys(locations, "")) if locations else None


def publish_beside(
    table: OutputTable,
    staged: Staged,
    verdicts: Mapping[Day, Verdict],
    *,
    base: Mapping[Day, frozenset[str]],
    beside: Beside,
    content_of: Callable[[LiveDay], Content],
    evidence: Mapping[str, str],
    chained: bool = False,
) -> Published:
    """Make staged days an output's own, in one snapshot of its line; readers of `main` see nothing of it.

    A day whose rows are those that the output shows already keeps their files: not a byte is copied. A day that another
    run of the output published since this one began drops out, alone.

    Args:
        table: The table as the output has it, as the run began.
        staged: The staged days.
        verdicts: A verdict for each of them.
        base: The files that the output showed for each day when the run began, and for days that these build on.
        beside: What `main` had when the run began, and where the line is to be.
        content_of: Digests a day as the verdicts digest theirs.
        evidence: What the snapshot's summary shall hold.
        chained: Whether each day builds on the one before.

    Raises:
        AuditError: A day has no verdict, one of other files, or one that did not pass.
        LakeError: The output was discarded meanwhile, or the storage or the catalog refused. Its line is as it was.
        UsageError: There is another table of the name that was asked for.
    """
    demand_verdicts(staged, verdicts)
    verify_files(table, staged)
    began = table.ledger and table.ledger.began
    name = ".".join(table.name())
    done = Published()

    def attempt(number: int) -> Published:
        nonlocal done
        at = table.refresh()
        if number and (snapshot := landed(at.line, evidence)) is not None:
            return replace(done, snapshot=snapshot)
        if began is not None and (at.ledger is None or at.ledger.began != began):
            msg = f"{name}: output {at.output} was discarded while this run wrote to it; nothing was published."
            raise LakeError(msg, readers="see what they saw before", next_step="run the same days again")
        done, rest, same = _sort_out(at, staged, verdicts, base, content_of, chained=chained)
        if not rest.days and not same:
            return done
        at = _with_line(at, staged, beside.as_table)
        live = View.of(at, [day for day in staged.days if day is not None] or None).days
        contents = {day: verdicts[day].content for day in (*rest.days, *same)}
        ledger = _ledger(at, staged.run, evidence[SHA256_KEY], contents, beside)
        files = _to_add(at, rest, same, live)
        if not files and at.ledger is not None and ledger.days == at.ledger.days:
            return done
        return replace(done, snapshot=_commit(at, rest, files, ledger, {**evidence, OUTPUT_KEY: at.output}, number))

    return committed(f"publishing {name} to output {table.output}", attempt)


def _sort_out(
    at: OutputTable,
    staged: Staged,
    verdicts: Mapping[Day, Verdict],
    base: Mapping[Day, frozenset[str]],
    content_of: Callable[[LiveDay], Content],
    *,
    chained: bool,
) -> tuple[Published, Staged, list[Day]]:
    """Return what becomes of each day, those to publish, and those that the output shows with this content already."""
    live = View.of(at, None if None in base else [day for day in base if day is not None]).days
    same = {day for day in staged.days if day in live and content_of(live[day]) == verdicts[day].content}
    # What `main` publishes meanwhile is no conflict: the output's day takes nothing from it until it is promoted.
    moved = {
        day
        for day, paths in base.items()
        if day not in same and (day in at.owned or day not in staged.files) and paths_of(live, day) != paths
    }
    if chained and moved:
        first = min(str(day) for day in moved)
        moved |= {day for day in staged.days if str(day) >= first and day not in same}
    moved &= set(staged.days)
    rest = staged.only(staged.files.keys() - same - moved)
    standing = {day: live[day] for day in staged.days if day in same}
    return Published(frozenset(rest.days), standing, frozenset(moved)), rest, list(standing)


def _ledger(at: OutputTable, run: str, evidence: str, contents: Mapping[Day, Content], beside: Beside) -> OutputLedger:
    """Return the output's ledger with the days of a run added; one that it owns just so is left as it is."""
    owned = dict(at.owned)
    for day, content in contents.items():
        main = beside.main.get(day)
        base, base_run = (files_digest(main.locations), main.run) if main else (None, None)
        known = owned.get(day)
        if known is None or (known.content, known.base) != (content, base):
            owned[day] = OwnedDay(day, run, evidence, content, base, base_run)
    began = at.ledger.began if at.ledger else run
    return OutputLedger(began, run, dict(sorted(owned.items(), key=lambda item: str(item[0]))))


def _to_add(
    at: OutputTable, rest: Staged, same: Collection[Day], live: Mapping[Day, LiveDay]
) -> dict[Day, list[DataFile]]:
    """Return the files that the line is to have for each day that it does not have them for."""
    files = {day: [file.data_file for file in of_day] for day, of_day in rest.files.items()}
    head = at.head or at.main.current_snapshot()
    on_line = live_days(files_at(at.main.io, head, same))
    standing = [day for day in same if paths_of(on_line, day) != paths_of(live, day)]
    found: dict[Day, list[DataFile]] = defaultdict(list)
    if standing:
        for day, file in files_at(at.main.io, at.main.current_snapshot(), standing):
            found[day].append(file)
    return {**files, **found}


def _commit(
    at: OutputTable,
    rest: Staged,
    files: Mapping[Day, list[DataFile]],
    ledger: OutputLedger,
    summary: dict[str, str],
    number: int,
) -> int:
    """Commit days and the ledger that owns them to the line, on the head that they were planned on."""
    location = ledger_location(at, at.output, f"{ledger.written}-{number}")
    with lake_faults(f"writing the ledger {location}"), at.io.new_output(location).create(overwrite=True) as out:
        out.write(ledger.as_json(at.output, ".".join(at.name())))
    with turn(at.line):
        transaction = MemoizedTransaction(at.line)
        transaction.replans = False  # the ledger is that of the head which was looked at
        if not at.is_branch:
            evolve(transaction, rest.contract, rest)
        elif at.head is None:
            _start_branch(transaction, at)
        producer = ReplaceDays(
            transaction, at.io, files=files, base=None, properties={**summary, LEDGER_KEY: location}, branch=at.branch
        )
        producer.commit()
        transaction.commit_transaction()
    return producer.snapshot_id


def _start_branch(transaction: MemoizedTransaction, at: OutputTable) -> None:
    """Add to a transaction that the output's branch begins at the head of `main`."""
    head = at.main.current_snapshot()
    assert head is not None  # noqa: S101 - `_with_line` has seen to it
    branch = SetSnapshotRefUpdate.model_validate(
        {"ref-name": at.output, "type": SnapshotRefType.BRANCH, "snapshot-id": head.snapshot_id}
    )
    new = AssertRefSnapshotId.model_validate({"ref": at.output, "snapshot-id": None})
    transaction._stage((branch,), (new,))  # noqa: SLF001 - PyIceberg makes branches in commits of their own only


def _with_line(at: OutputTable, staged: Staged, as_table: str | None) -> OutputTable:
    """Return the table with what a commit to its line needs there: a head to fork, and a table where columns differ."""
    if at.main.current_snapshot() is None:
        _commit_nothing(at.main)
        at = at.refresh()
    if not at.is_branch:
        if as_table is not None and as_table != at.line_name:
            msg = f"{'.'.join(at.name())}: output {at.output} is in the table {at.line_name} already."
            raise UsageError(msg, next_step=f"leave --as-table out, or lakeproof discard {at.output} first")
        return at
    metadata = at.main.metadata
    sorts = {file.data_file.sort_order_id for files in staged.files.values() for file in files}
    fits = columns_by_id(metadata.schema()) == staged.columns and sorts <= {None, metadata.default_sort_order_id}
    if fits and as_table is None:
        return at
    return _fork(at, as_table or f"{'.'.join(at.name())}__{at.output.replace('-', '_')}")


def _commit_nothing(main: IcebergTable) -> None:
    """Give a table that never published a first snapshot, without a row: a branch must begin somewhere."""
    transaction = MemoizedTransaction(main)
    ReplaceDays(transaction, main.io, files={}, base={}, properties={}).commit()
    transaction.commit_transaction()


def _fork(at: OutputTable, name: str) -> OutputTable:
    """Register the line as a table of its own, with the days that the line or `main` has, and say so in the table."""
    catalog, main = at.main.catalog, at.main
    head = at.head or main.current_snapshot()
    assert head is not None  # noqa: S101 - `_with_line` has seen to it
    taken = _table_if_there(catalog, name)
    if taken is not None and taken.properties.get(OUTPUT_KEY) != at.output:
        msg = f"There is a table {name} already, and it is not output {at.output}'s."
        raise UsageError(msg, next_step="name another: --as-table SCHEMA.TABLE")
    if taken is None:
        forked = SnapshotRef.model_validate({"snapshot-id": head.snapshot_id, "type": SnapshotRefType.BRANCH})
        marks = {OUTPUT_KEY: at.output, FORKED_KEY: str(main.metadata.last_column_id)}
        kept = {k: v for k, v in main.properties.items() if not k.startswith(TABLE_KEY)}
        metadata = main.metadata.model_copy(
            update={
                "table_uuid": uuid.uuid4(),
                "snapshots": [head],
                "current_snapshot_id": head.snapshot_id,
                "refs": {MAIN: forked},
                "snapshot_log": [],
                "metadata_log": [],  # PyIceberg removes what this names, and `main` has its own
                "statistics": [],
                "partition_statistics": [],
                "properties": {**kept, **marks},
            }
        )
        location = f"{main.location()}/metadata/00000-{uuid.uuid4()}.metadata.json"
        with lake_faults(f"registering {name}"):
            ToOutputFile.table_metadata(metadata, main.io.new_output(location))
            try:
                _demand_registered(catalog.register_table(name, location), head.snapshot_id)
            except TableAlreadyExistsError:
                return _fork(at, name)
    transaction = MemoizedTransaction(main)
    transaction.set_properties({TABLE_KEY + at.output: name})
    transaction.commit_transaction()
    return at.refresh()


def _demand_registered(line: IcebergTable, head: int) -> None:
    """Refuse a catalog that takes a table's metadata and does not keep it, as a REST server was seen to."""
    if line.metadata.current_snapshot_id != head or OUTPUT_KEY not in line.properties:
        name = ".".join(line.name())
        with suppress(RESTError):  # nor does that server drop what it so registered
            line.catalog.drop_table(name)
        msg = f"The catalog registered {name} without its days and columns, so an output cannot be a table there."
        remedy = "leave --as-table out, and change columns on main; branches work"
        raise LakeError(msg, readers="see what they saw before", next_step=remedy)


def _table_if_there(catalog: Catalog, name: str) -> IcebergTable | None:
    with lake_faults(f"reading table {name}"):
        try:
            return catalog.load_table(name)
        except NoSuchTableError:
            return None


def discard_line(main: IcebergTable, output: str) -> None:
    """Let an output's line in a table go; its files go with the next upkeep that finds nothing else leads to them.

    Args:
        main: The table as readers have it.
        output: The output.
    """

    def attempt(_: int) -> None:
        at = main.catalog.load_table(main.name())
        transaction = MemoizedTransaction(at)
        if TABLE_KEY + output in at.properties:
            name = at.properties[TABLE_KEY + output]
            line = _table_if_there(at.catalog, name)
            if line is not None and line.properties.get(OUTPUT_KEY) == output:
                at.catalog.drop_table(name)
            transaction.remove_properties(TABLE_KEY + output)
        if output in at.metadata.refs:
            transaction._apply((RemoveSnapshotRefUpdate.model_validate({"ref-name": output}),))  # noqa: SLF001 - as above
        transaction.commit_transaction()

    committed(f"discarding output {output} of {'.'.join(main.name())}", attempt)
