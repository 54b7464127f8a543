"""Worker processes, each with its own counters, and the one page that adds them up."""

import subprocess
import sys
import textwrap

import pytest

WORKERS = textwrap.dedent(
    """
    import asyncio, os, sys
    from pathlib import Path
    from levelhead.observe import prepare_multiprocess, worker_exited
    from levelhead.types import Attempt, Identity, Key, Model, Price, Record

    directory, import_first = Path(sys.argv[1]), sys.argv[2] == "before"
    directory.mkdir()
    (directory / "counter_1.db").write_bytes(b"what a server that crashed left behind")
    prepare_multiprocess(directory)
    if import_first:
        import levelhead.observe.metrics

    model = Model("fast", "efficient", 0, "openai", "x", Price(0, 0, 0, 0, 0))

    def observer(state):
        from levelhead.observe.metrics import PrometheusObserver
        return PrometheusObserver(models=[model], breaker=lambda name: state)

    def worker(state, count):
        pid = os.fork()
        if pid == 0:
            mine = observer(state)
            record = Record("r", 0.0, Identity(Key("k")), "ok", model=model, cost_usd=0.5, overhead_seconds=0.0003)
            for _ in range(count):
                mine.attempted(Attempt("fast", "ok"))
                mine.finished(record)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        return pid

    def show():
        page, _ = asyncio.run(observer("closed").exposition(""))
        lines = [line for line in page.decode().splitlines() if line.startswith("levelhead_")]
        wanted = ("requests_total{", "cost_usd_total{", "overhead_seconds_count", "breaker_state{", "build_info")
        for line in lines:
            if line.removeprefix("levelhead_").startswith(wanted) and not line.endswith(" 0.0"):
                print(line)

    first = worker("open", 300)
    second = worker("half_open", 200)
    show()
    worker_exited(first)
    worker_exited(second)
    print("--")
    show()
    """
)


@pytest.mark.parametrize("imported", ["before", "after"])
def test_many_workers_show_one_exact_page(tmp_path, imported):
    run = subprocess.run(
        [sys.executable, "-c", WORKERS, str(tmp_path / "metrics"), imported],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    alive, after = run.stdout.split("--\n")
    totals = {
        'levelhead_requests_total{model="fast",outcome="ok",slot="none",tier="efficient"} 500.0',
        'levelhead_cost_usd_total{kind="answer",level="none",model="fast",slot="none",tier="efficient"} 250.0',
        "levelhead_overhead_seconds_count 500.0",
    }
    build = {line for line in after.splitlines() if "build_info" in line}
    assert len(build) == 1
    assert set(alive.splitlines()) == totals | build | {'levelhead_breaker_state{model="fast"} 2.0'}
    assert set(after.splitlines()) == totals | build


def test_preparing_too_late_is_an_error(tmp_path):
    late = "import prometheus_client, pathlib, levelhead.observe as o; o.prepare_multiprocess(pathlib.Path('x'))"
    forgotten = (
        "import prometheus_client, os; os.environ['PROMETHEUS_MULTIPROC_DIR'] = '.'\n"
        "from levelhead.observe.metrics import PrometheusObserver; PrometheusObserver(models=[])"
    )
    for code in (late, forgotten):
        run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert "RuntimeError: prometheus_client was imported before prepare_multiprocess" in run.stderr
    assert list(tmp_path.iterdir()) == []
