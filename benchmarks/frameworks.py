"""Do agent frameworks work through the proxy? langchain's own test suite, and a team of each of three frameworks.

    make .venv/dev.stamp && .venv/bin/python benchmarks/frameworks.py

Makes environments in .bench/frameworks, starts the vendors' faithful fakes and `levelhead serve`, and runs
`langchain-tests`' chat model integration suite for langchain-openai (both endpoints) and langchain-anthropic on each
vendor's model, `llm-comply` on all three surfaces, then a two-agent team of openai-agents, pydantic-ai and CrewAI whose
slots must arrive. Nothing leaves the machine but the installation. Results: benchmarks/results/frameworks.json.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import venv
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from integration.house import Proxy, Vendors  # noqa: E402 - the tests' own proxy and vendors
from levelhead.testing import Reply, ToolUse  # noqa: E402

HARNESS = ROOT / "benchmarks/harness"
ENVIRONMENTS = {
    "langchain": ["langchain-tests", "langchain-openai", "langchain-anthropic"],
    "agents": ["openai-agents", "pydantic-ai-slim[openai,anthropic]"],
    "crewai": ["crewai"],
    "llm-comply": ["llm-comply"],
}
MODELS = ("claude-sonnet", "deepseek-flash", "gpt-mini")
SLOTS = {"drafter": {"ceiling": "efficient"}, "critic": {"floor": "strong"}}
VALUES: dict[str, Any] = {"string": "cats", "integer": 3, "number": 3, "boolean": True, "null": None}


def python(name: str) -> Path:
    folder = ROOT / ".bench/frameworks" / name
    if not (folder / "installed").exists():
        venv.create(folder, with_pip=True)
        install = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, *ENVIRONMENTS[name]], check=True)
        (folder / "installed").touch()
    return folder / "bin/python"


def filled(schema: Mapping[str, Any], defs: Mapping[str, Any] | None = None) -> Any:
    """A value of `schema`."""
    defs = schema.get("$defs") or defs or {}
    if "$ref" in schema:
        return filled(defs[schema["$ref"].rsplit("/", 1)[-1]], defs)
    if "anyOf" in schema:
        return filled(schema["anyOf"][0], defs)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    if kind == "array":
        return [filled(schema.get("items") or {"type": "string"}, defs)]
    if kind == "object":
        return {name: filled(one, defs) for name, one in (schema.get("properties") or {}).items()}
    return VALUES.get(kind[0] if isinstance(kind, list) else kind)


def answer(body: dict[str, Any]) -> Reply:
    """A model that calls the first tool once with arguments of its schema, and says what the result was."""
    last = json.dumps(body["messages"][-1])
    wanted = ((body.get("response_format") or {}).get("json_schema") or {}).get("schema") or (
        (body.get("output_config") or {}).get("format") or {}
    ).get("schema")
    if wanted:
        return Reply(text=json.dumps(filled(wanted)))
    tools, choice = body.get("tools") or [], body.get("tool_choice")
    forced = choice == "required" or (isinstance(choice, dict) and choice.get("type") in ("function", "tool", "any"))
    answered = "tool_result" in last or '"role": "tool"' in last
    if tools and choice != "none" and (forced or not answered):
        tool = tools[0].get("function") or tools[0]
        schema = tool.get("parameters") or tool.get("input_schema") or {}
        arguments = filled(schema)
        if foreign := re.search(r"[\u4e00-\u9fff]+", json.loads(f'"{last_text(body)}"')):
            arguments = dict.fromkeys(arguments, foreign[0])
        return Reply(tools=(ToolUse(tool["name"], json.dumps(arguments, ensure_ascii=False)),))
    stops = body.get("stop") or body.get("stop_sequences")
    return Reply(text="hello" if stops else "Hello! It is 5, or green, or what the tool said: cats, 3 and 27 degrees.")


def last_text(body: dict[str, Any]) -> str:
    """The last message, escaped as within JSON."""
    return json.dumps(json.dumps(body["messages"][-1], ensure_ascii=False))[1:-1]


def langchain(model: str, url: str) -> dict[str, Any]:
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        command = [python("langchain"), "-m", "pytest", "-q", "-p", "no:cacheprovider", "--asyncio-mode=auto"]
        # langchain keeps one client for all its models, and a client keeps to one loop
        command += ["-o", "asyncio_default_test_loop_scope=session", "-o", "asyncio_default_fixture_loop_scope=session"]
        subprocess.run(
            [*command, f"--junitxml={report.name}", str(HARNESS / "langchain_suite.py")],
            env={"PATH": os.environ["PATH"], "LEVELHEAD_URL": url, "LEVELHEAD_MODEL": model},
            capture_output=True, cwd=HARNESS, check=False,
        )  # fmt: skip
        cases = list(ET.parse(report.name).iter("testcase"))
    found: dict[str, Any] = {"suite": "langchain-tests", "model": model, "passed": 0, "skipped": 0, "failed": {}}
    for case in cases:
        fault = case.find("failure") if case.find("failure") is not None else case.find("error")
        if fault is not None:
            name = f"{case.get('classname', '').rsplit('.', 1)[-1]}.{case.get('name')}"
            found["failed"][name] = re.sub(r"\s+", " ", fault.get("message") or "")[:160]
        else:
            found["skipped" if case.find("skipped") is not None else "passed"] += 1
    return found


def comply(surface: str, model: str, url: str) -> dict[str, Any]:
    """llm-comply checks answers, streams and errors against the vendor's own schema. Nothing is ignored."""
    command = [python("llm-comply").with_name("llm-comply"), "-u", f"{url}/v1", "-k", "sk-team", "-m", model, "--json"]
    done = subprocess.run([*command, "--format", surface, "--timeout", "20"], capture_output=True, check=False)
    said = json.loads(done.stdout)
    found: dict[str, Any] = {"suite": "llm-comply", "surface": surface, "model": model, "passed": 0, "skipped": 0}
    found["failed"] = {}
    for case in said.get("results", said):
        if case["status"] == "failed":
            found["failed"][case.get("id") or case.get("name")] = str(case.get("errors"))[:200]
        else:
            found[case["status"]] += 1
    return found


