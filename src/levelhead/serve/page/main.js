
// Asks for the figures every two seconds while somebody looks, and keeps the key in this tab only.

const EVERY = 2000; // ms
const KEY = "levelhead-admin-key";
const live = { timer: 0, paused: false, data: null, asked: 0 };

async function ask(path, body) {
  const key = sessionStorage.getItem(KEY);
  const headers = key ? { authorization: `Bearer ${key}` } : {};
  if (body) headers["content-type"] = "application/json";
  const about = { method: body ? "POST" : "GET", headers, cache: "no-store", redirect: "error", signal: AbortSignal.timeout(10000) };
  const answer = await fetch(path, body ? { ...about, body: JSON.stringify(body) } : about);
  const found = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(found.error?.message ?? `status ${answer.status}`), { status: answer.status });
  return found;
}

function say(text, lost = false) {
  const state = byId("state");
  if (state.textContent !== text) state.textContent = text;
  state.classList.toggle("lost", lost);
}

function render(data) {
  live.data = data;
  byId("about").textContent = `${data.version}${data.mode === "shadow" ? ", shadow mode" : ""}`;
  byId("simulated").hidden = !data.simulated;
  byId("shadow").parentElement.hidden = data.mode !== "shadow";
  byId("login").hidden = true;
  byId("board").hidden = false;
  document.querySelector(".actions").hidden = false;
  byId("leave").hidden = sessionStorage.getItem(KEY) === null;
  for (const part of [showFigures, showHeat, showQuality, showBudgets, showModels, showSlots, showDecisions]) part(data);
  show("history", [data.history, byId("history").clientWidth], ([bins]) => spendHistory(bins));
  byId("board").dataset.at = data.at;
}

function lock(refused) {
  clearTimeout(live.timer);
  live.asked++; // what is still under way is not shown
  sessionStorage.removeItem(KEY);
  byId("board").hidden = true;
  document.querySelector(".actions").hidden = true;
  byId("login").hidden = false;
  byId("refused").textContent = refused;
  say("");
  byId("key").focus();
}

async function refresh() {
  clearTimeout(live.timer);
  const asked = ++live.asked;
  try {
    const data = await ask("/dashboard/data");
    if (asked !== live.asked) return;
    render(data);
    say(live.paused ? "Paused" : "Live");
  } catch (error) {
    if (asked !== live.asked) return;
    if (error.status === 401) return lock("This key is refused.");
    say(error.status ? error.message : "The proxy can't be reached; trying again.", true);
  }
  if (!live.paused && !document.hidden) live.timer = setTimeout(refresh, EVERY);
}

byId("login").addEventListener("submit", (event) => {
  event.preventDefault();
  const given = byId("key").value.trim();
  byId("refused").textContent = "";
  byId("key").value = "";
  if (!/^[!-~]+$/.test(given)) return lock("A key is letters, digits and signs.");
  sessionStorage.setItem(KEY, given);
  refresh();
});

byId("leave").addEventListener("click", () => lock(""));

byId("pause").addEventListener("click", () => {
  live.paused = !live.paused;
  byId("pause").setAttribute("aria-pressed", String(live.paused));
  say(live.paused ? "Paused" : "Live");
  clearTimeout(live.timer);
  live.asked++;
  if (!live.paused) refresh();
});

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !live.paused && live.data) refresh();
});

addEventListener("resize", () => live.data && render(live.data));

if (document.body.dataset.locked === "yes" && sessionStorage.getItem(KEY) === null) lock("");
else refresh();
