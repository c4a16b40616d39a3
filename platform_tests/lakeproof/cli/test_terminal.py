"""What commands print of values from outside: a terminal shows them, and does what none of them say."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lakeproof.cli.terminal import STEERING, confirmed, console, printable

SHOWN = r"a\x1b]0;owned\x07\x1b[2J\x9b31m\u202eb"
"""How the value of `hostile_pipeline.py` is written out."""

HOSTILE = SHOWN.encode().decode("unicode_escape")


@pytest.fixture
def hostile(shell: Any) -> Any:
    """Return the command line of a pipeline whose source sends control characters."""
    pipeline = Path(__file__).parent / "hostile_pipeline.py"
    (shell.folder / "workspace.yaml").write_text(f"load_from:\n  - python_file: {pipeline}\n")
    return shell


def test_rows_at_fault_do_not_steer_the_terminal(hostile: Any) -> None:
    """An operator who looks at held rows sees the characters that a terminal would obey."""
    ran, held = hostile("run", "hostile.sensors"), hostile("show", "hostile.sensors", "--held")
    told = hostile("show", "hostile.sensors", "--held", "--json")

    assert (ran.code, held.code) == (3, 0)
    for said in (ran.out, ran.err, held.out, held.err, told.out):
        assert not STEERING.search(said), said
    assert SHOWN in "".join(held.out.split())
    assert HOSTILE in _texts(told.json)


def test_an_error_does_not_steer_the_terminal(hostile: Any) -> None:
    """What a function raised may have the source's values in it; it is told, as text."""
    (hostile.folder / "broken").touch()
    refused = hostile("run", "hostile.sensors")

    assert refused.code == 1
    assert SHOWN in refused.out
    assert not STEERING.search(refused.out + refused.err)


def test_an_error_that_nobody_foresaw_does_not_steer_the_terminal(tmp_path: Path) -> None:
    """It is told whole, with its stack, and the command exits 1."""
    raises = f"from lakeproof.cli import app, main\nimport sys\ndef broken():\n    raise RuntimeError({HOSTILE!r})\n"
    done = subprocess.run(
        [sys.executable, "-c", f"{raises}app.main = broken\nmain()"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 1
    assert "RuntimeError" in done.stderr
    assert SHOWN in done.stderr
    assert not STEERING.search(done.stderr)


def test_a_question_does_not_steer_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asked about may have its name from the lake."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\ny\n"))

    assert [confirmed(f"Promote {HOSTILE}?") for _ in range(2)] == [False, True]
    assert SHOWN in capsys.readouterr().out


def test_markup_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Of Rich's there is none, neither links nor emoji."""
    text = "[link=https://example.org]here[/link] [/x] :warning:"
    console().print(text)

    assert capsys.readouterr().out.strip() == text


@pytest.mark.parametrize("text", ["Zürich\t1\nGenève", "日本語", "👩\u200d🔬", "e\u0301", "عربى"])
def test_text_of_any_language_stays_as_it_is(text: str) -> None:
    """Only what steers is written otherwise."""
    assert printable(text) == text


def _texts(document: Any) -> list[str]:
    """Return every text of a document."""
    if isinstance(document, dict):
        return [text for value in document.values() for text in _texts(value)]
    if isinstance(document, list):
        return [text for value in document for text in _texts(value)]
    return [document] if isinstance(document, str) else []
