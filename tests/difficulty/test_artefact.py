"""Artefacts are verified before they are believed."""

import hashlib
import shutil
import time
from collections.abc import Callable
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
    def took(work: Callable[[], object]) -> float:
        began = time.process_time()
        work()
        return time.process_time() - began

    # A tenth of a second of CPU time; on a slow machine, what it takes to add up a million numbers twice.
    assert min(took(load_quality_model) for _ in range(4)) < max(
        0.1, 2 * took(lambda: sum(i * i for i in range(10**6)))
    )
    assert sum(file.stat().st_size for file in shipped().iterdir()) < 5_000_000


def test_an_altered_file_is_refused(copy: Path) -> None:
    data = bytearray((copy / "arrays.npz").read_bytes())
    data[-1] ^= 1
    (copy / "arrays.npz").write_bytes(data)
    with pytest.raises(ArtefactError, match=r"arrays\.npz.*hash"):
        load_quality_model(copy)


@pytest.mark.parametrize("file", ["manifest.json", "arrays.npz", "abilities.json"])
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
        ("inputs", ["a"], "inputs are not those"),
        ("inputs", None, "inputs are not those"),
        ("outcome", {}, "incomplete"),
        ("priors", None, "incomplete"),
        ("level_b", ["x"], "incomplete"),
    ],
)
def test_another_schema_is_refused(copy: Path, field: str, value: object, said: str) -> None:
    change_manifest(copy, **{field: value})
    with pytest.raises(ArtefactError, match=said):
        load_quality_model(copy)


def repack(path: Path, **arrays: np.ndarray | None) -> None:
    """Changes some arrays, and the hash with them."""
    with np.load(path / "arrays.npz") as file:
        kept = {**{name: file[name] for name in file.files}, **arrays}
    np.savez(path / "arrays.npz", **{name: array for name, array in kept.items() if array is not None})
    files = orjson.loads((path / "manifest.json").read_bytes())["files"]
    files["arrays.npz"] = hashlib.sha256((path / "arrays.npz").read_bytes()).hexdigest()
    change_manifest(path, files=files)


@pytest.mark.parametrize(
    ("name", "array", "said"),
    [
        ("reference", np.array([{"any": "object"}], dtype=object), "holds no plain arrays"),
        ("reference", None, "reference holds no"),
        ("constants", np.zeros(5), "constants has shape"),
        ("gram", np.zeros((7, 14), dtype=np.int8), "gram has shape"),
        ("word_square", None, "word_square has shape None"),
        ("load", np.full((2, 11), np.nan), "not finite"),
        ("tree_leaf", np.zeros((3, 8)), "tree_leaf has shape"),
    ],
)
def test_arrays_that_don_t_fit_are_named(copy: Path, name: str, array: np.ndarray | None, said: str) -> None:
    repack(copy, **{name: array})
    with pytest.raises(ArtefactError, match=said):
        load_quality_model(copy)


def test_trees_that_ask_for_inputs_which_are_not_there(copy: Path) -> None:
    with np.load(copy / "arrays.npz") as file:
        feature = file["tree_feature"]
    repack(copy, tree_feature=feature + 99)
    with pytest.raises(ArtefactError, match="trees don't fit"):
        load_quality_model(copy)


def test_saving_what_was_loaded_gives_the_same_bytes(copy: Path, tmp_path: Path) -> None:
    save(tmp_path / "again", load(copy))
    for file in ("manifest.json", "arrays.npz", "abilities.json"):
        assert (tmp_path / "again" / file).read_bytes() == (copy / file).read_bytes()


def test_garbage_is_an_artefact_error(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(b"{nope")
    with pytest.raises(ArtefactError, match="not JSON"):
        load_quality_model(tmp_path)
    with pytest.raises(ArtefactError, match="can't be read"):
        load_quality_model(tmp_path / "nowhere")
