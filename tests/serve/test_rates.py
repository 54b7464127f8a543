"""A key's rate over several processes."""

import subprocess
import sys

import pytest

from levelhead.errors import RateLimited
from levelhead.serve.rates import Bucket, buckets

PROGRAM = """
import sys
from pathlib import Path
from levelhead.errors import RateLimited
from levelhead.serve.rates import buckets
mine = buckets([("other", 5), ("team", 120)], Path(sys.argv[1]), lambda: 1000.0)["team"]
print("ready", flush=True)
input()
let_in = 0
for _ in range(2000):
    try:
        mine.take()
        let_in += 1
    except RateLimited:
        pass
print(let_in)
"""


def test_workers_share_a_minute_s_requests(tmp_path):
    said = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    workers = [subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)], **said) for _ in range(4)]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("\n")
        worker.stdin.flush()
    let_in = [int(worker.communicate()[0]) for worker in workers]
    assert sum(let_in) == 120


def test_a_worker_that_starts_later_finds_what_was_used(tmp_path):
    first = buckets([("a", 2), ("b", 1)], tmp_path, lambda: 5.0)
    first["a"].take()
    first["b"].take()
    now = [5.0]
    second = buckets([("a", 2), ("b", 1)], tmp_path, lambda: now[0])
    second["a"].take()
    for name in ("a", "b"):
        with pytest.raises(RateLimited):
            second[name].take()
    now[0] += 60
    second["b"].take()
    with pytest.raises(RateLimited) as refused:
        first["b"].take()  # whose clock is a minute behind: what is there stays there
    assert refused.value.retry_after == pytest.approx(60)


def test_alone_it_is_its_own():
    now = [0.0]
    bucket = Bucket(3, lambda: now[0])
    for _ in range(3):
        bucket.take()
    with pytest.raises(RateLimited) as refused:
        bucket.take()
    assert refused.value.retry_after == pytest.approx(20)
    now[0] = 20.0
    bucket.take()
