
// The last decisions; each opens to its explanation, which the decision log knows.

const REASONS = {
  pinned: "the client named the model or its tier",
  only_eligible: "the slot's limits and the request's needs leave one tier",
  quality_met: "the cheaper model keeps the quality target",
  uplift: "the dearer model is worth its price here",
  budget: "money ruled out what would have been chosen",
  housekeeping: "a title or the like: the cheapest tier does it",
  fallback: "the chosen model failed, this one answered",
  draft_accepted: "an efficient model drafted, and the check found the draft good",
  draft_rejected: "the check found the draft wanting: the strong model answered",
  shadow: "answered as without levelhead",
  cache: "it was answered before",
};

function because(reason) {
  const [name, doubt] = String(reason).split("; ");
  return `${REASONS[name] ?? name.replaceAll("_", " ")}${doubt ? ` (${doubt})` : ""}`;
}

const plain = (gate) => (gate ? gate.replaceAll("_", " ") : "");

function candidates(rows, chosen) {
  const columns = [["model", "name"], ["serves it well", ""], ["expected cost", ""]];
  const made = table(null, columns, rows.map((one) => [
    element(
      "div", {}, element(one.model === chosen ? "b" : "span", {}, one.model),
      one.model === chosen ? element("small", {}, "chosen") : null,
      one.eligible ? null : element("small", {}, `not eligible: ${plain(one.why_not)}`),
    ),
    element(
      "div", {}, exact(one.success, percent(one.success)),
      meter(one.success, `${one.model}: probability that it serves the task well`, one.model === chosen ? "chosen" : ""),
    ),
    exact(one.expected_cost_usd, usd(one.expected_cost_usd)),
  ]));
  return scrolling("Candidates", made);
}

function explanation(row) {
  const decision = row.decision;
  const attempts = (row.attempts ?? []).map(([model, outcome, code, seconds]) => `${model}: ${outcome}${code ? ` ${code}` : ""}, ${seconds.toFixed(2)} s`);
  const usage = row.usage;
  const features = Object.entries(decision?.features ?? {}).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1])).slice(0, 6);
  const verdicts = (row.verdicts ?? []).map((one) => `${one.score} by ${one.source}`);
  return [
    decision
      ? element("p", {}, `${row.level}: ${decision.model} (${decision.tier}), because ${because(decision.reason)}.`)
      : element("p", {}, row.outcome === "cached" ? "Answered from the cache." : `Ended as ${row.outcome}${row.error ? `: ${row.error}` : ""}.`),
    decision && candidates(decision.candidates, decision.model),
    facts([
      ["outcome", row.error ? `${row.outcome}: ${row.error}` : row.outcome],
      ["paid", `${usd(row.cost_usd)}; always-strong ${usd(row.baseline_usd)}`],
      ["difficulty", decision && `${decision.difficulty.toFixed(3)}, level sure to ${percent(decision.confidence, 0)}`],
      ["features", features.length ? features.map(([name, value]) => `${name} ${Number(value).toPrecision(3)}`).join(", ") : null],
      ["would be routed", row.shadow && `${row.shadow.model} (${row.shadow.tier}), because ${because(row.shadow.reason)}`],
      ["calls", attempts.length ? attempts.join("; ") : null],
      ["tokens", usage && `${count(usage.input)} in, ${count(usage.cached_input)} from the vendor's cache, ${count(usage.output)} out`],
      ["verdicts", verdicts.length ? verdicts.join(", ") : "none"],
      ["key, run, session", [row.key, row.run, row.session].map((name) => name ?? "none").join(", ")],
      ["id", row.id],
    ]),
    element("details", {}, element("summary", {}, "Everything, as JSON"), element("pre", {}, JSON.stringify(row, null, 1))),
  ];
}

const open = { id: null };

async function toggle(id, button, line) {
  const was = open.id;
  document.querySelectorAll("tr.told").forEach((row) => row.remove());
  document.querySelectorAll("tr.open").forEach((row) => row.classList.remove("open"));
  document.querySelectorAll("#decisions button").forEach((one) => one.setAttribute("aria-expanded", "false"));
  open.id = null;
  byId("held").textContent = "Open one for its explanation.";
  if (was === id) return;
  open.id = id;
  byId("held").textContent = "This list waits while one is open.";
  const space = element("div", {}, "…");
  line.after(element("tr", { class: "told", id: "explanation" }, element("td", { colspan: 8 }, space)));
  line.classList.add("open");
  button.setAttribute("aria-expanded", "true");
  try {
    space.replaceChildren(...explanation(await ask(`/v1/decisions/${encodeURIComponent(id)}`)).filter(Boolean));
  } catch (error) {
    space.replaceChildren(`It can't be shown: ${error.message}`);
  }
}

function showDecisions(data) {
  if (open.id !== null) return;
  const rows = data.decisions;
  if (rows === null) {
    show("decisions", rows, () => element("p", {}, "Set server.admin_key_env to see every key's decisions here."));
    return;
  }
  if (byId("decisions").contains(document.activeElement) && document.activeElement.tagName === "BUTTON") return;
  show("decisions", rows, () => {
    if (!rows.length) return element("p", {}, "No decision is logged yet.");
    const columns = [["time", "name", "short"], ["slot", "name", "roomy"], ["level", "name", "short"], ["model", "name"], ["reason", "name", "roomy"], ["outcome", "name", "roomy"], ["cost", ""], ["saved", "", "roomy"]];
    const made = table(null, columns, rows.map((row) => [
      "", row.slot ?? "none", row.level ?? "", row.model ?? "none", row.reason ?? "", row.outcome,
      exact(row.cost_usd, usd(row.cost_usd)), usd(row.baseline_usd - row.cost_usd),
    ]));
    made.querySelectorAll("tbody tr").forEach((line, i) => {
      const row = rows[i];
      const about = { type: "button", "aria-expanded": "false", "aria-controls": "explanation", "aria-label": `${clock(row.at)}, explain` };
      const button = element("button", about, clock(row.at));
      line.firstChild.append(button);
      line.addEventListener("click", () => toggle(row.id, button, line));
    });
    return made;
  });
}
