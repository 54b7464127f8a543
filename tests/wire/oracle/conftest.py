from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def litellm() -> Iterator[ModuleType]:
    """litellm as a proxy runs it: what a model can't take is dropped. Imported once: it takes seconds."""
    import os

    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # the bundled price table, no network
    import litellm

    before = (litellm.drop_params, litellm.modify_params)
    litellm.drop_params, litellm.modify_params = True, True
    yield litellm
    litellm.drop_params, litellm.modify_params = before
