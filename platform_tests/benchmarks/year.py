"""B2: the flights year through write, audit and publish, beside peers with their own checks."""

from __future__ import annotations

import shutil
import statistics
from datetime import date, timedelta
from typing import TYPE_CHECKING

from contestants import ALL, Peer
from measure import JobError, Line, Sample, StoppedError, in_turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from setting import Setting

BOUND = 5
FIRST = date(2013, 1, 1)


def run(setting: Setting) -> Iterator[Line]:
    """Measure, and yield the lines."""
    Year(setting).make()
    yield from Year(setting).lines()


class Year:
    """The year's data, and who publishes it.

    Args:
        setting: The sizes.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.data = setting.flights()
        self.what = f"the flights year, {setting.year_days} days"

    def make(self) -> None:
        """Make the data."""
        self.setting.run_job("jobs.flights:make", folder=self.data, days=self.setting.year_days)

    def lines(self) -> Iterator[Line]:
        """Measure all, and yield the lines."""
        at_once: dict[str, Callable[[], Sample]] = {"ours": self.ours, "command": self.command}
        day_by_day: list[tuple[Peer, Sample]] = []
        for peer in ALL if self.setting.peers else ():
            try:
                self.peer(peer, "whole_year", self.setting.year_days)
            except JobError as error:
                yield Line("B2", f"{self.what} in one run: {peer.name} cannot", note=str(error))
            else:
                at_once[peer.name] = lambda peer=peer: self.peer(peer, "whole_year", self.setting.year_days)
            try:
                day_by_day.append((peer, self.patiently(peer)))
            except JobError as error:
                yield Line("B2", f"{self.what}, each by itself: {peer.name} cannot", note=str(error))
        taken = in_turns(at_once, self.setting.rounds)
        took = {name: [sample.process_seconds for sample in samples] for name, samples in taken.items()}
        took["command"] = [sample.seconds for sample in taken["command"]]
        steps = taken["ours"][-1].answer["steps"]
        note = ", ".join(f"{step} {seconds:.2f} s" for step, seconds in steps.items())
        if best := min(set(took) - {"ours", "command"}, key=lambda name: statistics.median(took[name]), default=None):
            others = ", ".join(f"{name} {statistics.median(took[name]):.1f} s" for name in took)
            for name, told in (("ours", "write_audit_publish"), ("command", "lakeproof run")):
                yield Line.compare(
                    "B2",
                    f"{self.what}, all in one: best peer, its checks judge the year as one ({best}) / {told}",
                    took[best],
                    took[name],
                    note=others if name == "ours" else "from the feed, at 50 requests a second, 20 audits",
                )
        else:
            met = False if self.setting.peers else None
            yield Line("B2", self.what, ours=statistics.median(took["ours"]), met=met, note=note)
            yield Line("B2", f"{self.what}: lakeproof run", ours=statistics.median(took["command"]), met=met)
        if day_by_day:
            yield self.by_the_day(day_by_day)

    def by_the_day(self, once: list[tuple[Peer, Sample]]) -> Line:
        """Compare with the peer that was fastest when each day has checks and a publish of its own, as ours has.

        It is the whole year that decides: a peer may be the fastest of all for a month and never end the year.
        """
        best, _ = min(once, key=lambda tried: tried[1].process_seconds)
        taken = in_turns({"peer": lambda: self.patiently(best), "ours": self.ours}, self.setting.rounds)
        stopped = sum("stopped" in sample.answer for sample in taken["peer"])
        took = {name: [sample.process_seconds for sample in samples] for name, samples in taken.items()}
        return Line.compare(
            "B2",
            f"{self.what}, a verdict a day: best peer ({best.name}) / write_audit_publish",
            took["peer"],
            took["ours"],
            bound=BOUND,
            at_least=True,
            note=f"{best.name} was stopped unfinished in {stopped} of {len(took['peer'])} turns; once each: "
            + ", ".join(
                f"{peer.name} {'unfinished after ' if 'stopped' in tried.answer else ''}{tried.process_seconds:.1f} s"
                for peer, tried in once
            ),
        )

    def patiently(self, peer: Peer) -> Sample:
        """Let a peer publish day by day while the answer is open; where it is stopped, it took that long at least."""
        try:
            return self.peer(peer, "day_by_day", self.setting.year_days, limit=self.setting.peer_seconds)
        except StoppedError:
            return Sample({"stopped": True}, self.setting.peer_seconds, 0)

    def ours(self) -> Sample:
        """Publish the year by the bare path."""
        home, days = self.setting.new_home(), self.setting.year_days
        sample = self.setting.run_job("jobs.flights:whole_year", home=home, data=self.data, days=days)
        demand("lakeproof", self.setting.run_job("jobs.flights:count", home=home), days)
        shutil.rmtree(home)
        return sample

    def command(self) -> Sample:
        """Publish the year by the command."""
        home, last = self.setting.new_home(), FIRST + timedelta(days=self.setting.year_days - 1)
        self.setting.run_job("jobs.flights:upstream", home=home)
        sample = self.setting.run_job("jobs.command:raw_departures", home=home, first=FIRST, last=last)
        shutil.rmtree(home)
        return sample

    def peer(self, peer: Peer, how: str, days: int, **limit: float) -> Sample:
        """Let a peer do it."""
        home = self.setting.new_home()
        try:
            sample = peer.run(how, home=home, data=self.data, days=days, **limit)
            demand(peer.name, peer.run("count", home=home), days)
        finally:
            shutil.rmtree(home, ignore_errors=True)
        return sample


def demand(name: str, found: Sample, days: int) -> None:
    """Stop when a reader does not find all days."""
    if found.answer["days"] != days:
        msg = f"{name}: a reader finds {found.answer['days']} of {days} days"
        raise JobError(msg)
