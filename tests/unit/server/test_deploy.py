"""What server/deploy holds fits the server: options, ports, paths, names."""

import argparse
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import elanus
from elanus_server import cli
from elanus_server.configuration import Configuration, configure
from elanus_server.operations import Health, operations_app
from elanus_server.options import options
from elanus_server.service.context import Host
from elanus_server.settings import DEFAULT_METRICS_PORT, DEFAULT_PORT

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "server" / "deploy"
UNIT = (DEPLOY / "systemd" / "elanus.service").read_text()
DOCKERFILE = (DEPLOY / "docker" / "Dockerfile").read_text().replace("\\\n", " ")
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "docker" / "compose.yaml").read_text())
PROMETHEUS: dict[str, Any] = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())


with elanus.connect(":memory:") as opened:
    PATHS = {route.path for route in operations_app(Host(opened), Health()).routes}  # type: ignore[attr-defined]


def accepted(
    arguments: list[str], environment: dict[str, str], tmp_path: Path, **files: str
) -> Configuration:
    """Return the settings that a command line and variables come to, as the server reads them.

    Files of the place where it runs are looked for in ``tmp_path``, as ``files`` say.
    """

    def here(text: str) -> str:
        for place, name in files.items():
            text = text.replace(name, str(tmp_path / place))
        return text

    for place in files:
        (tmp_path / place).write_text("a long password", "utf-8")
    known = {f"ELANUS_{name.upper()}" for name in options()} | {"ELANUS_ROOT_PASSWORD_FILE"}
    assert {name for name in environment if name.startswith("ELANUS_")} - known == set()
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    given = vars(parser.parse_args([here(one) for one in arguments]))
    return configure(
        {name: value for name, value in given.items() if value is not None},
        {name: here(value) for name, value in environment.items()},
    )


def entries(name: str) -> list[str]:
    """Return the values of a key of the unit."""
    return re.findall(rf"^{name}=(.*)$", UNIT, re.MULTILINE)


def instructions(name: str) -> list[str]:
    """Return what follows an instruction of the Dockerfile."""
    return re.findall(rf"^{name}\s+(.*)$", DOCKERFILE, re.MULTILINE)


def test_unit_starts_the_server_with_a_file_of_settings(tmp_path: Path) -> None:
    (line,) = entries("ExecStart")
    program, *arguments = shlex.split(line)
    scripts = tomllib.loads((ROOT / "server" / "pyproject.toml").read_text())["project"]["scripts"]
    assert Path(program).name in scripts
    assert arguments == ["--config", "/etc/elanus/elanus.toml"]
    config = str(DEPLOY / "systemd" / "elanus.toml")
    environment = dict(one.split("=", 1) for one in entries("Environment"))
    found = accepted(["--config", config], environment, tmp_path, password="%d/root_password")
    assert found.settings.root_password == "a long password"
    assert entries("LoadCredential") == ["root_password:/etc/elanus/root_password"]
    assert found.settings.auth
    assert found.settings.path == f"/var/lib/{entries('StateDirectory')[0]}"
    assert found.settings.grace_s < float(entries("TimeoutStopSec")[0])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze on PATH")
def test_unit_is_one_of_systemd_and_hardened(tmp_path: Path) -> None:
    unit = tmp_path / "elanus.service"
    unit.write_text(UNIT.replace("/opt/elanus/bin/elanus-server", shutil.which("true") or ""))
    checked = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], check=False, capture_output=True, text=True
    )
    assert (checked.returncode, checked.stderr) == (0, "")
    # In tenths; systemd itself calls all below 2 safe.
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(unit)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_image_takes_the_environment_and_is_not_root(tmp_path: Path) -> None:
    pairs = [one.split("=", 1) for line in instructions("ENV") for one in line.split()]
    found = accepted([], dict(pairs), tmp_path).settings
    assert (found.path, found.host) == ("/data", "0.0.0.0")
    assert instructions("VOLUME") == ["/data"]
    assert [int(one) for one in instructions("EXPOSE")[0].split()] == [
        found.port,
        found.metrics_port,
    ]
    (entry,) = instructions("ENTRYPOINT")
    assert json.loads(entry) == ["/opt/elanus/bin/elanus-server"]
    (user,) = instructions("USER")
    assert int(user) > 0
    assert f"--uid {user}" in DOCKERFILE


def test_image_is_made_of_what_is_there() -> None:
    copied = [
        shlex.split(line)[:-1] for line in instructions("COPY") if not line.startswith("--from")
    ]
    sources = [source for line in copied for source in line]
    assert [source for source in sources if not (ROOT / source).exists()] == []
    shown = (DEPLOY / "docker" / "Dockerfile.dockerignore").read_text().splitlines()
    assert {line[1:] for line in shown if line.startswith("!")} == {
        "constraints.txt",
        "core",
        "server",
    }
    (line,) = [line for line in instructions("RUN") if "pip install" in line]
    (extra,) = re.findall(r"\./server\[(\w+)\]", line)
    project = tomllib.loads((ROOT / "server" / "pyproject.toml").read_text())["project"]
    assert extra in project["optional-dependencies"]


def test_image_asks_for_its_health_where_the_server_tells_it() -> None:
    (url,) = re.findall(r"http://127\.0\.0\.1:(\d+)(/\w+)", DOCKERFILE)
    assert url[0] == str(DEFAULT_METRICS_PORT)
    assert url[1] in PATHS


def test_compose_starts_the_server_with_users(tmp_path: Path) -> None:
    server = COMPOSE["services"]["elanus"]
    environment = {"ELANUS_PATH": "/data", **server["environment"]}
    found = accepted(
        server.get("command", []), environment, tmp_path, password="/run/secrets/root_password"
    )
    assert found.settings.auth
    assert found.settings.root_password == "a long password"
    assert server["ports"] == [f"127.0.0.1:{DEFAULT_PORT}:{DEFAULT_PORT}"]
    context = (DEPLOY / "docker" / server["build"]["context"]).resolve()
    assert context == ROOT
    assert (context / server["build"]["dockerfile"]).exists()


def test_compose_mounts_what_is_there() -> None:
    mounts = [one for service in COMPOSE["services"].values() for one in service["volumes"]]
    places = [one.split(":")[0] for one in mounts]
    named = [place for place in places if not place.startswith(".")]
    assert set(named) == set(COMPOSE["volumes"])
    missing = [p for p in places if p not in named and not (DEPLOY / "docker" / p).exists()]
    assert missing == []


def test_prometheus_and_grafana_find_each_other() -> None:
    (job,) = PROMETHEUS["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    host, _, port = target.partition(":")
    assert host in COMPOSE["services"]
    assert int(port) == DEFAULT_METRICS_PORT
    assert job["metrics_path"] in PATHS
    assert [f for f in PROMETHEUS["rule_files"] if not (DEPLOY / "prometheus" / f).exists()] == []
    provisioning = DEPLOY / "grafana" / "provisioning"
    sources = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())
    assert sources["datasources"][0]["url"] == "http://prometheus:9090"
    boards = yaml.safe_load((provisioning / "dashboards" / "elanus.yml").read_text())
    folder = boards["providers"][0]["options"]["path"]
    assert (
        f"../grafana/elanus.json:{folder}/elanus.json:ro"
        in (COMPOSE["services"]["grafana"]["volumes"])
    )
