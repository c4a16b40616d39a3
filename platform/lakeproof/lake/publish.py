"""The line that publishes: staged days become the table's, by one metadata-only commit, if their verdicts passed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lakeproof.errors import AuditError
from lakeproof.lake.attempts import committed
from lakeproof.lake.evidence import PATH_KEY
from lakeproof.lake.live import View
from lakeproof.lake.output import summary_of
from lakeproof.lake.replace import MemoizedTransaction, ReplaceDays
from lakeproof.lake.schema import evolve
from lakeproof.lake.stage import Staged, verify_files
from lakeproof.lake.turn import turn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyiceberg.table import Table as IcebergTable

    from lakeproof.lake.days import Day
    from lakeproof.lake.live import LiveDay
    from lakeproof.verdict import Content, Verdict


@dataclass(frozen=True)
class Published:
    """What became of the days that were given to `publish`.

    Args:
        published: Days that are now the table's.
        standing: Days that already had this content, as readers have them; nothing was committed for them.
        moved: Days that another run published meanwhile; left as they are.
        snapshot: The snapshot that holds them; None when nothing was committed.
    """

    published: frozenset[Day] = field(default_factory=frozenset)
    standing: Mapping[Day, LiveDay] = field(default_factory=dict)
    moved: frozenset[Day] = field(default_factory=frozenset)
    snapshot: int | None = None

    @property
    def unchanged(self) -> frozenset[Day]:
        """The days that already had this content."""
        return frozenset(self.standing)


def publish(
    table: IcebergTable,
    staged: Staged,
    verdicts: Mapping[Day, Verdict],
    *,
    base: Mapping[Day, frozenset[str]],
    content_of: Callable[[LiveDay], Content],
    evidence: dict[str, str],
    chained: bool = False,
) -> Published:
    """Make staged days the table's content for those days, in one snapshot.

    Equal content is looked at first and is nothing to do; a day whose files are not those of `base` drops out, alone.
    What is new in the contract (columns, widths, names, descriptions) is stored by the same commit.

    Args:
        table: The Iceberg table.
        staged: The staged days.
        verdicts: A verdict for each of them.
        base: The files each day had when the run began, and those of published days that the staged ones build on.
        content_of: Digests a published day as the verdicts digest theirs.
        evidence: What the snapshot's summary shall hold.
        chained: Whether each day builds on the one before, so that a day that drops out takes the later ones along.

    Raises:
        AuditError: A day has no verdict, one of other files, or one that did not pass. Nothing was published.
        LakeError: A staged file changed, the table's columns did, or the catalog refused for good. Nothing was
            published.
    """
    demand_verdicts(staged, verdicts)
    verify_files(table, staged)
    done = Published()

    def attempt(number: int) -> Published:
        nonlocal done
        at = table.refresh()
        if number and (snapshot := landed(at, evidence)) is not None:
            return replace(done, snapshot=snapshot)
        done, rest, expected = sort_out(at, staged, verdicts, base, content_of, chained=chained)
        if not rest.days:
            if done.unchanged:
                _follow_contract(at, staged)
            return done
        return replace(done, snapshot=_commit(at, rest, expected, evidence))

    return committed(f"publishing {staged.table}", attempt)


def sort_out(
    table: IcebergTable,
    staged: Staged,
    verdicts: Mapping[Day, Verdict],
    base: Mapping[Day, frozenset[str]],
    content_of: Callable[[LiveDay], Content],
    *,
    chained: bool,
) -> tuple[Published, Staged, dict[Day, frozenset[str]]]:
    """Return what a commit on this head makes of each day, what it is to publish, and the files it may find.

    Args:
        table: The table at the head.
        staged: The staged days.
        verdicts: A verdict for each of them.
        base: The files that days are to have until then; another day may have any.
        content_of: Digests a published day as the verdicts digest theirs.
        chained: Whether each day builds on the one before.
    """
    live = View.of(table, {*base, *staged.days}).days
    same = {day for day in staged.days if day in live and content_of(live[day]) == verdicts[day].content}
    moved = {day for day, paths in base.items() if day not in same and paths_of(live, day) != paths}
    if chained and moved:
        first = min(str(day) for day in moved)
        moved |= {day for day in staged.days if str(day) >= first and day not in same}
    moved &= set(staged.days)
    rest = staged.only(staged.files.keys() - same - moved)
    expected = {day: paths for day, paths in base.items() if day in rest.files or day not in staged.files}
    expected |= {day: paths_of(live, day) for day in same}
    standing = {day: live[day] for day in same}
    return Published(frozenset(rest.days), standing, frozenset(moved)), rest, expected


def replacement(
    table: IcebergTable, staged: Staged, base: Mapping[Day, frozenset[str]] | None, evidence: dict[str, str]
) -> tuple[MemoizedTransaction, ReplaceDays]:
    """Return an uncommitted transaction in which the staged days are the table's, and its schema the contract's.

    Raises:
        LakeError: The table's columns are no longer those that the files were staged for.
    """
    transaction = MemoizedTransaction(table)
    evolve(transaction, staged.contract, staged)
    files = {day: [file.data_file for file in day_files] for day, day_files in staged.files.items()}
    return transaction, ReplaceDays(transaction, table.io, files=files, base=base, properties=evidence)


def _commit(
    table: IcebergTable, staged: Staged, base: Mapping[Day, frozenset[str]], evidence: dict[str, str]
) -> int | None:
    with turn(table):
        transaction, producer = replacement(table.refresh(), staged, base, evidence)
        producer.commit()
        transaction.commit_transaction()
    return producer.snapshot_id


def _follow_contract(table: IcebergTable, staged: Staged) -> None:
    """Store what is new in the contract where audited days have their content already: a commit without a snapshot."""
    transaction = MemoizedTransaction(table)
    if evolve(transaction, staged.contract, staged):
        transaction.commit_transaction()


def demand_verdicts(staged: Staged, verdicts: Mapping[Day, Verdict]) -> None:
    """Refuse to publish days without a verdict of exactly these files that passed.

    Raises:
        AuditError: There is such a day.
    """
    for day in staged.days:
        verdict = verdicts.get(day)
        what = f"{staged.table} {day or ''}".strip()
        if verdict is None:
            msg = f"{what}: no verdict, no publish."
        elif verdict.day != day or verdict.stage != staged.digest(day):
            msg = f"{what}: the verdict is of other files than the staged ones."
        elif not verdict.passed:
            msg = f"{what}: the verdict did not pass: {verdict.reason}."
        else:
            continue
        raise AuditError(msg, next_step="audit the stage, then publish what passed")


def paths_of(live: Mapping[Day, LiveDay], day: Day) -> frozenset[str]:
    """Return the files of a day; none where it is not there."""
    return frozenset(live[day].locations) if day in live else frozenset()


def landed(table: IcebergTable, evidence: Mapping[str, str]) -> int | None:
    """Return this run's snapshot if it is there already: the commit of the last attempt, whose response was lost."""
    for snapshot in reversed(table.metadata.snapshots):
        if summary_of(snapshot).get(PATH_KEY) == evidence[PATH_KEY]:
            return snapshot.snapshot_id
    return None
