"""An artefact on disk: plain `.npy` arrays and JSON in one directory, each file pinned by its hash in `manifest.json`.

Nothing in it can run code: arrays are read with pickles refused.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from ..errors import ArtefactError
from .features import BUCKETS, FEATURE_VERSION

SCHEMA = 1
DEFAULT = "text-irt-1"
_MAX_BYTES = 5_000_000
_ARRAYS = ("weights", "scale", "lexicon_keys", "lexicon_concepts", "lexicon_lengths", "reference")

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Artefact:
    """`arrays` by name, `abilities` the rows of the ability table, `manifest` the rest."""

    arrays: Arrays
    abilities: list[dict[str, Any]]
    manifest: dict[str, Any]


def shipped() -> Path:
    """The artefact that came with levelhead: inside an installed wheel, else in the source tree."""
    package = Path(__file__).resolve().parent.parent
    for root in (package / "_models", package.parent.parent / "router_models"):
        if (root / DEFAULT / "manifest.json").is_file():
            return root / DEFAULT
    raise ArtefactError(f"the shipped model artefact {DEFAULT} is missing; reinstall levelhead or name a path")


def load(path: Path) -> Artefact:
    """Reads and verifies an artefact. Raises `ArtefactError` naming the file and what is wrong with it."""
    manifest = _json(_bytes(path / "manifest.json"), "manifest.json")
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        raise ArtefactError(f"artefact {path.name}: schema {_get(manifest, 'schema')!r}, this levelhead reads {SCHEMA}")
    if manifest.get("feature_version") != FEATURE_VERSION:
        raise ArtefactError(
            f"artefact {path.name}: made for features {manifest.get('feature_version')!r}, not {FEATURE_VERSION}"
        )
    files = manifest.get("files")
    if not isinstance(files, dict):
        raise ArtefactError(f"artefact {path.name}: manifest.json lists no files")
    content = {}
    for name in [f"{array}.npy" for array in _ARRAYS] + ["abilities.json"]:
        content[name] = _bytes(path / name)
        if hashlib.sha256(content[name]).hexdigest() != files.get(name):
            raise ArtefactError(f"artefact {path.name}: {name} doesn't have the hash that manifest.json gives")
    arrays = {name: _array(content[f"{name}.npy"], f"{name}.npy") for name in _ARRAYS}
    _check_shapes(path.name, arrays, manifest)
    abilities = _json(content["abilities.json"], "abilities.json")
    if not isinstance(abilities, list):
        raise ArtefactError(f"artefact {path.name}: abilities.json is no list")
    return Artefact(arrays, abilities, manifest)


def save(path: Path, artefact: Artefact) -> None:
    """Writes an artefact, the same bytes for the same content, and pins every file in its manifest."""
    path.mkdir(parents=True, exist_ok=True)
    files = {}
    for name in _ARRAYS:
        buffer = io.BytesIO()
        np.save(buffer, artefact.arrays[name], allow_pickle=False)
        files[f"{name}.npy"] = buffer.getvalue()
    files["abilities.json"] = _dump(artefact.abilities)
    for file, data in files.items():
        (path / file).write_bytes(data)
    hashes = {file: hashlib.sha256(data).hexdigest() for file, data in sorted(files.items())}
    (path / "manifest.json").write_bytes(_dump({**artefact.manifest, "files": hashes}))


def _dump(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ArtefactError(f"artefact {path.parent.name}: {path.name} can't be read ({error.strerror})") from None
    if len(data) > _MAX_BYTES:
        raise ArtefactError(f"artefact {path.parent.name}: {path.name} is larger than {_MAX_BYTES} bytes")
    return data


def _json(data: bytes, name: str) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        raise ArtefactError(f"artefact: {name} is not JSON") from None


def _array(data: bytes, name: str) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, OSError, EOFError):
        raise ArtefactError(f"artefact: {name} is not a plain array") from None
    return array


def _get(manifest: object, key: str) -> object:
    return manifest.get(key) if isinstance(manifest, dict) else None


def _check_shapes(name: str, arrays: Arrays, manifest: dict[str, Any]) -> None:
    features, concepts = manifest.get("features"), manifest.get("concepts")
    if not isinstance(features, list) or not isinstance(concepts, list):
        raise ArtefactError(f"artefact {name}: manifest.json names no features or concepts")
    rows = len(features) + BUCKETS + 1
    if arrays["weights"].ndim != 2 or arrays["weights"].shape[0] != rows or arrays["scale"].shape != (2, len(features)):
        raise ArtefactError(f"artefact {name}: weights of shape {arrays['weights'].shape}, {rows} rows expected")
    if not np.isfinite(arrays["weights"]).all():
        raise ArtefactError(f"artefact {name}: weights hold values that are not finite")
