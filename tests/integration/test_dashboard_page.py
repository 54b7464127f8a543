"""The dashboard in a real browser, on a proxy of two workers that is being used."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from levelhead.testing import Reply

from .browser import Watched, chromium, looking, needs_browser
from .conftest import PAIR
from .house import Proxy, Vendors, day_begun, eventually

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

pytestmark = needs_browser

EVIL = "<img src=x onerror=\"document.title='taken'\">"
FIGURES = {"Spent": "cost_usd_total", "Always-strong": "baseline_cost_usd_total", "Requests": "requests_total"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def guarded(running_vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    running_vendors.fresh()
    day_begun()
    with Proxy(
        tmp_path_factory.mktemp("page"),
        running_vendors,
        keys={"team": {}},
        slots={"critic": {"floor": "strong"}, EVIL: {}},
        budgets=[{"scope": "key", "name": "team", "usd": 5, "per": "day"}],
        workers=2,
        server={"admin_key_env": "ADMIN_KEY", "metrics_token_env": "SCRAPER"},
        extra_env={"ADMIN_KEY": "sk-admin", "SCRAPER": "sk-scraper"},
    ) as proxy:
        for i in range(12):
            headers = {"x-levelhead-slot": EVIL, "x-levelhead-run": EVIL} if i % 4 == 0 else {}
            model = "critic" if i % 4 == 1 else "auto"
            assert proxy.client("team").chat(f"task {i}", model=model, headers=headers).status == 200
        admin = proxy.client("admin")
        eventually(lambda: len(admin.get("/dashboard/data").body["decisions"]) == 12, "decisions are logged")
        yield proxy


@contextmanager
def in_use(proxy: Proxy) -> Iterator[None]:
    """Two clients that ask on and on."""
    enough = threading.Event()

    def ask(who: int) -> None:
        i = 0
        while not enough.is_set():
            assert proxy.client("team").chat(f"more of {who} {i}").status == 200
            i += 1

    clients = [threading.Thread(target=ask, args=(who,)) for who in range(2)]
    for client in clients:
        client.start()
    try:
        yield
    finally:
        enough.set()
        for client in clients:
            client.join()


@pytest.fixture
def inside(browser: Browser, guarded: Proxy) -> Iterator[Watched]:
    """The page, after the key was given; it must not complain, nor ask anybody else."""
    with looking(browser, viewport={"width": 1600, "height": 900}) as watched:
        enter(watched, guarded)
        yield watched
        assert watched.complaints == []
        assert {one for one in watched.asked if guarded.url not in one and " data:" not in one} == set()
        assert not any("sk-admin" in one for one in watched.asked)


def enter(watched: Watched, proxy: Proxy, key: str = "sk-admin") -> None:
    watched.page.goto(f"{proxy.url}/dashboard")
    watched.page.get_by_label("Admin key").fill(key)
    watched.page.keyboard.press("Enter")
    watched.page.wait_for_selector("#board:visible, #refused:not(:empty)")


def figure(watched: Watched, name: str) -> float:
    value = watched.page.locator(f'dt:text-is("{name}") + dd data').get_attribute("value")
    assert value is not None
    return float(value)


def test_quick_while_in_use(inside: Watched, guarded: Proxy) -> None:
    """From the address to the figures, the key being known: the best of some, for other work makes all slower."""
    told = "() => document.querySelector('#decisions tbody tr') && performance.now()"
    taken: list[float] = []
    with in_use(guarded):
        while len(taken) < 30 and (not taken or taken[-1] >= 1000):
            inside.page.reload(wait_until="commit")
            taken.append(inside.page.wait_for_function(told).json_value())
    assert min(taken) < 1000, taken


def test_numbers_are_those_of_metrics(inside: Watched, guarded: Proxy) -> None:
    before = figure(inside, "Requests")
    with ThreadPoolExecutor(2) as clients:
        answers = list(clients.map(lambda i: guarded.client("team").chat(f"more {i}"), range(20)))
    assert {answer.status for answer in answers} == {200}
    inside.page.wait_for_function("before => document.querySelector('#figures').dataset.requests > before", arg=before)
    scraper = guarded.client("scraper")
    wanted = {name: float(guarded.metric(metric, client=scraper)) for name, metric in FIGURES.items()}
    exactly = pytest.approx(wanted, abs=1e-9)
    eventually(lambda: {name: figure(inside, name) for name in FIGURES} == exactly, "the page catches up")
    assert figure(inside, "Saved") == pytest.approx(wanted["Always-strong"] - wanted["Spent"], abs=1e-9)
    heat = inside.page.locator("#heat tbody tr", has=inside.page.locator('th:text-is("critic")')).locator("data")
    assert sum(float(one.get_attribute("value") or 0) for one in heat.all()) == float(
        guarded.metric("decisions_total", client=scraper, slot="critic")
    )
    spent = inside.page.locator('.budget:has(b:text-is("key:team")) data')
    eventually(
        lambda: float(spent.get_attribute("value") or 0) == pytest.approx(wanted["Spent"], abs=1e-9),
        "the workers' postings meet",
    )
    assert inside.page.locator("#quality").inner_text().startswith("No evidence yet")


def test_a_wrong_key_sees_nothing(browser: Browser, guarded: Proxy) -> None:
    with looking(browser) as watched:
        enter(watched, guarded, "sk-wrong")
        assert watched.page.get_by_role("alert").inner_text() == "This key is refused."
        assert not watched.page.locator("#board").is_visible()
        assert watched.page.evaluate("Object.keys(sessionStorage).length + Object.keys(localStorage).length") == 0
        enter(watched, guarded, "kéy")
        assert "letters" in watched.page.get_by_role("alert").inner_text()
        enter(watched, guarded)
        watched.page.get_by_role("button", name="Forget the key").click()
        assert watched.page.get_by_label("Admin key").is_visible()
        assert not watched.page.locator("#board").is_visible()
        watched.page.reload()
        assert watched.page.get_by_label("Admin key").is_visible()
        assert watched.page.evaluate("document.cookie + Object.keys(localStorage)") == ""


def test_a_key_that_is_forgotten_while_figures_are_under_way(browser: Browser, guarded: Proxy) -> None:
    with looking(browser) as watched:
        enter(watched, guarded)
        page = watched.page
        held: list[Route] = []
        pause = page.get_by_role("button", name="Pause")
        pause.click()
        page.route("**/dashboard/data", lambda route: held.append(route))
        with page.expect_request("**/dashboard/data"):
            pause.click()
        page.get_by_role("button", name="Forget the key").click()
        with page.expect_response("**/dashboard/data") as answered:
            held[-1].continue_()
        answered.value.finished()
        page.evaluate("() => new Promise(done => setTimeout(done, 50))")  # the page has read it by then
        assert not page.locator("#board").is_visible()
        assert page.get_by_label("Admin key").is_visible()


def test_what_clients_sent_stays_text(inside: Watched, guarded: Proxy) -> None:
    headers = {"x-levelhead-slot": EVIL, "x-levelhead-run": EVIL}
    assert guarded.client("team").chat(headers=headers).status == 200
    row = inside.page.locator("#decisions tbody tr", has_text=EVIL).first
    row.get_by_role("button").click()
    inside.page.wait_for_selector("tr.told dl")
    assert EVIL in inside.page.locator("tr.told dl").inner_text()
    assert EVIL in inside.page.locator("#slot").inner_text()
    assert inside.page.locator("img").count() == 0
    assert inside.page.title() == "levelhead"


def test_a_decision_explains_itself(inside: Watched) -> None:
    inside.page.get_by_role("button", name="Pause").click()
    row = inside.page.locator("#decisions tbody tr").first
    model = row.locator("td").nth(3).inner_text()
    row.get_by_role("button").press("Enter")
    told = inside.page.locator("tr.told")
    assert f"{model} (" in told.locator("p").first.inner_text()
    assert model in told.locator("tbody tr", has_text="chosen").inner_text()
    assert {"paid", "calls", "tokens", "verdicts", "id"} <= set(told.locator("dt").all_inner_texts())
    row.get_by_role("button").press("Enter")
    assert told.count() == 0


def test_the_playground_decides_as_one_types(inside: Watched, guarded: Proxy, vendors: Vendors) -> None:
    task = "Prove that there are infinitely many primes of the form 4k + 3."
    body = {"model": "auto/critic", "messages": [{"role": "user", "content": task}]}
    wanted = guarded.client("team").send("POST", "/v1/explain", body).body
    inside.page.get_by_label("Slot", exact=True).select_option("critic")
    inside.page.get_by_label("Task", exact=True).press_sequentially(task, delay=2)
    decided = inside.page.locator("#decided")
    said = f"{wanted['level']}: {wanted['decision']['model']} (strong)"
    models = {name: [known["success"], known["expected_cost_usd"]] for name, known in wanted["models"].items()}
    shown = """() => Object.fromEntries([...document.querySelectorAll('#explained tbody tr')].map(row =>
        [row.querySelector('td span, td b').textContent, [...row.querySelectorAll('data')].map(one => +one.value)]))"""
    # what stands there before is about as much as was typed when somebody else had the machine for a while
    eventually(lambda: inside.page.evaluate(shown) == models, "the decision on the whole task is shown")
    assert decided.inner_text().startswith(said)
    assert 1 <= sum(one.endswith("/v1/explain") for one in inside.asked) < len(task) / 4  # it waits for a pause
    assert decided.get_attribute("aria-live") == "polite"
    inside.page.get_by_label("Task", exact=True).fill("")
    eventually(lambda: decided.inner_text() == "", "nothing to decide")
    assert vendors.asked == 0


def test_by_keyboard_and_by_ear(inside: Watched) -> None:
    page = inside.page
    page.get_by_role("button", name="Pause").press("Enter")
    page.locator("#main").focus()  # where "Skip to the figures" leads
    reached: list[str] = []
    for _ in range(80):
        page.keyboard.press("Tab")
        about = page.evaluate(
            """() => { const e = document.activeElement, s = getComputedStyle(e);
            return [e.id || e.tagName, s.outlineStyle, e.labels?.[0]?.textContent ?? e.ariaLabel ?? e.textContent,
                    e.getAttribute('aria-labelledby')] }"""
        )
        if about[0] == "BODY":
            break
        assert about[1] != "none", about  # one sees where one is
        assert about[2] or about[3], about  # and hears it
        reached.append(about[0])
    assert {"slot", "task", "heat", "decisions", "SUMMARY"} <= set(reached)
    assert reached.count("BUTTON") >= 12  # a decision each
    for role in ("banner", "main"):
        assert page.get_by_role(role).count() == 1, role  # type: ignore[arg-type]
    assert page.get_by_role("region").count() >= 7
    assert page.get_by_role("img").get_attribute("aria-label")
    page.get_by_text("As a table").press("Enter")
    assert page.locator("#history table").is_visible()
    assert page.get_by_role("meter").first.get_attribute("aria-valuenow") is not None


@pytest.mark.parametrize("width", [400, 1600])
def test_fits_phone_and_desk_by_day_and_night(browser: Browser, guarded: Proxy, width: int) -> None:
    paper = {}
    for scheme in ("light", "dark"):
        with looking(browser, viewport={"width": width, "height": 900}, color_scheme=scheme) as watched:
            enter(watched, guarded)
            watched.page.get_by_label("Task", exact=True).fill("Name three primes.")
            watched.page.wait_for_selector("#explained tbody tr")
            watched.page.locator("#decisions tbody button").first.click()
            watched.page.wait_for_selector("tr.told dl")
            assert watched.page.evaluate("document.documentElement.scrollWidth") == width
            sides = watched.page.evaluate(
                "[...document.querySelectorAll('.panel')].map(e => e.scrollWidth - e.clientWidth)"
            )
            assert max(sides) == 0
            paper[scheme] = watched.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper["light"] != paper["dark"]


def test_shadow_mode_says_what_routing_would_save(browser: Browser, vendors: Vendors, tmp_path: Path) -> None:
    with Proxy(tmp_path, vendors, keys={}, mode="shadow") as proxy, looking(browser) as watched:
        for i in range(5):
            assert proxy.client(None).chat(f"task {i}").model == "claude-sonnet"
        watched.page.goto(f"{proxy.url}/dashboard")
        shown = watched.page.locator("#shadow data")
        saved = proxy.metric("shadow_cost_usd_total", path="served") - proxy.metric(
            "shadow_cost_usd_total", path="routed"
        )
        assert saved > 0
        assert float(shown.get_attribute("value") or 0) == pytest.approx(float(saved), abs=1e-9)
        assert watched.complaints == []


def test_what_audits_found_fits_a_phone(browser: Browser, vendors: Vendors, tmp_path: Path) -> None:
    vendors.openai.answer = lambda asked: Reply(text='{"answer_1": 2, "answer_2": 2}')
    audit = {"rate": 1.0, "usd_per_day": 5, "judge": "gpt-mini"}
    with Proxy(tmp_path, vendors, keys={"duo": {"models": PAIR}}, slots={"s" * 40: {}}, audit=audit) as proxy:
        for i in range(3):
            assert proxy.client("duo").chat(f"task {i}", headers={"x-levelhead-slot": "s" * 40}).status == 200
        eventually(lambda: proxy.metric("audits_total", result="judged") == 3, "audits end")
        with looking(browser, viewport={"width": 400, "height": 900}) as watched:
            watched.page.goto(f"{proxy.url}/dashboard")
            watched.page.wait_for_selector("#quality tbody tr")
            upper = proxy.metric("quality_loss", slot="all", level="all", bound="upper")
            assert figure(watched, "Quality lost, at most") == pytest.approx(float(upper))
            assert watched.page.locator("#quality tbody tr", has_text="s" * 40).count() == 2  # its level, and all
            assert watched.page.evaluate("document.documentElement.scrollWidth") == 400
            assert watched.complaints == []
