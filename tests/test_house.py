"""The house itself: layers, sizes, a light import, curated names, lock files anyone can use."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import levelhead

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.lock", ".ci/dev.lock", "tests/integration/sdk.lock", ".ci/audit.lock", "tests/fuzz/openapi.lock")
HEAVY = ("aiohttp", "diskcache", "litellm", "openai", "prometheus_client", "pydantic", "scipy", "sklearn", "typer")


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_layers() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"Contracts: [1-9]\d* kept, 0 broken", done.stdout)


def test_sizes() -> None:
    done = subprocess.run([sys.executable, ROOT / ".ci/sizes.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_sizes_are_measured(tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    (tmp_path / "src").mkdir()
    (tmp_path / ".ci/sizes.py").write_bytes((ROOT / ".ci/sizes.py").read_bytes())
    (tmp_path / "src/long.py").write_text("\n" * 401)
    (tmp_path / "src/deep.py").write_text("class A:\n    async def f(self):\n" + "        x = 1\n" * 50)
    done = subprocess.run([sys.executable, tmp_path / ".ci/sizes.py"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "long.py: 401 lines" in done.stdout
    assert "deep.py:2: f has 51 lines" in done.stdout


def test_import_is_quick() -> None:
    """The best of five: other work on the machine makes it slower, never faster."""
    took = min(
        float(python("from time import perf_counter as t; a = t(); import levelhead; print(t() - a)")) for _ in range(5)
    )
    assert took < 0.3


@pytest.mark.parametrize("module", ["levelhead", "levelhead.cli"])  # a server's workers begin with the second
def test_import_is_light(module: str) -> None:
    loaded = python(f"import {module}, sys; print(*sys.modules)").split()
    assert set(HEAVY).isdisjoint(loaded)


def test_public_names() -> None:
    assert levelhead.__all__ == ["Decision", "Level", "LevelheadError", "Outcome", "Router", "Team", "__version__"]
    assert dir(levelhead) == levelhead.__all__
    assert all(hasattr(levelhead, name) for name in levelhead.__all__)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_by_hash_and_names_no_host(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert not re.search(r"--(extra-)?index-url|--find-links|--trusted-host", text)
    requirements = re.split(r"(?m)^(?=[a-z0-9])", "\n".join(x for x in text.splitlines() if not x.startswith("#")))
    pins = [r for r in requirements if r.strip()]
    assert len(pins) > 10
    assert [r for r in pins if not re.match(r"\S+==\S+ .*(\n    --hash=sha256:[0-9a-f]{64}( \\)?)+\s*$", r)] == []


def test_no_lock_holds_the_malicious_litellm() -> None:
    (version,) = re.findall(r"^litellm==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert version not in ("1.82.7", "1.82.8")


def test_what_is_declared_is_locked() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["redis"]]
    groups = project["dependency-groups"]
    for names, lock in (
        (wanted, LOCKS[0]),
        (groups["dev"], LOCKS[1]),
        (groups["sdk"], LOCKS[2]),
        (groups["audit"], LOCKS[3]),
    ):
        locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / lock).read_text(), re.MULTILINE))
        assert {re.split(r"[^\w.-]", name)[0].lower() for name in names} <= locked