def team(framework: str, url: str, proxy: Proxy) -> dict[str, Any]:
    """Two agents, a drafter and a critic: each answers, and each is known by its slot."""

    def counted() -> dict[str, int]:
        return {slot: int(proxy.metric("requests_total", slot=slot, outcome="ok")) for slot in SLOTS}

    before = counted()
    where = "crewai" if framework == "crewai" else "agents"
    done = subprocess.run(
        [python(where), str(HARNESS / "framework_teams.py"), framework, url],
        env={"PATH": os.environ["PATH"], "HOME": tempfile.gettempdir(), "CREWAI_DISABLE_TELEMETRY": "true",
             "OTEL_SDK_DISABLED": "true", "OPENAI_API_KEY": "sk-team", "CREWAI_TRACING_ENABLED": "false"},
        capture_output=True, text=True, check=False, timeout=180,
    )  # fmt: skip
    calls = {slot: number - before[slot] for slot, number in counted().items()}
    passed = done.returncode == 0 and "TEAM DONE" in done.stdout and all(calls.values())
    return {
        "suite": framework,
        "passed": int(passed),
        "calls_by_slot": calls,
        **({} if passed else {"why": (done.stderr or done.stdout)[-400:]}),
    }


def main() -> None:
    runs = []
    with (
        tempfile.TemporaryDirectory() as temporary,
        Vendors() as vendors,
        Proxy(Path(temporary), vendors, keys={"team": {}}, slots=SLOTS) as proxy,
    ):
        for vendor in vendors.all:
            vendor.answer = answer
        only = sys.argv[1:]
        for model in MODELS:
            if not only or "langchain" in only:
                runs.append(langchain(model, proxy.url))
                print(json.dumps(runs[-1], indent=1), flush=True)
        for surface in ("openai-chat", "open-responses", "anthropic"):
            for model in (*MODELS, "auto"):
                if not only or "llm-comply" in only:
                    runs.append(comply(surface, model, proxy.url))
                    print(json.dumps(runs[-1]), flush=True)
        for framework in ("openai-agents", "pydantic-ai", "crewai"):
            if not only or framework in only:
                runs.append(team(framework, proxy.url, proxy))
                print(json.dumps(runs[-1]), flush=True)
    if not only:
        versions = {name: frozen(name) for name in ENVIRONMENTS}
        found = {"versions": versions, "runs": runs}
        (ROOT / "benchmarks/results/frameworks.json").write_text(json.dumps(found, indent=1) + "\n")


def frozen(name: str) -> dict[str, str]:
    """The versions of what was asked for, and of the SDKs below it."""
    listed = subprocess.run([python(name), "-m", "pip", "list", "--format=json"], capture_output=True, check=True)
    wanted = re.compile(r"langchain|^openai|^anthropic$|pydantic-ai|^crewai$|^litellm$|^llm-comply$")
    return {one["name"]: one["version"] for one in json.loads(listed.stdout) if wanted.match(one["name"])}


if __name__ == "__main__":
    main()
