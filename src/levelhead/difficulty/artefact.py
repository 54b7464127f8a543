"""An artefact on disk: arrays in one `.npz`, and JSON; `manifest.json` pins each file by its hash.

Nothing in it can run code: arrays are read with pickles refused.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from ..errors import ArtefactError
from .levels import COLUMNS, INPUTS, LEVELS
from .surface import LOAD
from .trees import INNER, LEAVES
from .words import FEATURE_VERSION, GRAM_BITS, WORD_BITS

SCHEMA = 2
DEFAULT = "text-irt-2"
ARRAYS_FILE = "arrays.npz"
_MAX_BYTES = 5_000_000
_MAX_RAW_BYTES = 40_000_000  # unpacked

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
    for name in (ARRAYS_FILE, "abilities.json"):
        content[name] = _bytes(path / name)
        if hashlib.sha256(content[name]).hexdigest() != files.get(name):
            raise ArtefactError(f"artefact {path.name}: {name} doesn't have the hash that manifest.json gives")
    arrays = _arrays(path.name, content[ARRAYS_FILE])
    _check_shapes(path.name, arrays)
    abilities = _json(content["abilities.json"], "abilities.json")
    if not isinstance(abilities, list):
        raise ArtefactError(f"artefact {path.name}: abilities.json is no list")
    return Artefact(arrays, abilities, manifest)


def save(path: Path, artefact: Artefact) -> None:
    """Writes an artefact, the same bytes for the same content, and pins every file in its manifest."""
    path.mkdir(parents=True, exist_ok=True)
    files = {ARRAYS_FILE: _packed(artefact.arrays), "abilities.json": _dump(artefact.abilities)}
    for file, data in files.items():
        (path / file).write_bytes(data)
    hashes = {file: hashlib.sha256(data).hexdigest() for file, data in sorted(files.items())}
    (path / "manifest.json").write_bytes(_dump({**artefact.manifest, "files": hashes}))


def _packed(arrays: Arrays) -> bytes:
    """As `np.savez_compressed`, but without the time of day."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(arrays):
            member = zipfile.ZipInfo(f"{name}.npy")
            member.compress_type = zipfile.ZIP_DEFLATED
            inner = io.BytesIO()
            np.save(inner, arrays[name], allow_pickle=False)
            archive.writestr(member, inner.getvalue())
    return buffer.getvalue()


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


def _arrays(name: str, data: bytes) -> Arrays:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(member.file_size for member in archive.infolist()) > _MAX_RAW_BYTES:
                raise ArtefactError(f"artefact {name}: its arrays are larger than {_MAX_RAW_BYTES} bytes")
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return {array: file[array] for array in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, KeyError):
        raise ArtefactError(f"artefact {name}: {ARRAYS_FILE} holds no plain arrays") from None


def _get(manifest: object, key: str) -> object:
    return manifest.get(key) if isinstance(manifest, dict) else None


def _check_shapes(name: str, arrays: Arrays) -> None:
    trees = arrays["tree_feature"].shape[0] if "tree_feature" in arrays else 0
    shapes = {
        "gram": (1 << GRAM_BITS, COLUMNS),
        "gram_scale": (COLUMNS,),
        "gram_square": (1 << GRAM_BITS,),
        "word": (1 << WORD_BITS, COLUMNS),
        "word_scale": (COLUMNS,),
        "word_square": (1 << WORD_BITS,),
        "constants": (6,),
        "load": (2, len(LOAD)),
        "tree_feature": (trees, INNER),
        "tree_threshold": (trees, INNER),
        "tree_leaf": (trees, LEAVES),
    }
    for array, wanted in shapes.items():
        found = arrays[array].shape if array in arrays else None
        if found != wanted:
            raise ArtefactError(f"artefact {name}: {array} has shape {found}, {wanted} expected")
    reference = arrays.get("reference")
    if reference is None or reference.ndim != 2 or reference.shape[1] != 2 or not len(reference):
        raise ArtefactError(f"artefact {name}: reference holds no (b, weight) rows")
    if trees % LEVELS or not 0 <= int(arrays["tree_feature"].min(initial=0)) <= int(
        arrays["tree_feature"].max(initial=0)
    ) < len(INPUTS):
        raise ArtefactError(f"artefact {name}: its trees don't fit the inputs")
    for array in arrays:
        if array != "tree_threshold" and not np.isfinite(arrays[array]).all():
            raise ArtefactError(f"artefact {name}: {array} holds values that are not finite")
