"""Abilities that `levelhead probe` has measured here, for the router to heed beside what a model's name says."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from .abilities import Ability


def probed(path: Path) -> dict[tuple[str, str], Ability]:
    """By (configured name, the vendor's name): the newest probe of each, from the file that teams keep them in.

    The probe's items were placed on the latent scale by judgement: that doubt (`link_sd`) is part of the interval.
    A file that isn't there or can't be read has none: routing goes on as without.
    """
    if not path.exists():
        return {}
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as db:
            rows = db.execute("SELECT model, report FROM probes ORDER BY seq").fetchall()
    except sqlite3.Error:
        return {}
    found = {}
    for model, text in rows:
        report = json.loads(text)
        if ability := _ability(report):
            found[model, str(report.get("upstream", ""))] = ability
    return found


def _ability(report: Mapping[str, Any]) -> Ability | None:
    said = report.get("ability", {})
    tasks = int(said.get("tasks", 0))
    if not tasks:
        return None
    own, link = (float(said["high"]) - float(said["low"])) / 4, float(report.get("link_sd", 0.0))
    return Ability(float(said["theta"]), (own**2 + link**2) ** 0.5, f"probe: {tasks} tasks")
