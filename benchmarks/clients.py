"""Do real agents work through the proxy? Five of them, each one turn with a tool call.

    make .venv/dev.stamp && .venv/bin/python benchmarks/clients.py

Installs Claude Code, Codex CLI, opencode, Qwen Code and pi (in each of three dialects) from npm into .bench/clients
(versions below), starts the vendors' faithful fakes and `levelhead serve`, and runs each agent without a person: it is
told to run a shell command, must call its own tool, send the result back, and end with the model's last words. Twice
each: once on the DeepSeek-class fake, once on the Claude-class one. Nothing leaves the machine but the installation.
Results go to benchmarks/results/clients.json.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from integration.house import Proxy, Vendors  # noqa: E402 - the tests' own proxy and vendors
from levelhead.testing import Reply, ToolUse  # noqa: E402

PACKAGES = {
    "@anthropic-ai/claude-code": "2.1.332",
    "@openai/codex": "0.169.0",
    "opencode-ai": "1.18.33",
    "@qwen-code/qwen-code": "0.15.10",
    "@mariozechner/pi-coding-agent": "0.73.1",
}
INSTALLED = ROOT / ".bench/clients"
BIN = INSTALLED / "node_modules/.bin"
LAST_WORDS = "DONE: all finished"
PATIENCE = 120  # seconds for one run
SHELLS: dict[str, dict[str, Any]] = {
    "Bash": {"command": "echo hi-from-tool", "description": "say hi"},
    "bash": {"command": "echo hi-from-tool", "description": "say hi"},
    "exec_command": {"cmd": "echo hi-from-tool"},
    "shell_command": {"command": "echo hi-from-tool"},
    "run_shell_command": {"command": "echo hi-from-tool", "is_background": False},
}
CODEX_CONFIG = """
model = "{model}"
model_provider = "levelhead"
[model_providers.levelhead]
name = "levelhead"
base_url = "{url}/v1"
env_key = "LEVELHEAD_KEY"
wire_api = "responses"
"""

Command = tuple[list[str], dict[str, str]]


def install() -> None:
    INSTALLED.mkdir(parents=True, exist_ok=True)
    wanted = [f"{name}@{version}" for name, version in PACKAGES.items()]
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent", *wanted], cwd=INSTALLED, check=True)
    opencode = INSTALLED / "node_modules/opencode-ai"
    subprocess.run(["node", "./postinstall.mjs"], cwd=opencode, check=False, capture_output=True)


def claude_code(home: Path, folder: Path, url: str, model: str) -> Command:
    command = ["claude", "-p", "Run echo in bash", "--allowedTools", "Bash", "--output-format", "json"]
    return [*command, "--model", model], {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "sk-team"}


def codex(home: Path, folder: Path, url: str, model: str) -> Command:
    (home / ".codex").mkdir()
    (home / ".codex/config.toml").write_text(CODEX_CONFIG.format(model=model, url=url))
    command = ["codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "--json"]
    return [*command, "Run echo in the shell"], {"LEVELHEAD_KEY": "sk-team"}


def opencode(home: Path, folder: Path, url: str, model: str) -> Command:
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "levelhead",
        "options": {"baseURL": f"{url}/v1", "apiKey": "sk-team"},
        "models": {model: {"name": model, "tool_call": True}},
    }
    config = {"provider": {"levelhead": provider}, "model": f"levelhead/{model}", "permission": {"bash": "allow"}}
    (folder / "opencode.json").write_text(json.dumps({**config, "autoupdate": False}))
    return ["opencode", "run", "--format", "json", "Run echo in bash"], {}


def qwen_code(home: Path, folder: Path, url: str, model: str) -> Command:
    command = ["qwen", "--auth-type", "openai", "--yolo", "--output-format", "text", "-p", "Run echo in the shell"]
    settings = {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": "sk-team", "OPENAI_MODEL": model}
    return command, settings


def pi(api: str, base: str, home: Path, folder: Path, url: str, model: str) -> Command:
    provider = {"baseUrl": url + base, "api": api, "apiKey": "sk-team", "models": [{"id": model, "reasoning": True}]}
    (home / ".pi/agent").mkdir(parents=True)
    (home / ".pi/agent/models.json").write_text(json.dumps({"providers": {"levelhead": provider}}))
    return ["pi", "--provider", "levelhead", "--model", model, "-p", "Run echo in bash"], {"PI_OFFLINE": "1"}


AGENTS: dict[str, Callable[[Path, Path, str, str], Command]] = {
    "claude-code": claude_code,
    "codex": codex,
    "opencode": opencode,
    "qwen-code": qwen_code,
    "pi (chat completions)": partial(pi, "openai-completions", "/v1"),
    "pi (responses)": partial(pi, "openai-responses", "/v1"),
    "pi (messages)": partial(pi, "anthropic-messages", ""),
}


def answer(body: dict[str, Any]) -> Reply:
    """A model that calls the agent's shell once, and ends when it has the result."""
    names = [tool.get("name") or tool.get("function", {}).get("name") for tool in body.get("tools") or ()]
    raw = json.dumps(body["messages"])
    if not names or '"tool_result"' in raw or '"role": "tool"' in raw:
        return Reply(text=LAST_WORDS)
    name = next(name for name in SHELLS if name in names)
    return Reply(text="Let me run it.", reasoning="A shell will do.", tools=(ToolUse(name, json.dumps(SHELLS[name])),))


def run(agent: str, model: str, vendors: Vendors, proxy: Proxy) -> dict[str, Any]:
    vendors.fresh()
    for vendor in vendors.all:
        vendor.answer = answer
    with tempfile.TemporaryDirectory() as temporary:
        home, folder = Path(temporary, "home"), Path(temporary, "work")
        home.mkdir()
        folder.mkdir()
        command, settings = AGENTS[agent](home, folder, proxy.url, model)
        environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", **settings}
        try:
            done = subprocess.run(
                [str(BIN / command[0]), *command[1:]],
                cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return {"agent": agent, "model": model, "passed": False, "why": f"not done in {PATIENCE} s"}
    requests = [request for vendor in vendors.all for request in vendor.requests]
    result = any("hi-from-tool" in json.dumps(request.body["messages"][-1]) for request in requests)
    passed = done.returncode == 0 and LAST_WORDS in done.stdout and result
    return {
        "agent": agent,
        "model": model,
        "passed": passed,
        "model_calls": len(requests),
        "largest_request_bytes": max((len(request.raw) for request in requests), default=0),
        **({} if passed else {"why": (done.stderr or done.stdout)[-300:]}),
    }


def main() -> None:
    install()
    runs = []
    with (
        tempfile.TemporaryDirectory() as temporary,
        Vendors() as vendors,
        Proxy(Path(temporary), vendors, keys={"team": {}}) as proxy,
    ):
        for agent in AGENTS:
            for model in ("deepseek-flash", "claude-sonnet"):
                runs.append(run(agent, model, vendors, proxy))
                print(runs[-1], flush=True)
    passed = sum(run["passed"] for run in runs)
    found = {"machine": platform.platform(), "versions": PACKAGES, "passed": passed, "runs": runs}
    (ROOT / "benchmarks/results/clients.json").write_text(json.dumps(found, indent=1) + "\n")
    print(f"{found['passed']} of {len(runs)} passed")
    sys.exit(found["passed"] < len(runs))


if __name__ == "__main__":
    main()
