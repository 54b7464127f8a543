"""Artefacts are verified before they are believed."""

import hashlib
import shutil
import time
from pathlib import Path

import numpy as np
import orjson
import pytest

from levelhead.difficulty import load_quality_model
from levelhead.difficulty.artefact import load, save, shipped
from levelhead.errors import ArtefactError


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(shipped(), tmp_path / "model"))


def change_manifest(path: Path, **fields: object) -> None:
    manifest = orjson.loads((path / "manifest.json").read_bytes())
    (path / "manifest.json").write_bytes(orjson.dumps({**manifest, **fields}))


def test_the_shipped_artefact_is_small_and_loads_fast() -> None:
    load_quality_model()
    began = time.perf_counter()
    load_quality_model()
    assert time.perf_counter() - began < 0.1
    assert sum(file.stat().st_size for file in shipped().iterdir()) < 1_500_000


def test_an_altered_file_is_refused(copy: Path) -> None:
    data = bytearray((copy / "weights.npy").read_bytes())
    data[-1] ^= 1
    (copy / "weights.npy").write_bytes(data)
    with pytest.raises(ArtefactError, match=r"weights\.npy.*hash"):
        load_quality_model(copy)


@pytest.mark.parametrize("file", ["manifest.json", "weights.npy", "abilities.json"])
def test_a_missing_file_is_named(copy: Path, file: str) -> None:
    (copy / file).unlink()
    with pytest.raises(ArtefactError, match=file.replace(".", r"\.")):
        load_quality_model(copy)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("schema", 99, "schema 99"),
        ("feature_version", 0, "features 0"),
        ("files", None, "lists no files"),
        ("features", ["a"], "rows expected"),
        ("priors", None, "incomplete"),
        ("level_b", ["x"], "incomplete"),
    ],
)
def test_another_schema_is_refused(copy: Path, field: str, value: object, said: str) -> None:
    change_manifest(copy, **{field: value})
    with pytest.raises(ArtefactError, match=said):
        load_quality_model(copy)


def test_pickles_are_refused(copy: Path) -> None:
    np.save(copy / "reference.npy", np.array([{"any": "object"}], dtype=object), allow_pickle=True)
    files = orjson.loads((copy / "manifest.json").read_bytes())["files"]
    files["reference.npy"] = hashlib.sha256((copy / "reference.npy").read_bytes()).hexdigest()
    change_manifest(copy, files=files)
    with pytest.raises(ArtefactError, match="not a plain array"):
        load_quality_model(copy)


def test_saving_what_was_loaded_gives_the_same_bytes(copy: Path, tmp_path: Path) -> None:
    save(tmp_path / "again", load(copy))
    for file in ("manifest.json", "weights.npy", "abilities.json", "reference.npy"):
        assert (tmp_path / "again" / file).read_bytes() == (copy / file).read_bytes()


def test_garbage_is_an_artefact_error(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(b"{nope")
    with pytest.raises(ArtefactError, match="not JSON"):
        load_quality_model(tmp_path)
    with pytest.raises(ArtefactError, match="can't be read"):
        load_quality_model(tmp_path / "nowhere")
