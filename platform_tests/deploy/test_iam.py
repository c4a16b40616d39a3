"""The policies of deploy/iam allow what is needed, in words that AWS knows, and no more."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
POLICIES = sorted((ROOT / "deploy/iam").glob("*.json"))
KNOWN = """
import json, sys
from policy_sentry.querying.actions import get_action_data
actions = json.load(sys.stdin)
found = {action: get_action_data(*action.split(":")) or {} for action in actions}
print(json.dumps({a: [row["resource_arn_format"] for rows in f.values() for row in rows] for a, f in found.items()}))
"""
WITHOUT_RESOURCE = {"ecr:GetAuthorizationToken"}
"""What AWS lets no policy bound to a resource."""
WRITES = re.compile(r"Put|Create|Update|Delete|Start|Stop|Upload|Complete|Initiate|Abort")


def listed(value: Any) -> list[str]:
    """Return what is one or several as several."""
    return [value] if isinstance(value, str) else value


def statements(path: Path) -> list[dict[str, Any]]:
    """Return the statements of a policy."""
    return json.loads(path.read_text())["Statement"]  # type: ignore[no-any-return]  # a list


def actions(path: Path) -> set[str]:
    """Return what a policy allows."""
    return {action for one in statements(path) for action in listed(one["Action"])}


@pytest.fixture(scope="module")
def known() -> dict[str, list[str]]:
    """Return each action that a policy names, with the resources that AWS's own list has for it; none if it has not."""
    named = sorted(set().union(*map(actions, POLICIES)))
    done = subprocess.run(
        [ROOT / ".venv/deploy/bin/python", "-c", KNOWN],
        check=True,
        input=json.dumps(named),
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)  # type: ignore[no-any-return]  # an object


def test_there_is_a_policy_for_each_who_acts() -> None:
    """A code location, a Glue job, a reader, CI."""
    assert [path.stem for path in POLICIES] == ["ci", "code-location", "glue-job", "reader"]


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_a_policy_is_well_formed(path: Path) -> None:
    """The grammar of identity policies, as far as they use it: nothing that is not known, each statement named once."""
    policy = json.loads(path.read_text())
    assert set(policy) == {"Version", "Statement"}
    assert policy["Version"] == "2012-10-17"
    names = [one["Sid"] for one in policy["Statement"]]
    assert len(set(names)) == len(names)
    for one in policy["Statement"]:
        assert set(one) == {"Sid", "Effect", "Action", "Resource"}
        assert one["Effect"] == "Allow"
        assert re.fullmatch(r"[A-Za-z0-9]+", one["Sid"])
        assert len(json.dumps(policy, separators=(",", ":"))) < 6_144  # the limit of a managed policy


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_a_policy_allows_no_more_than_it_names(path: Path, known: dict[str, list[str]]) -> None:
    """Each action is written out and is one of AWS's; each resource is bounded, and of a kind that the action takes."""
    for one in statements(path):
        for action in listed(one["Action"]):
            assert "*" not in action
            assert known[action], f"AWS has no action {action}"
            if action in WITHOUT_RESOURCE:
                assert known[action] == ["*"]
                assert one["Resource"] == "*"
                continue
            kinds = [_pattern(kind) for kind in known[action] if kind != "*"]
            for resource in listed(one["Resource"]):
                assert resource.startswith("arn:aws:")
                assert "*" not in resource.split(":")[2]
                assert any(kind.fullmatch(resource) for kind in kinds), f"{action} is not about {resource}"


def _pattern(kind: str) -> re.Pattern[str]:
    """Return what the resources of a kind look like."""
    return re.compile(
        "".join(".+" if part.startswith("$") else re.escape(part) for part in re.split(r"(\$\{\w+\})", kind))
    )


def test_who_reads_writes_nothing() -> None:
    """A reader changes nothing, and sees no held stage's scripts or messages."""
    path = ROOT / "deploy/iam/reader.json"
    assert not [action for action in actions(path) if WRITES.search(action.split(":")[1])]


def test_a_job_deletes_nothing_and_makes_no_table() -> None:
    """A Glue job stages files; to remove files and to make tables is the code location's."""
    allowed = actions(ROOT / "deploy/iam/glue-job.json")
    assert not {one for one in allowed if "Delete" in one or one in {"glue:CreateTable", "glue:CreateDatabase"}}


def test_ci_cannot_touch_the_lake() -> None:
    """What builds images has no access to tables or their files."""
    path = ROOT / "deploy/iam/ci.json"
    resources = [resource for one in statements(path) for resource in listed(one["Resource"])]
    assert not [one for one in resources if "warehouse" in one or ":glue:" in one]
