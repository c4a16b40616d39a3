"""The Dockerfile, by its linter and by what it copies."""

from __future__ import annotations

import fnmatch
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy/Dockerfile"
STAGES = dict(
    re.findall(r"^FROM \S+ AS (\w+)\n(.*?)(?=^FROM |\Z)", DOCKERFILE.read_text(), flags=re.MULTILINE | re.DOTALL)
)


def test_hadolint_finds_nothing() -> None:
    """The linter of Dockerfiles, with every rule on."""
    done = subprocess.run([ROOT / ".venv/deploy/bin/hadolint", DOCKERFILE], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_each_image_that_runs_ends_as_somebody_else_than_root() -> None:
    """The last user of each stage that is a service is a number that is not root's."""
    for name in ("platform", "store", "spark"):
        assert int(re.findall(r"^USER (\d+)", STAGES[name], flags=re.MULTILINE)[-1]) > 0


def test_what_runs_has_no_tool_that_builds() -> None:
    """uv, hatchling and setuptools leave with the stage that built; pip is taken from the image that runs."""
    assert "pip uninstall" in STAGES["platform"]
    assert "uv pip uninstall --python /opt/venv/bin/python hatchling setuptools uv" in STAGES["build"]
    assert not re.search(r"\b(apt-get|uv|install -r)\b", STAGES["platform"])


def test_what_is_installed_is_checked_by_hash() -> None:
    """Each download is checked against a hash that is in this repository."""
    installs = [line for line in STAGES["build"].splitlines() if re.search(r"pip (install|sync)", line)]
    assert len(installs) == 3
    assert all("--require-hashes" in line or "--offline" in line for line in installs)
    jars = (ROOT / "deploy/spark/jars.sha256").read_text()
    assert "sha256sum -c jars.sha256" in STAGES["jars"]
    asked = re.findall(r"[\w.]+:([\w.-]+):([\d.]+)(?=[ ;])", STAGES["jars"])
    assert len(asked) == 4
    assert {f"{name}-{version}.jar" for name, version in asked} == {line.split()[1] for line in jars.splitlines()}


def test_what_is_copied_is_there_and_let_through() -> None:
    """Each source is in this repository, and .dockerignore, which keeps out all else, has it."""
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignore
    let = [line.removeprefix("!") for line in ignore if line.startswith("!")]
    sources = [
        source
        for words in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE.read_text(), flags=re.MULTILINE)
        for source in words.split()[:-1]
    ]
    assert len(sources) >= 10
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(fnmatch.fnmatch(source, f"{one}*") for one in let), source
