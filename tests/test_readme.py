"""What the README shows is what happens."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

from levelhead.assemble import rooms_of
from levelhead.config import Config, from_mapping

README = (Path(__file__).parents[1] / "README.md").read_text()
FILE = yaml.safe_load(re.search(r"```yaml\n(.*?)```", README, re.S)[1])


def test_the_configuration_shown_can_be_served():
    keys = {name: "secret-of-" + name for name in re.findall(r"_env: ([A-Z_]+)", README)}
    rooms = rooms_of(from_mapping(FILE, env=keys))
    assert len(rooms.models) == len(FILE["models"])


def test_the_configuration_shown_has_every_key():
    assert set(FILE) == {field.alias or name for name, field in Config.model_fields.items()}


def test_the_bill_shown_is_the_demos(tmp_path):
    shown = re.search(r"<!-- demo:begin -->\n```text\n(.*?)```", README, re.S)[1]
    done = subprocess.run(
        [sys.executable, "-m", "levelhead", "demo"], capture_output=True, text=True, check=True, timeout=240
    )
    said = [line.rstrip() for line in done.stdout.splitlines()]
    assert [line for line in shown.splitlines() if line not in said] == []
