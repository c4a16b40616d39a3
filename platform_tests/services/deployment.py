"""The services of docker-compose.yml without containers: their own commands and environment, on loopback.

What a container has and a process has not is put in its place: names of hosts, ports, folders, and the programs, which
come from packages. Nothing else of a command or of an environment is changed, and nothing is inherited.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sysconfig
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
import servers
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
TOOLS, PLATFORM = ROOT / ".venv/deploy", ROOT / ".venv/platform"
COMPOSE = Path(sysconfig.get_path("purelib", vars={"base": str(TOOLS)})) / "compose/docker-compose"
PASSWORDS = {"editor": secrets.token_hex(8), "viewer": secrets.token_hex(8)}
PORTS = {
    "postgres": [5432],
    "reference": [5432],
    "store": [8333, 8181],
    "flights": [4000],
    "operations": [4000],
    "webserver": [3000],
    "viewer": [3000],
    "feed": [8013],
    "spark": [15002],
}
PATIENCE_SECONDS = 240
GRACE_SECONDS = 5


def filled(folder: Path) -> dict[str, str]:
    """Fill .env.example in, as a person would, into a file in the folder; return what is secret of it."""
    lines, made = [], {}
    for line in (ROOT / ".env.example").read_text().splitlines():
        name, given, value = line.partition("=")
        if line.startswith("#") or not given or value not in {"", "''"}:
            lines.append(line)
        elif name.endswith("_PASSWORD_HASH"):
            made[name] = hashed(PASSWORDS[name.split("_")[0].lower()])
            lines.append(f"{name}='{made[name]}'")
        else:
            made[name] = secrets.token_hex(12)
            lines.append(f"{name}={made[name]}")
    (folder / ".env").write_text("\n".join(lines))
    return made


def hashed(password: str) -> str:
    """Return a password as Caddy wants it."""
    command = [TOOLS / "bin/caddy", "hash-password", "--plaintext", password]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def resolved(env_file: Path) -> dict[str, Any]:
    """Return docker-compose.yml as Compose itself reads it, with every profile."""
    command = [COMPOSE, "--env-file", env_file, "--profile", "*", "config", "--format", "json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, env={"PATH": os.defpath})
    # What it prints is a file for Compose again, in which a dollar is written twice.
    return json.loads(done.stdout.replace("$$", "$"))  # type: ignore[no-any-return]  # an object


@dataclass
class Deployment:
    """The services, started one by one.

    Args:
        folder: Where their files and logs are.
        postgres: Where a Postgres listens already.
    """

    folder: Path
    postgres: int
    secrets: dict[str, str] = field(init=False)
    config: dict[str, Any] = field(init=False)
    ports: dict[str, dict[int, int]] = field(init=False)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read what Compose would start, and make the folders and files that containers would have."""
        self.secrets = filled(self.folder)
        self.config = resolved(self.folder / ".env")
        self.ports = {name: {port: servers.free_port() for port in ports} for name, ports in PORTS.items()}
        self.ports["postgres"] = self.ports["reference"] = {5432: self.postgres}
        for name in ("dagster", "landing", "lake", "tmp"):
            (self.folder / name).mkdir()
        workspace = yaml.safe_load((ROOT / "deploy/dagster/workspace.yaml").read_text())
        for entry in workspace["load_from"]:
            server = entry["grpc_server"]
            server |= {"host": "127.0.0.1", "port": self.ports[server["host"]][server["port"]]}
        (self.folder / "workspace.yaml").write_text(yaml.safe_dump(workspace))
        shutil.copy(self.config["configs"]["dagster"]["file"], self.folder / "dagster/dagster.yaml")
        (self.folder / "s3.json").write_text(self.config["configs"]["identities"]["content"])

    def environment(self, service: str) -> dict[str, str]:
        """Return the environment of a service: the image's, then its own."""
        own = {name: self._local(service, value) for name, value in self._service(service)["environment"].items()}
        if "DAGSTER_POSTGRES_HOST" in own:
            own |= {"DAGSTER_POSTGRES_HOST": "127.0.0.1", "DAGSTER_POSTGRES_PORT": str(self.postgres)}
        return {
            "PATH": f"{PLATFORM / 'bin'}:{os.defpath}",
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder / "tmp"),
            "PYTHONPATH": str(ROOT / "platform"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "DAGSTER_HOME": str(self.folder / "dagster"),
            **own,
        }

    def command(self, service: str) -> list[str]:
        """Return the command of a service."""
        return [self._local(service, word) for word in self._service(service)["command"]]

    def port(self, service: str) -> int:
        """Return where a service listens."""
        return next(iter(self.ports[service].values()))

    def start(self, *services: str) -> None:
        """Start services at once, and wait until each is healthy."""
        waits = [self.started(service, self.command(service)) for service in services]
        for wait in waits:
            wait()

    def started(self, service: str, words: list[str], **more: str) -> Callable[[], None]:
        """Start a service; return what waits until it is healthy by the check that Compose would make."""
        environment = self.environment(service) | more
        output = self.folder / f"{service}.log"
        with output.open("wb") as log:
            process = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT, cwd=self.folder, env=environment)
        self.processes[service] = process
        kind, *check = self._service(service)["healthcheck"]["test"]
        check = ["sh", "-c", *check] if kind == "CMD-SHELL" else check
        check = [self._local(service, word) for word in check]

        def wait() -> None:
            until = time.monotonic() + PATIENCE_SECONDS
            while subprocess.run(check, check=False, env=environment, capture_output=True).returncode:
                assert process.poll() is None, output.read_text()[-2000:]
                assert time.monotonic() < until, f"{service} is not healthy: {check}"
                time.sleep(1)

        return wait

    def run(self, service: str, *command: str) -> str:
        """Run a service that ends, or a command beside one that does not, and return what it says."""
        done = self.tried(service, [*(command or self.command(service))], {})
        assert done.returncode == 0, f"{done.stdout[-1000:]}\n{done.stderr[-2000:]}"
        return done.stdout

    def tried(self, service: str, words: list[str], more: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a command beside a service, with more environment than that has, and return what became of it."""
        environment = self.environment(service) | more
        return subprocess.run(words, check=False, env=environment, cwd=self.folder, capture_output=True, text=True)

    def start_store(self) -> None:
        """Start the object store; the ports that only it uses are moved, too."""
        words = [str(servers.VENV / "bin/weed"), *self.command("store")]
        words += [f"-{part}.port={servers.free_port()}" for part in ("master", "volume", "filer", "admin")]
        self.ports["metrics"] = {0: servers.free_port()}
        words += [f"-metricsPort={self.port('metrics')}"]
        self.started("store", words)()

    def start_proxy(self) -> int:
        """Start the reverse proxy, and return its port."""
        self.ports["proxy"] = {8080: servers.free_port()}
        port = self.port("proxy")
        words = [str(TOOLS / "bin/caddy"), "run", "--config", str(ROOT / "deploy/Caddyfile"), "--adapter", "caddyfile"]
        web = {name.upper(): f"127.0.0.1:{self.port(name)}" for name in ("webserver", "viewer")}
        self.started("proxy", words, SITE=f":{port}", BIND="127.0.0.1", **web)()
        return port

    def close(self) -> None:
        """End what was started, the last first; a code server would wait a minute for its last call."""
        for process in reversed(self.processes.values()):
            process.terminate()
        for process in reversed(self.processes.values()):
            try:
                process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _service(self, name: str) -> dict[str, Any]:
        return {"environment": {}, **self.config["services"][name]}

    def _local(self, service: str, word: str) -> str:
        """Return a word of a command or of the environment as it is on this machine."""
        places = {
            "/opt/lakeproof/deploy/dagster/workspace.yaml": self.folder / "workspace.yaml",
            "/opt/lakeproof": ROOT,
            "/var/lib/lakeproof": self.folder,
            "/etc/store": self.folder,
            "=/lake": f"={self.folder / 'lake'}",
            "0.0.0.0": "127.0.0.1",  # noqa: S104 - to be taken away
        }
        for there, here in places.items():
            word = word.replace(there, str(here))
        for host, ports in self.ports.items():
            for port, local in ports.items():
                word = re.sub(rf"(?<![\w.]){host}:{port}\b", f"127.0.0.1:{local}", word)
                if host == service:
                    word = re.sub(rf"^{port}$|(?<==){port}$|(?<=127\.0\.0\.1[:/]){port}\b", str(local), word)
                    word = word.replace(f"', {port})", f"', {local})")
        return word


def new_database(address: str, name: str) -> None:
    """Make a user and a database of its own, as the Postgres image does from its environment."""
    connection = psycopg2.connect(address)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {name} LOGIN")
        cursor.execute(f"CREATE DATABASE {name} OWNER {name}")
    connection.close()


@contextmanager
def deployed(folder: Path) -> Iterator[Deployment]:
    """Start everything but Spark and Trino, and let it go afterwards."""
    with servers.postgres() as properties:
        port = int(properties["uri"].rsplit(":", 1)[1].split("/")[0])
        for name in ("dagster", "flights"):
            new_database(f"host=127.0.0.1 port={port} user=lake dbname=postgres", name)
        made = Deployment(folder, port)
        try:
            made.start_store()
            made.start("feed")
            made.run("fill-reference")
            made.start("operations")
            made.start("flights")
            made.start("webserver", "viewer", "daemon")
            made.start_proxy()
            yield made
        finally:
            made.close()
