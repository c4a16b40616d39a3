"""A catalog that is down, whenever that begins: one refusal, readers have the old day, and the same command works."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
import servers
from line import Line, line_to
from pair import Pair, configured

from lakeproof import wap
from lakeproof.lake import attempts
from lakeproof.progress import Step, listening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SERVERS = {"postgres": servers.postgres, "rest": servers.seaweed}
BEFORE = "can read nothing while the catalog cannot be used, and then see what they saw before this run"
AT = {
    "ready": "reading table {name}.",
    "make": "reading table {name}.",
    "audit": "reading table {name}.",
    "publish": "publishing {name}.made",
}
"""What a run asks the catalog next, after each of its steps has begun."""


@pytest.fixture(scope="module", params=[kind for kind in SERVERS if kind in servers.CATALOGS])
def reached(request: pytest.FixtureRequest) -> Iterator[tuple[Line, Pair]]:
    """Return a line to the server of a catalog, and two tables with an old day whose runs go over it."""
    with (
        SERVERS[request.param]() as properties,
        line_to(properties) as (line, near),
        configured(near) as lakehouse,
    ):
        yield line, Pair(properties, lakehouse)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try a commit five times, and not for a minute."""
    monkeypatch.setattr(attempts, "ATTEMPTS", 5)


def once(pair: Pair, step: str, doing: Callable[[], object]) -> Callable[[object], None]:
    """Return what does something as a step of the made table begins."""

    def heard(event: object) -> None:
        if event == Step(pair.made.name, step):
            doing()

    return heard


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("step", AT)
def test_a_catalog_that_goes_down_publishes_nothing(reached: Any, step: str) -> None:
    """The refusal says what was asked, of which table and day, what readers see, and what to do."""
    line, pair = reached
    pair.give(pair.value + 1)
    old, snapshots = pair.seen()

    with listening(once(pair, step, line.cut)):
        done = pair.run()
    line.mend()

    assert f"{pair.name}.made 2024-01-01: The catalog" in done.refusal
    assert AT[step].format(name=pair.name) in done.refusal
    assert f"\nReaders: {BEFORE}\n" in done.refusal
    assert "\nNext: see whether the catalog is up and reachable, then run the same command again" in done.refusal
    assert pair.seen() == (old, snapshots)
    assert pair.run().refusal == ""
    assert pair.seen() == ({pair.value}, snapshots + 1)


def test_a_catalog_that_is_down_as_a_run_begins_is_told(reached: Any) -> None:
    """Nothing is made, and the refusal names the catalog, or what was asked of it first."""
    line, pair = reached
    before = pair.seen()
    line.cut()

    done = pair.run()
    line.mend()

    assert "The catalog " in done.refusal
    assert "\nReaders: can read nothing while the catalog cannot be used" in done.refusal
    assert "\nNext: see whether the catalog is up and reachable, then run the same command again" in done.refusal
    assert pair.seen() == before
    assert pair.run().refusal == ""


def test_a_catalog_that_goes_down_after_the_publish_hides_nothing(
    reached: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run ends as failed, since nobody is told of its day, and says that readers have it; the next records it."""
    line, pair = reached
    pair.give(pair.value + 1)
    _, snapshots = pair.seen()
    publish = wap.publish

    def publish_and_cut(*given: Any, **more: Any) -> Any:
        done = publish(*given, **more)
        line.cut()
        return done

    with monkeypatch.context() as patch:
        patch.setattr(wap, "publish", publish_and_cut)
        done = pair.run()
    line.mend()

    assert f"{pair.name}.made 2024-01-01: The catalog" in done.refusal
    assert "\nReaders: see the days that passed as this run made them, and the others as they were\n" in done.refusal
    assert "\nNext: run the same command again: what is published is found unchanged" in done.refusal
    assert pair.seen() == ({pair.value}, snapshots + 1)
    again = pair.run()
    assert again.refusal == ""
    assert [event.partition for event in again.result.get_asset_materialization_events()] == ["2024-01-01"]
    assert pair.seen() == ({pair.value}, snapshots + 1)


def test_a_publish_waits_for_a_catalog_that_comes_back(reached: Any) -> None:
    """A server that restarts within a minute costs no run."""
    line, pair = reached
    pair.give(pair.value + 1)
    _, snapshots = pair.seen()
    back = threading.Timer(3, line.mend)

    def restart() -> None:
        line.cut()
        back.start()

    with listening(once(pair, "publish", restart)):
        done = pair.run()
    back.join()

    assert done.refusal == ""
    assert pair.seen() == ({pair.value}, snapshots + 1)
