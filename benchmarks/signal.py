"""How good is the signal? Recorded outcomes, each source seen by a model that was fitted without it.

    python benchmarks/signal.py [--data DIR] [--orders 5]

Writes results/signal.json and results/signal-*.png. Takes about ten minutes.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
if __name__ == "signal":  # another script of this folder means the standard library's module
    import importlib.util
    import os

    spec = importlib.util.spec_from_file_location("signal", Path(os.__file__).with_name("signal.py"))
    assert spec is not None
    assert spec.loader is not None
    sys.modules["signal"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
else:
    sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() != HERE] + [str(HERE)]
    from signals.run import main

    main(HERE / "results")
