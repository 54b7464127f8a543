
// What would be done with a task, as one types.

const PAUSE = 250; // ms without a key
const playing = { timer: 0, last: 0 };

function showSlots(data) {
  const slots = [...new Set(data.cells.map((cell) => cell.slot))].filter((slot) => slot !== "none" && slot !== "other");
  byId("task").disabled = byId("slot").disabled = data.decisions === null;
  if (data.decisions === null) byId("decided").textContent = "Set server.admin_key_env to use the playground here.";
  if (byId("slot").options.length !== slots.length + 1)
    byId("slot").replaceChildren(element("option", { value: "" }, "none"), ...slots.map((slot) => element("option", { value: slot }, slot)));
}

async function explain() {
  const task = byId("task").value.trim(), slot = byId("slot").value, asked = ++playing.last;
  if (!task) {
    byId("decided").textContent = "";
    byId("explained").replaceChildren();
    return;
  }
  const body = { model: slot ? `auto/${slot}` : "auto", messages: [{ role: "user", content: task }] };
  try {
    const found = await ask("/v1/explain", body);
    if (asked === playing.last) showExplained(found);
  } catch (error) {
    if (asked === playing.last) byId("decided").textContent = error.message;
  }
}

function showExplained(found) {
  const { decision, level } = found;
  byId("decided").textContent = `${level}: ${decision.model} (${decision.tier}), because ${because(decision.reason)}.`;
  const rows = Object.entries(found.models).map(([model, one]) => ({ model, ...one }));
  byId("explained").replaceChildren(
    candidates(rows, decision.model),
    facts([
      ["difficulty", found.difficulty.toFixed(3)],
      ["level sure to", percent(found.confidence, 0)],
      ["expected cost", `${usd(decision.expected_cost_usd)}; always-strong ${usd(decision.baseline_cost_usd)}`],
      ["would be routed", found.shadow && `${found.shadow.model} (${found.shadow.tier}), because ${because(found.shadow.reason)}`],
    ]),
  );
}

function typed() {
  clearTimeout(playing.timer);
  playing.timer = setTimeout(explain, PAUSE);
}

byId("task").addEventListener("input", typed);
byId("slot").addEventListener("change", explain);
