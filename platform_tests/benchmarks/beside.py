"""C1 to C4: beside production. Compare two versions, a year of which little differs, promote days, run to an output."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from measure import Line, Sample, in_turns, seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from setting import Setting

MEMORY_MIB = 2048
CHANGED_DAYS = 3


def compare(setting: Setting) -> Iterator[Line]:
    """C1: two versions of line items of which one in a hundred changed, beside a full join by hand."""
    data, folder = setting.lineitems(), str(setting.data / f"versions-{setting.compared}")
    setting.run_job("jobs.lineitem:make", rows=setting.rows, path=data)
    setting.run_job("jobs.beside:versions", data=data, rows=setting.compared, folder=folder)
    samples = in_turns(
        {
            "ours": lambda: setting.run_job("jobs.beside:ours", folder=folder),
            "bare": lambda: setting.run_job("jobs.beside:bare", folder=folder),
        },
        setting.rounds,
    )
    changed = {sample.answer["changed"] for of_one in samples.values() for sample in of_one}
    job = f"{setting.compared:,} rows of 16 columns, 1 % changed: by key, column and day, with samples"
    yield Line.compare(
        "C1",
        f"{job} / DuckDB's full join, counted",
        seconds_of(samples["ours"]),
        seconds_of(samples["bare"]),
        bound=2.0,
        holds=len(changed) == 1,
        note=f"{', '.join(f'{count:,}' for count in changed)} rows changed",
    )
    peak = max(sample.peak_bytes for sample in samples["ours"]) / 2**20
    yield Line(
        "C1", f"the same: peak memory of the process / {MEMORY_MIB} MiB", peak, MEMORY_MIB, unit="MiB",
        ratio=peak / MEMORY_MIB, bound=1.0, met=peak <= MEMORY_MIB,
    )  # fmt: skip
    if setting.peers:
        yield from _peers(setting, folder, seconds_of(samples["ours"]))


def _peers(setting: Setting, folder: str, ours: list[float]) -> Iterator[Line]:
    """Yield what the peers take for the same; they are told, and bound nothing."""
    for name, job in (("datacompy", "peers.datacompy_polars:compare"), ("sqlmesh", "peers.sqlmesh_diff:diff")):
        python = setting.peer_python(name)
        try:
            sample: Sample = setting.run_job(job, python=python, folder=folder, limit=setting.peer_seconds * 5)
        except Exception as error:  # noqa: BLE001 - told
            yield Line("C1", f"the same by {name}", note=f"{type(error).__name__}: {error}")
            continue
        peak = sample.peak_bytes / 2**20
        turns: dict[str, Any] = {"note": f"one turn; peak memory {peak:,.0f} MiB; {sample.answer['said']}"}
        yield Line.compare("C1", f"the same / {name}", ours[:1], [sample.seconds], **turns)


def year(setting: Setting) -> Iterator[Line]:
    """C2: days of which three differ, beside the three alone."""
    data, home = setting.lineitems(), setting.new_home()
    setting.run_job("jobs.lineitem:make", rows=setting.rows, path=data)
    answer = setting.run_job(
        "jobs.beside:year", home=home, data=data, days=setting.year_days, changed=CHANGED_DAYS, rounds=setting.rounds
    ).answer
    shutil.rmtree(home)
    yield Line.compare(
        "C2",
        f"{setting.year_days} days, {CHANGED_DAYS} of them changed / those {CHANGED_DAYS} days alone",
        answer["seconds"]["all"],
        answer["seconds"]["few"],
        bound=1.5,
        note=f"{answer['read']:,} rows of both sides read, of {2 * answer['rows']:,}",
    )


def promote(setting: Setting) -> Iterator[Line]:
    """C3: a promotion takes as long as its files are many, whatever is in them."""

    def promoted(days: int, rows: int) -> Sample:
        home = setting.new_home()
        sample = setting.run_job("jobs.beside:promoted", home=home, days=days, rows=rows)
        shutil.rmtree(home)
        return sample

    few, many, most = setting.promoted
    samples = in_turns(
        {
            "few": lambda: promoted(few, 1),
            "large": lambda: promoted(few, setting.promoted_rows),
            "many": lambda: promoted(many, 1),
        },
        min(setting.rounds, 3),
    )
    last = promoted(most, 1)
    times = {name: [sample.seconds / sample.answer["days"] for sample in of_one] for name, of_one in samples.items()}
    megabytes = [samples[name][0].answer["bytes"] / 2**20 for name in ("large", "few")]
    yield Line.compare(
        "C3",
        f"promote {few:,} files in one commit: a file, of {setting.promoted_rows:,} rows / of one row",
        times["large"],
        times["few"],
        bound=1.25,
        note=f"{megabytes[0]:,.1f} MiB and {megabytes[1]:,.1f} MiB",
    )
    yield Line.compare(
        "C3", f"promote {many:,} files: a file / of {few:,} files", times["many"], times["few"], bound=1.25
    )
    rounds = len(times["few"])
    yield Line.compare(
        "C3",
        f"promote {most:,} files: a file / of {few:,} files",
        [last.seconds / last.answer["days"]] * rounds,
        times["few"],
        bound=1.25,
        note=f"{last.seconds:.1f} s in one turn",
    )


def runs(setting: Setting) -> Iterator[Line]:
    """C4: a run to an output, beside the same to main."""
    data, home = setting.lineitems(), setting.new_home()
    setting.run_job("jobs.lineitem:make", rows=setting.rows, path=data)
    taken = setting.run_job("jobs.beside:runs", home=home, data=data, rounds=setting.rounds).answer["seconds"]
    shutil.rmtree(home)
    yield Line.compare(
        "C4", f"a day of {setting.rows:,} rows to an output / to main", taken["output"], taken["main"], bound=1.1
    )
