"""Days of an output made those of `main`, and taken back: each by one commit of metadata, all of the days or none.

The commit that promotes leaves a tag at the snapshot before it, so that what it replaced stays and can be restored. The
tag is there if and only if the promotion landed in the table, which is how one that was killed is taken up.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pyiceberg.table.refs import SnapshotRefType
from pyiceberg.table.update import RemoveSnapshotRefUpdate, SetSnapshotRefUpdate

from lakeproof.errors import LakeError
from lakeproof.lake.attempts import committed
from lakeproof.lake.catalog import columns_of
from lakeproof.lake.evidence import day_evidence, evidence_of
from lakeproof.lake.files import RUN, run_began
from lakeproof.lake.live import View, data_files, files_at
from lakeproof.lake.publish import Published, demand_verdicts, landed, paths_of, replacement, sort_out
from lakeproof.lake.replace import MemoizedTransaction, ReplaceDays
from lakeproof.lake.stage import Staged, StagedFile
from lakeproof.lake.turn import turn
from lakeproof.verdict import recorded_verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table as IcebergTable

    from lakeproof.contract import Table
    from lakeproof.lake.days import Day
    from lakeproof.lake.live import LiveDay
    from lakeproof.lake.output import OutputTable
    from lakeproof.verdict import Content, Verdict

PROMOTIONS = "promotions"
"""The folder of a table's records in which the plans of its promotions lie."""

TAG = "before-"
"""How the name of a tag begins at the snapshot before a promotion; the promotion's id follows."""


RESTORED_KEY = "lakeproof.restored"
"""In a snapshot's summary: the promotion that it took back, by files that were there before."""


def audited_days(
    table: OutputTable, contract: Table, days: Collection[Day], promotion: str
) -> tuple[Staged, dict[Day, Verdict]]:
    """Return days of an output as the stage that was audited, and what the audits said.

    A day whose evidence is gone, is not the one that the ledger names, or is of other files is left out: nobody can say
    any more that it passed.

    Args:
        table: The table as the output has it.
        contract: Its contract.
        days: The days.
        promotion: The promotion's id, which stands for the runs that made them.
    """
    files: dict[Day, list[DataFile]] = defaultdict(list)
    for day, file in data_files(table, days):
        files[day].append(file)
    staged: dict[Day, tuple[StagedFile, ...]] = {}
    verdicts: dict[Day, Verdict] = {}
    records: dict[str, dict[str, Any] | None] = {}
    for day, of_day in sorted(files.items(), key=lambda item: str(item[0])):
        owned = table.owned[day]
        if owned.run not in records:
            records[owned.run] = evidence_of(table, owned.run, owned.evidence)
        entry = day_evidence(records[owned.run], day)
        digests = {file["location"]: file["sha256"] for file in entry["files"]} if entry else {}
        if entry and set(digests) == {file.file_path for file in of_day}:
            staged[day] = tuple(StagedFile(file, digests[file.file_path]) for file in of_day)
            verdicts[day] = recorded_verdict(entry)
    return Staged(contract, columns_of(table), promotion, staged), verdicts


def promote_days(
    main: IcebergTable,
    staged: Staged,
    verdicts: Mapping[Day, Verdict],
    *,
    base: Mapping[Day, frozenset[str]],
    content_of: Callable[[LiveDay], Content],
    evidence: dict[str, str],
    promotion: str,
) -> Published:
    """Make audited days of an output those of `main`, in one commit that leaves a tag at what was before.

    Not a byte of a file is read: that they are those which were audited was seen when they became the output's.

    Args:
        main: The table as readers have it.
        staged: The days, from `audited_days`.
        verdicts: A verdict for each of them.
        base: The files that `main` is to have for each of them until then.
        content_of: Digests a day of `main` as the verdicts digest theirs.
        evidence: What the snapshot's summary shall hold.
        promotion: The promotion's id.

    Returns:
        What became of the days. If any moved, nothing was committed.

    Raises:
        AuditError: A day has no verdict of these files that passed.
        LakeError: The catalog or the storage refused; `main` is as it was.
    """
    demand_verdicts(staged, verdicts)

    def attempt(_: int) -> Published:
        at = main.catalog.load_table(main.name())
        if (tagged := tag_of(at, promotion)) is not None:
            return Published(frozenset(staged.days), snapshot=tagged)
        done, rest, expected = sort_out(at, staged, verdicts, base, content_of, chained=False)
        if done.moved or not rest.days:
            return done
        with turn(at):
            transaction, producer = replacement(at, rest, expected, evidence)
            transaction.replans = False  # PyIceberg would forget the tag
            _tag(transaction, promotion, at)
            producer.commit()
            transaction.commit_transaction()
        return replace(done, snapshot=producer.snapshot_id)

    return committed(f"promoting days of {staged.table}", attempt)


