"""The virtual environment that LiteLLM's proxy runs in: its own, pinned, made once."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from .procs import ProcError, clean_env

LITELLM = "1.106.2"
REQUIREMENTS = (
    f"litellm[proxy]=={LITELLM}",
    "diskcache==5.6.3",
    "prometheus-client>=0.21",
    # Not in the extra, but they make it faster: uvicorn's quick parser, and packages that LiteLLM's own image has;
    # without these this release tries, and fails, to import its OpenTelemetry logger anew in every request.
    "httptools>=0.6.4",
    "opentelemetry-api==1.33.1",
    "opentelemetry-sdk==1.33.1",
    "opentelemetry-exporter-otlp==1.33.1",
)


def litellm_program(folder: Path) -> Path:
    """Returns the `litellm` program of the environment in `folder`, which is made first if need be (about 600 MB)."""
    wanted = hashlib.sha256(repr((REQUIREMENTS, sys.version_info[:2])).encode()).hexdigest()
    stamp, python = folder / "stamp", folder / "bin" / "python"
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"making an environment for LiteLLM {LITELLM} (once)", file=sys.stderr)
        uv = shutil.which("uv")
        if uv:
            make = [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)]
            install = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), *REQUIREMENTS]
        else:
            make = [sys.executable, "-m", "venv", "--clear", str(folder)]
            install = [str(python), "-m", "pip", "install", "--quiet", *REQUIREMENTS]
        for command in (make, install):
            done = subprocess.run(command, env=clean_env(), capture_output=True, text=True, check=False)
            if done.returncode:
                raise ProcError(f"cannot make LiteLLM's environment: {done.stderr[-2000:]}")
        stamp.write_text(wanted)
    return folder / "bin" / "litellm"
