"""Code compared by what it does: the proxy asks a runner of the user's own, which here runs both programs."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from levelhead.testing import Reply

from .house import Proxy, Vendors

MAIN = "\nprint([twice(n) for n in (-2, 0, 3, 10)])\n"


class Runner(BaseHTTPRequestHandler):
    """Scores 1 where both print the same."""

    told: list[dict[str, Any]]
    down = False

    def do_POST(self) -> None:
        if self.down:
            self.send_error(503)
            return
        task = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.told.append(task)
        printed = [
            subprocess.run([sys.executable, "-c", program + MAIN], capture_output=True, text=True).stdout
            for program in task["programs"]
        ]
        body = json.dumps({"score": float(printed[0] == printed[1] != "")}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def runner() -> Iterator[tuple[str, type[Runner]]]:
    kind = type("Fresh", (Runner,), {"told": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/run", kind
    server.shutdown()
    server.server_close()


def test_programs_are_compared_by_what_they_do(
    runner: tuple[str, type[Runner]], running_vendors: Vendors, vendors: Vendors, tmp_path: Path
) -> None:
    url, kind = runner
    settings = {"slots": {"coder": {"cascade": "always"}}, "cascade": "off", "check": {"runner": url}}
    with Proxy(tmp_path, running_vendors, keys={}, **settings) as proxy:
        client = proxy.client(None)

        def reason(second: str) -> str:
            vendors.deepseek.answer = lambda body: Reply(text="```python\ndef twice(n):\n    return 2 * n\n```")
            vendors.openai.answer = lambda body: Reply(text=f"```python\n{second}\n```")
            vendors.claude.answer = lambda body: Reply(text="```python\ndef twice(n):\n    return n * 2\n```")
            task = "Write a Python function twice(n) that doubles a number."
            return str(client.chat(task, model="auto/coder").headers["x-levelhead-reason"])

        assert reason("def twice(n):\n    total = n\n    total += n\n    return total").startswith("draft_accepted")
        (task,) = kind.told
        assert "def twice(n):\n    return 2 * n" in [program.strip() for program in task["programs"]]
        assert task["messages"][-1]["content"].startswith("Write a Python function")
        assert reason("def twice(n):\n    return n ** 2").startswith("draft_rejected")
        kind.down = True  # then code is compared as ever, by its syntax tree
        assert reason("def twice(m):  # the same\n    return 2 * m").startswith("draft_accepted")
        assert reason("def twice(n):\n    total = n\n    total += n\n    return total").startswith("draft_rejected")
