"""B9: one look of a sensor at many tables: every day is there, or one falls due; and many tables, loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from measure import Line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from setting import Setting

TICK_SECONDS = 1.0
LOAD_SECONDS = 10.0


def run(setting: Setting) -> Iterator[Line]:
    """Measure, and yield the lines."""
    tables, days = setting.sensed_tables, setting.year_days
    home = setting.new_home()
    young = _look(setting, home, tables, days)
    yield Line.compare(
        "B9",
        f"a sensor's tick over {tables:,} tables of {days:,} days, all published / {TICK_SECONDS:g} s",
        young["ticks"],
        [TICK_SECONDS] * len(young["ticks"]),
        bound=1.0,
        holds=young["asked"] == 0,
        note=f"{young['asked']} asked for; first look {young['first']:.2f} s, a new process's {young['anew']:.2f} s",
    )
    due = dict(setting.run_job("jobs.sensing:due", home=home, tables=tables, days=days, rounds=setting.rounds).answer)
    yield Line.compare(
        "B9",
        f"a tick in which a day of {tables:,} tables with an SLA falls due / {TICK_SECONDS:g} s",
        due["ticks"],
        [TICK_SECONDS] * len(due["ticks"]),
        bound=1.0,
        holds=due["evaluated"] == [tables] * len(due["evaluated"]),
        note=f"the first day is in time, the others do not come; the first tick of a process {due['first']:.2f} s",
    )
    few = setting.aged_tables
    pair = [_look(setting, setting.new_home(), few, of) for of in (days, days * setting.aged_years)]
    yield Line.compare(
        "B9",
        f"a tick over {few:,} tables of {days * setting.aged_years:,} days / of {days:,} days",
        pair[1]["ticks"],
        pair[0]["ticks"],
        bound=1.5,
        holds=not any(found["asked"] for found in pair),
        note=f"first look {pair[1]['first']:.2f} s, in {pair[1]['parts']} ticks / {pair[0]['first']:.2f} s",
    )
    loaded = [setting.run_job("jobs.sensing:load", tables=setting.loaded_tables) for _ in range(setting.rounds)]
    yield Line.compare(
        "B9",
        f"{setting.loaded_tables:,} tables in a code location, loaded / {LOAD_SECONDS:g} s",
        [sample.seconds for sample in loaded],
        [LOAD_SECONDS] * len(loaded),
        bound=1.0,
        note="declared, put together, the graph drawn; imports are not in it",
    )


def _look(setting: Setting, home: str, tables: int, days: int) -> dict:
    setting.run_job("jobs.sensing:publish", home=home, tables=tables, days=days)
    return dict(setting.run_job("jobs.sensing:look", home=home, tables=tables, days=days, rounds=setting.rounds).answer)
