"""docker-compose.yml keeps what it promises, as Compose itself resolves it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".venv/deploy"
COMPOSE = Path(sysconfig.get_path("purelib", vars={"base": str(TOOLS)})) / "compose/docker-compose"
FILE = ROOT / "docker-compose.yml"
SECRETS = re.findall(r"^(\w+)=(?:'')?$", (ROOT / ".env.example").read_text(), flags=re.MULTILINE)
FILLED = {name: f"filled-{name.lower()}" for name in SECRETS}
ENDS = {"fill-reference", "fill-landing"}
"""Services that end when they are done."""


def compose(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Ask Compose for the file as it would be started, and tell it nothing but an environment."""
    command = [COMPOSE, "--env-file", os.devnull, "--profile", "*", "config", *arguments]
    environment = {"PATH": os.defpath, **environment}
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=environment)


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    """Return the file with every secret filled in."""
    done = compose(FILLED, "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]  # an object


@pytest.fixture(scope="module")
def services(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return its services."""
    return config["services"]  # type: ignore[no-any-return]  # an object


def test_each_secret_is_asked_for_by_name() -> None:
    """Without one of them Compose refuses, names it, and says where to look; none has a value in any file."""
    assert len(SECRETS) == 7
    for name in SECRETS:
        done = compose({one: value for one, value in FILLED.items() if one != name}, "--quiet")
        assert done.returncode != 0, name
        assert name in done.stderr
        assert ".env.example" in done.stderr


def test_no_secret_is_in_the_file(config: dict[str, Any]) -> None:
    """Whatever is called a secret, a password, a token, a key or a credential comes from the environment."""
    written = yaml.safe_load(FILE.read_text())
    named = re.compile(r"SECRET|PASSWORD|TOKEN|CREDENTIAL|FEED_KEY|DATABASE$|NOTIFY")
    found = 0
    for service in written["services"].values():
        environment = service.get("environment", {})
        for name, value in environment.items():
            if named.search(name):
                found += 1
                assert re.search(r"\$\{\w+", str(value)), name
    assert found >= 15
    content = written["configs"]["identities"]["content"]
    assert re.findall(r'"secretKey": "(.*?)"', content) == ["${LAKE_SECRET}", "${LAKE_READER_SECRET}"]
    assert "filled-lake_secret" in config["configs"]["identities"]["content"]


def test_only_the_proxy_is_published_and_only_on_loopback(services: dict[str, dict[str, Any]]) -> None:
    """One port, on 127.0.0.1."""
    published = [(name, port["host_ip"]) for name, one in services.items() for port in one.get("ports", [])]
    assert published == [("proxy", "127.0.0.1")]


def test_every_image_is_pinned(services: dict[str, dict[str, Any]]) -> None:
    """Each image has a tag with a version of at least two numbers, in the Dockerfile too."""
    images = {one["image"] for one in services.values()}
    bases = re.findall(r"^FROM (\S+)", (ROOT / "deploy/Dockerfile").read_text(), flags=re.MULTILINE)
    assert len(images) == 6
    assert len(bases) == 5
    for image in [*images, *bases]:
        assert re.search(r":v?\d+(\.\d+)+|^trinodb/trino:\d+$", image), image
        assert "latest" not in image


def test_every_service_that_stays_is_watched_and_comes_back(services: dict[str, dict[str, Any]]) -> None:
    """Each has a health check and is started again; what ends has neither."""
    for name, one in services.items():
        assert ("healthcheck" in one) == (name not in ENDS), name
        assert one["restart"] == ("no" if name in ENDS else "unless-stopped"), name


def test_nothing_runs_as_root(services: dict[str, dict[str, Any]]) -> None:
    """Each service names a user by number that is not root's, has no capability but Caddy's one, and can gain none."""
    for name, one in services.items():
        assert re.fullmatch(r"[1-9]\d*:\d+", one["user"]), name
        assert one["cap_drop"] == ["ALL"], name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert one.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else []), name
        assert not one.get("privileged"), name
        assert not any("docker.sock" in mount["source"] for mount in one.get("volumes", [])), name


def test_what_is_kept_is_in_named_volumes(config: dict[str, Any]) -> None:
    """What is mounted from this repository cannot be written to; all else that is kept is in a named volume."""
    used = set()
    for name, one in config["services"].items():
        for mount in one.get("volumes", []):
            if mount["type"] == "volume":
                used.add(mount["source"])
            else:
                assert mount["type"] == "bind", name
                assert mount["read_only"], name
                assert Path(mount["source"]).is_file(), name
    assert used == set(config["volumes"]) == {"postgres", "lake", "dagster", "landing", "reference"}


def test_services_wait_for_what_they_need(services: dict[str, dict[str, Any]]) -> None:
    """Whoever talks to a service at its start waits until that is healthy."""
    needs = {name: set(one.get("depends_on", {})) for name, one in services.items()}
    conditions = {each["condition"] for one in services.values() for each in one.get("depends_on", {}).values()}

    assert conditions == {"service_healthy"}
    assert needs["proxy"] == {"webserver", "viewer"}
    for name in ("webserver", "viewer", "daemon"):
        assert needs[name] == {"postgres", "flights", "operations"}
    assert needs["operations"] == {"postgres", "store"}
    assert needs["flights"] == {"postgres", "store", "operations"}  # who comes first makes Dagster's tables
    assert needs["spark"] == needs["trino"] == {"store"}


def test_networks_keep_apart_who_need_not_meet(config: dict[str, Any]) -> None:
    """The store's ports without a password, and Postgres, are reached only by those that use them."""

    def on(network: str) -> set[str]:
        return {name for name, one in config["services"].items() if network in one.get("networks", {})}

    assert on("lake") == {"store", "flights", "operations", "spark", "trino"}
    assert on("record") == {"postgres", "webserver", "viewer", "daemon", "flights", "operations"}
    assert on("web") == {"proxy", "webserver", "viewer"}
    assert config["networks"]["lake"]["internal"]
    assert config["networks"]["record"]["internal"]


def test_a_code_location_a_code_server(services: dict[str, dict[str, Any]]) -> None:
    """Each location of workspace.yaml has a code server, and the workspace of the web servers names exactly those."""
    local = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    remote = yaml.safe_load((ROOT / "deploy/dagster/workspace.yaml").read_text())["load_from"]
    modules = {one["python_module"]["location_name"]: one["python_module"]["module_name"] for one in local}

    assert {one["grpc_server"]["host"] for one in remote} == set(modules)
    for name, module in modules.items():
        command = services[name]["command"]
        assert command[command.index("-m") + 1] == module
        assert command[command.index("--location-name") + 1] == name
        assert {"host": name, "port": 4000, "location_name": name} in [one["grpc_server"] for one in remote]


def test_only_who_writes_the_lake_has_its_secret(services: dict[str, dict[str, Any]]) -> None:
    """Web servers, the daemon and the engine that reads do not have it; the viewer's web server is read-only."""
    has = {name for name, one in services.items() if FILLED["LAKE_SECRET"] in str(one.get("environment", {}))}
    assert has == {"flights", "operations", "spark"}
    assert "--read-only" in services["viewer"]["command"]
    assert "--read-only" not in services["webserver"]["command"]


def test_a_code_location_can_use_the_spark_that_is_offered(services: dict[str, dict[str, Any]]) -> None:
    """Only where .env says so; the service it names is on a network that both are on, and the image has a client."""
    there = re.search(r"^#LAKEPROOF_SPARK=sc://(\w+):15002$", (ROOT / ".env.example").read_text(), flags=re.MULTILINE)
    assert there is not None
    assert services["flights"]["environment"]["LAKEPROOF_SPARK"] == ""
    assert set(services["flights"]["networks"]) & set(services[there[1]]["networks"]) == {"lake"}
    assert re.search(r"^pyspark-client==4\.1\.", (ROOT / "deploy/requirements.lock").read_text(), flags=re.MULTILINE)


def test_the_same_dagster_as_on_one_machine() -> None:
    """Pools and the number of runs are those of `make ui`; what differs is where the record is."""
    local = yaml.safe_load((ROOT / "platform/lakeproof/dagster.yaml").read_text())
    production = yaml.safe_load((ROOT / "deploy/dagster/dagster.yaml").read_text())

    assert {name: production[name] for name in local} == local
    assert "env" in production["storage"]["postgres"]["postgres_db"]["password"]


def test_make_says_what_is_missing() -> None:
    """Without an engine that answers, each target says so and exits as failed; nothing is started or removed."""
    nowhere = {**os.environ, "DOCKER_HOST": "unix:///nowhere/docker.sock"}
    for target in ("up", "down", "restart", "destroy"):
        command = ["make", target]
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=nowhere)
        assert done.returncode != 0
        assert "Docker" in done.stderr
        assert "make ui" in done.stderr
