"""`deploy/`: what can be known of it without an engine for containers."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from levelhead.config import Config, load

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
KUBERNETES = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
SECRETS = re.findall(r"`([A-Z_]+)`", (DEPLOY / "README.md").read_text().partition("**Docker Compose**")[0])
PORT = 8100


def named(kind: str, name: str = "levelhead") -> Any:
    (found,) = [one for one in KUBERNETES if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found["spec"]


@pytest.fixture
def config() -> Config:
    """Every variable that it names is among those that the README lists."""
    return load(DEPLOY / "levelhead.yaml", env={name: f"sk-{name}" for name in SECRETS})


def test_the_configuration_serves_strangers(config: Config) -> None:
    config.check_bind(config.server.host)
    assert (config.server.port, config.server.host) == (PORT, "0.0.0.0")
    assert config.server.metrics_token_env in SECRETS


def test_compose_gives_every_part_what_it_asks_for(config: Config) -> None:
    services = COMPOSE["services"]
    given = services["levelhead"]["environment"]
    assert {k: f"${{{k}:?}}" for k in given} == given
    assert {*given, "GRAFANA_PASSWORD"} == set(SECRETS)
    load(DEPLOY / "levelhead.yaml", env={name: f"sk-{name}" for name in given})
    for entry in COMPOSE["configs"].values():
        assert "environment" in entry or (DEPLOY / entry["file"]).is_file()
    for service in services.values():
        assert {use["source"] for use in service.get("configs", ())} <= set(COMPOSE["configs"])
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or (DEPLOY / source).is_file()
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert config.state.url == "redis://redis:6379/0"
    assert f"http://127.0.0.1:{PORT}/readyz" in str(services["levelhead"]["healthcheck"])
    (job,) = yaml.safe_load((DEPLOY / "prometheus.yaml").read_text())["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"levelhead:{PORT}"]}]
    beside = {Path(use["target"]).name for use in services["prometheus"]["configs"]}
    assert beside == {"prometheus.yaml", "levelhead-rules.yaml", job["authorization"]["credentials_file"]}


def test_grafana_finds_the_dashboard() -> None:
    (provider,) = yaml.safe_load((DEPLOY / "grafana/dashboards.yaml").read_text())["providers"]
    targets = [use["target"] for use in COMPOSE["services"]["grafana"]["configs"]]
    assert provider["options"]["path"] + "/levelhead.json" in targets
    (source,) = yaml.safe_load((DEPLOY / "grafana/datasource.yaml").read_text())["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")


def test_kubernetes_agrees_with_itself_and_the_configuration(config: Config) -> None:
    pod = named("Deployment")["template"]["spec"]
    (container,) = pod["containers"]
    assert container["ports"] == [{"name": "http", "containerPort": config.server.port}]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert set(mounts) == {volume["name"] for volume in pod["volumes"]}
    image = (DEPLOY / "Dockerfile").read_text()
    assert f"LEVELHEAD_CONFIG={mounts['config']}/levelhead.yaml" in image
    assert f"LEVELHEAD_HOME={mounts['state']}" in image
    assert f"USER {pod['securityContext']['runAsUser']}:{pod['securityContext']['fsGroup']}" in image
    assert named("Service")["ports"][0]["port"] == config.server.port
    assert named("Service", "redis")["ports"][0]["port"] == 6379
    for kind, name in (("Deployment", "levelhead"), ("StatefulSet", "redis")):
        labels = named(kind, name)["template"]["metadata"]["labels"]
        assert labels == named(kind, name)["selector"]["matchLabels"] == named("Service", name)["selector"]
    (generated,) = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text())["configMapGenerator"]
    assert {"name": "config", "configMap": {"name": generated["name"]}} in pod["volumes"]


def test_redis_keeps_every_cent() -> None:
    wanted = ["--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"]
    assert COMPOSE["services"]["redis"]["command"][1:] == wanted
    assert named("StatefulSet", "redis")["template"]["spec"]["containers"][0]["args"][1:] == wanted


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd isn't installed")
def test_systemd_reads_the_unit(tmp_path: Path) -> None:
    installed = tmp_path / "levelhead"
    installed.write_text("#!/bin/sh\n")
    installed.chmod(0o755)
    unit = tmp_path / "levelhead.service"
    unit.write_text((DEPLOY / "levelhead.service").read_text().replace("/opt/levelhead/bin/levelhead", str(installed)))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_image_is_built_from_files_that_are_there() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    copied = [
        word for line in lines if line.startswith("COPY ") and "--from" not in line for word in line.split()[1:-1]
    ]
    assert "requirements.lock" in copied
    let_through = set(re.findall(r"(?m)^!(\S+)", (DEPLOY / "Dockerfile.dockerignore").read_text()))
    assert set(copied) == let_through
    assert all((ROOT / name).exists() for name in copied)
