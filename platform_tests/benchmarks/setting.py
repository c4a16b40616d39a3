"""How large everything is: as the bounds are stated, or so small that only the code is exercised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from measure import ROOT, run_here, run_job

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from measure import Sample

BUILD = ROOT / "build" / "benchmarks"
PEERS = ROOT / ".venv" / "peers"


@dataclass(frozen=True)
class Setting:
    """The sizes of a run of the benchmarks.

    Args:
        work: A folder for lakes and files, which goes when the run ends.
        rounds: How often contestants take turns.
        rows: Line items in a day, and in a year.
        streamed: Line items in the streamed days.
        year_days: Days of the flights year, and of the year of line items.
        writers: Processes that publish at the same time.
        writer_days: Days that each of them publishes.
        milestones: How many days are published when the latency is taken.
        latencies: How many publishes a latency is the median of.
        upkeep_every: Publishes from one upkeep to the next, over which its cost is spread.
        peer_seconds: How long a peer may take for the year, a day at a time; one that takes longer is stopped.
        start_seconds: Time for every writer to load what it needs, before all begin at one moment.
        sensed_tables: Tables that a sensor looks at.
        aged_tables: Tables of which some are so many years older than others.
        aged_years: How many years that is.
        loaded_tables: Tables of a code location.
        compared: Line items of two versions that are compared.
        promoted: Files that are promoted at once: few, many, most.
        promoted_rows: Rows of a large one of them.
        spark_rows: Line items that a Spark job makes.
        spark_rounds: How often it takes turns with the bare one.
        warm_rows: Line items that a warm Spark looks through for one day.
        paying_rows: Line items that Spark and the process make.
        peers: Whether the peers take part.
        data: Where the data is kept from one run to the next.
        run_job: How our own jobs are run.
    """

    work: Path
    rounds: int = 5
    rows: int = 5_000_000
    streamed: tuple[int, ...] = (5_000_000, 20_000_000)
    year_days: int = 365
    writers: int = 4
    writer_days: int = 30
    milestones: tuple[int, ...] = (10, 365, 3_650, 7_300)
    latencies: int = 50
    upkeep_every: int = 50
    peer_seconds: float = 180
    start_seconds: float = 6
    sensed_tables: int = 200
    aged_tables: int = 20
    aged_years: int = 10
    loaded_tables: int = 1_000
    compared: int = 10_000_000
    promoted: tuple[int, int, int] = (365, 3_650, 36_500)
    promoted_rows: int = 20_000
    spark_rows: int = 50_000_000
    spark_rounds: int = 3
    warm_rows: int = 600_000
    paying_rows: tuple[int, ...] = (600_000, 6_000_000)
    peers: bool = True
    data: Path = BUILD / "data"
    run_job: Callable[..., Sample] = run_job

    @classmethod
    def tiny(cls, work: Path) -> Setting:
        """Return sizes at which all of it takes seconds, and no figure means anything."""
        return cls(
            work,
            rounds=1,
            rows=3_000,
            streamed=(4_000,),
            year_days=5,
            writers=2,
            writer_days=2,
            milestones=(3, 6),
            latencies=2,
            upkeep_every=2,
            start_seconds=0,
            sensed_tables=2,
            aged_tables=1,
            aged_years=2,
            loaded_tables=2,
            compared=3_000,
            promoted=(3, 4, 5),
            promoted_rows=20,
            spark_rows=3_000,
            spark_rounds=1,
            warm_rows=3_000,
            paying_rows=(3_000,),
            peers=False,
            data=work / "data",
            run_job=run_here,
        )

    def lineitems(self) -> str:
        """Return where the line items are."""
        return str(self.data / f"lineitem-{self.rows}.arrow")

    def flights(self) -> str:
        """Return where the flights are."""
        return str(self.data / f"flights-{self.year_days}")

    def peer_python(self, name: str) -> str:
        """Return the Python of a peer's own environment."""
        return str(PEERS / name / "bin" / "python")

    def new_home(self) -> str:
        """Return a folder for one more lake."""
        number = sum(1 for _ in self.work.glob("home-*"))
        home = self.work / f"home-{number}"
        home.mkdir(parents=True)
        return str(home)