def restore_days(
    main: IcebergTable, days: Mapping[Day, frozenset[str]], evidence: dict[str, str], promotion: str
) -> frozenset[Day]:
    """Give `main` the days back that it had before a promotion, in one commit, and let the promotion's tag go.

    A day that it did not have then is no day of it any more.

    Args:
        main: The table as readers have it.
        days: The days, each with the files that the promotion gave it.
        evidence: What the snapshot's summary shall hold.
        promotion: The promotion's id.

    Returns:
        The days that were published again since; if there are any, nothing was committed.

    Raises:
        LakeError: What was before is no longer kept, or the catalog or the storage refused; `main` is as it was.
    """

    def attempt(_: int) -> frozenset[Day]:
        at = main.catalog.load_table(main.name())
        if (before := tag_of(at, promotion)) is None:
            if landed(at, evidence) is not None:
                return frozenset()
            msg = f"{'.'.join(main.name())}: what promotion {promotion} replaced is no longer kept."
            raise LakeError(msg, readers="see what was promoted", next_step="run the days again")
        live = View.of(at, days).days
        if moved := frozenset(day for day, files in days.items() if paths_of(live, day) != files):
            return moved
        files: dict[Day, list[DataFile]] = {day: [] for day in days}
        for day, file in files_at(at.io, at.metadata.snapshot_by_id(before), set(days)):
            files[day].append(file)
        with turn(at):
            transaction = MemoizedTransaction(at)
            transaction.replans = False
            properties = evidence | {RESTORED_KEY: promotion}
            producer = ReplaceDays(transaction, at.io, files=files, base=dict(days), properties=properties)
            producer.commit()
            transaction._stage((_removed(promotion),))  # noqa: SLF001 - PyIceberg drops tags in commits of their own only
            transaction.commit_transaction()
        return frozenset()

    return committed(f"restoring days of {'.'.join(main.name())}", attempt)


def tag_of(main: IcebergTable, promotion: str) -> int | None:
    """Return the snapshot before a promotion; None when it did not land in the table, or was taken back."""
    ref = main.metadata.refs.get(TAG + promotion)
    return None if ref is None else ref.snapshot_id


def forget_promotions(main: IcebergTable, before: datetime, *, dry_run: bool = False) -> list[str]:
    """Let the tags of promotions go that began before an instant: what they replaced is kept no longer.

    Returns:
        The promotions' ids.
    """

    def spent(at: IcebergTable) -> list[str]:
        names = [name.removeprefix(TAG) for name in at.metadata.refs if name.startswith(TAG)]
        return [name for name in names if RUN.fullmatch(name) and run_began(name) < before]

    def attempt(_: int) -> None:
        at = main.catalog.load_table(main.name())
        transaction = MemoizedTransaction(at)
        transaction._stage(tuple(map(_removed, spent(at))))  # noqa: SLF001 - as above
        transaction.commit_transaction()

    found = spent(main)
    if found and not dry_run:
        committed(f"forgetting old promotions of {'.'.join(main.name())}", attempt)
    return found


def _tag(transaction: MemoizedTransaction, promotion: str, main: IcebergTable) -> None:
    head = main.metadata.current_snapshot_id  # there is one: an output's line began at it
    update = {"ref-name": TAG + promotion, "type": SnapshotRefType.TAG, "snapshot-id": head}
    transaction._stage((SetSnapshotRefUpdate.model_validate(update),))  # noqa: SLF001 - as below


def _removed(promotion: str) -> RemoveSnapshotRefUpdate:
    return RemoveSnapshotRefUpdate.model_validate({"ref-name": TAG + promotion})
