"""The vendors of the soak, in a process of their own: two families that misbehave on schedule, and one that never does.

Reads `faults SHARE` from standard input, and answers each with what went wrong since the last, as a line of JSON. Ends
with its input.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from levelhead.testing import FakeAnthropic, FakeDeepSeek, FakeOpenAI, Fault, Refusal, Reply, Scripted, VendorServer
from levelhead.types import Usage

PIECE = 24  # characters in each event of a stream
Make = Callable[[VendorServer, Mapping[str, Any], random.Random], Scripted]
OVERFLOW = "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens"


def refusal(status: int, message: str = "try again", **headers: str) -> Make:
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return lambda vendor, body, rng: Refusal(status=status, message=message, headers=pairs)


def fault(kind: Any) -> Make:
    return lambda vendor, body, rng: Fault(kind)


def midway(kind: Any) -> Make:
    """In a stream behind its first words, in an unstreamed answer halfway through."""

    def make(vendor: VendorServer, body: Mapping[str, Any], rng: random.Random) -> Scripted:
        return replace(vendor.echo(body), fault=Fault(kind, after=rng.randint(3, 8)))

    return make


def drip(vendor: VendorServer, body: Mapping[str, Any], rng: random.Random) -> Scripted:
    return replace(vendor.echo(body), drip=rng.randint(5, 20))


def odd_usage(vendor: VendorServer, body: Mapping[str, Any], rng: random.Random) -> Scripted:
    counts = rng.choice([(0, 0), (3, 5_000_000), (50_000_000, 1)])
    return replace(vendor.echo(body), usage=Usage(input=counts[0], output=counts[1]))


# name -> (weight, what is answered)
FAULTS: dict[str, tuple[int, Make]] = {
    "429": (10, refusal(429)),
    "429, come back in a second": (6, refusal(429, retry_after="1")),
    "429, come back in half a minute": (6, refusal(429, retry_after="30")),
    "500": (10, refusal(500)),
    "502 in HTML": (
        6, lambda *_: Refusal(status=502, body=b"<html>Bad Gateway</html>", content_type="text/html"),
    ),
    "503": (8, refusal(503)),
    "529": (4, refusal(529, "Overloaded")),
    "400 context overflow": (4, refusal(400, OVERFLOW)),
    "413": (3, refusal(413, "Request too large")),
    "422 context overflow": (3, refusal(422, OVERFLOW)),
    "reset": (8, fault("reset")),
    "cut": (6, fault("cut")),
    "stall before the answer": (2, fault("stall")),
    "malformed JSON": (6, lambda *_: Refusal(status=200, body=b'{"id": "x", "choices": [{"mess')),
    "odd usage": (6, odd_usage),
    "slow drip": (6, drip),
    "midway: cut": (2, midway("cut")),
    "midway: reset": (2, midway("reset")),
    "midway: error event": (1, midway("error")),
    "midway: stall": (1, midway("stall")),
}  # fmt: skip
HARMLESS = ("odd usage", "slow drip")  # an answer all the same


class Schedule:
    """What each chat call is answered: by chance, from a seed."""

    def __init__(self, seed: int) -> None:
        self.share = 0.0
        self.calls = 0
        self.by_kind: Counter[str] = Counter()
        self._rng = random.Random(seed)
        self._names = list(FAULTS)
        self._weights = [weight for weight, _ in FAULTS.values()]

    def of(self, vendor: VendorServer) -> Callable[[Mapping[str, Any]], Scripted]:
        def answer(body: Mapping[str, Any]) -> Scripted:
            self.calls += 1
            vendor.requests.clear()  # a soak is long
            if self._rng.random() >= self.share:
                return replace(vendor.echo(body), piece_chars=PIECE)
            (name,) = self._rng.choices(self._names, self._weights)
            if name.startswith("midway: error") and not body.get("stream"):
                name = "midway: cut"
            self.by_kind[name] += 1
            return FAULTS[name][1](vendor, body, self._rng)

        return answer


def steady(vendor: VendorServer) -> Callable[[Mapping[str, Any]], Reply]:
    def answer(body: Mapping[str, Any]) -> Reply:
        vendor.requests.clear()
        return replace(vendor.echo(body), piece_chars=PIECE)

    return answer


async def main(seed: int, certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    room = {"context_tokens": 1_000_000}
    vendors: dict[str, VendorServer] = {
        "flash": FakeDeepSeek(**room),
        "mini": FakeOpenAI(**room),
        "sonnet": FakeAnthropic(**room),
        "steady": FakeOpenAI(**room),
        "badcert": FakeOpenAI(tls=context),
    }
    schedule = Schedule(seed)
    for name, vendor in vendors.items():
        vendor.answer = steady(vendor) if name == "steady" else schedule.of(vendor)
        await vendor.__aenter__()
    urls = {name: vendor.url.replace("https://127.0.0.1", "https://localhost") for name, vendor in vendors.items()}
    print(json.dumps({"urls": urls, "key": vendors["flash"].api_key}), flush=True)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := (await lines.readline()).decode().split():
        print(json.dumps({"calls": schedule.calls, "faults": schedule.by_kind}), flush=True)
        schedule.share = float(line[1])
        schedule.calls, schedule.by_kind = 0, Counter()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
