"""The two ends of the race: a vendor that bills what it likes within the cap, and clients that go on after a refusal.

python race_parts.py vendor <port>
python race_parts.py clients <run> <connections> <seed> <proxy port> ...
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import Counter
from time import monotonic
from typing import Any

USD_PER_MILLION = {"input": 2.0, "output": 10.0}
OUTPUT_CAP = 450  # with the bound on a short prompt, just under half a cent
INPUT_TOKENS = 10
LEAST_SECONDS, MOST_SECONDS = 0.05, 0.5
REFUSALS = 3  # in a row, before a client believes that the budget is spent
PAUSE_SECONDS = 0.3
LONGEST_SECONDS = 60.0
ANSWER_SECONDS = 20.0


def billed_nanos(output: int) -> int:
    """Returns what a call costs, in nanodollars."""
    return round(INPUT_TOKENS * USD_PER_MILLION["input"] * 1_000 + output * USD_PER_MILLION["output"] * 1_000)


async def read_message(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """Returns the first line and the body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    return head.partition("\r\n")[0], await reader.readexactly(int(fields.get("content-length", 0)))


async def vendor(port: int) -> None:
    """An OpenAI-wire vendor: a random answer length up to the cap, billed on arrival. GET gives what each run owes."""
    owed: Counter[str] = Counter()
    chance = random.Random(port)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                line, raw = await read_message(reader)
                answer: Any = owed
                if line.startswith("POST"):
                    body = json.loads(raw)
                    cap = body.get("max_tokens") or body["max_completion_tokens"]
                    output = chance.randint(1, cap)
                    owed[body["messages"][0]["content"]] += billed_nanos(output)
                    await asyncio.sleep(chance.uniform(LEAST_SECONDS, MOST_SECONDS))
                    answer = completion(output)
                payload = json.dumps(answer).encode()
                head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(payload)}\r\n\r\n"
                writer.write(head.encode() + payload)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


def completion(output: int) -> dict[str, Any]:
    """Returns a chat.completion of `output` tokens."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "So be it."}, "finish_reason": "stop"}
    usage = {"prompt_tokens": INPUT_TOKENS, "completion_tokens": output, "total_tokens": INPUT_TOKENS + output}
    return {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}


class Clients:
    """Connections that ask without a pause while they are served."""

    def __init__(self, run: str, ports: list[int], seed: int) -> None:
        self.run, self.ports = run, ports
        self.chance = random.Random(seed)
        self.counts: Counter[str] = Counter()
        body = {"model": "racer", "max_tokens": OUTPUT_CAP, "messages": [{"role": "user", "content": run}]}
        raw = json.dumps(body).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nx-levelhead-run: {run}\r\n"
            f"x-levelhead-cache: no-store\r\ncontent-type: application/json\r\ncontent-length: {len(raw)}\r\n\r\n"
        )
        self.request = head.encode() + raw

    async def connection(self) -> None:
        refusals, until = 0, monotonic() + LONGEST_SECONDS
        while refusals < REFUSALS and monotonic() < until:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.chance.choice(self.ports))
            except OSError:
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            try:
                while refusals < REFUSALS and monotonic() < until:
                    served = await asyncio.wait_for(self.ask(reader, writer), ANSWER_SECONDS)
                    refusals = 0 if served else refusals + 1
            except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
                self.counts["broken"] += 1
            finally:
                writer.close()

    async def ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Returns whether it was worth asking: False for a refusal for want of money."""
        writer.write(self.request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        body = await reader.readexactly(int(fields["content-length"]))
        status = head.split(" ", 2)[1]
        self.counts[status] += 1
        if status == "200":
            self.counts["told_nanos"] += round(float(fields["x-levelhead-cost-usd"]) * 1e9)
            return True
        if status == "429":
            assert json.loads(body)["error"]["code"] == "insufficient_quota", body
        await asyncio.sleep(self.chance.uniform(0.5, 1.5) * PAUSE_SECONDS)
        return status != "429"


async def race(run: str, connections: int, seed: int, ports: list[int]) -> None:
    clients = Clients(run, ports, seed)
    await asyncio.gather(*(clients.connection() for _ in range(connections)))
    print(json.dumps(clients.counts))


if __name__ == "__main__":
    if sys.argv[1] == "vendor":
        asyncio.run(vendor(int(sys.argv[2])))
    else:
        asyncio.run(race(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), [int(port) for port in sys.argv[5:]]))
