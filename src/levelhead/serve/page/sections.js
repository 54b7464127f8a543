
// One function for each part of the page, from what /dashboard/data says.

function figure(name, said, below) {
  const kind = typeof said === "string" ? { class: "words" } : {};
  return element("div", {}, element("dt", {}, name), element("dd", kind, said, below && element("small", {}, below)));
}

function showFigures(data) {
  const saved = data.baseline_usd - data.cost_usd;
  const requests = sum(Object.values(data.requests));
  const kinds = Object.entries(data.cost_by_kind).filter(([kind, cost]) => kind !== "answer" && cost > 0);
  const overall = data.quality_loss.find((cell) => cell.slot === "all" && cell.level === "all");
  const worst = overall ? overall.upper : Math.max(...data.quality_loss.map((cell) => cell.upper));
  const refused = ["refused", "error", "cancelled"].filter((name) => data.requests[name]);
  const { median, p95 } = data.overhead_seconds;
  show("figures", [data, saved, requests], () => [
    figure("Spent", exact(data.cost_usd, usd(data.cost_usd)), kinds.map(([kind, cost]) => `${usd(cost)} for ${kind}s`).join(", ")),
    figure("Always-strong", exact(data.baseline_usd, usd(data.baseline_usd)), "would have cost"),
    figure(
      "Saved", exact(saved, usd(saved)),
      data.baseline_usd ? `${percent(saved / data.baseline_usd)}; ${usd(data.saved_usd.cache)} of it by cache` : "",
    ),
    figure(
      "Quality lost, at most",
      data.quality_loss.length ? exact(worst, percent(worst, 2)) : "no evidence yet",
      overall ? `of all requests; estimate ${percent(overall.estimate, 2)}` : data.quality_loss.length ? "the worst slot's upper bound" : "",
    ),
    figure(
      "Requests", exact(requests, count(requests)),
      refused.map((name) => `${count(data.requests[name])} ${name}`).join(", "),
    ),
    figure(
      "Added by levelhead", median == null ? "" : exact(median, `${(1000 * median).toFixed(2)} ms`),
      p95 == null ? "" : `95 % within ${(1000 * p95).toFixed(1)} ms`,
    ),
  ]);
  byId("figures").dataset.requests = requests;
  const { served, routed } = data.shadow_usd;
  show("shadow", [served, routed], () =>
    served ? ["Routing would have saved ", exact(served - routed, usd(served - routed)), ` of ${usd(served)}.`] : "Nothing was answered yet.",
  );
  byId("since").textContent = "Since this proxy started.";
}

function showHeat(data) {
  const strongest = data.tiers[data.tiers.length - 1];
  show("heat", [data.cells], () => {
    const slots = [...new Set(data.cells.map((cell) => cell.slot))];
    const levels = ["L1", "L2", "L3", "L4"];
    const head = element("tr", {}, ...["slot", ...levels].map((name) => element("th", { scope: "col", class: name === "slot" ? "name" : "" }, name)));
    const rows = slots.map((slot) =>
      element("tr", {}, element("th", { scope: "row", class: "name" }, slot), ...levels.map((level) => {
        const cell = data.cells.find((one) => one.slot === slot && one.level === level);
        if (!cell || !cell.decisions) return element("td", { class: "none" }, "0");
        const share = (cell.tiers[strongest] ?? 0) / cell.decisions;
        const tip = `${usd(cell.cost_usd)} spent, ${usd(cell.baseline_usd)} always-strong`;
        return element("td", { share: 0.6 * share, title: tip }, element("b", {}, exact(cell.decisions, count(cell.decisions))), percent(share, 0), element("span", { class: "roomy" }, ` ${strongest}`));
      })),
    );
    return element("table", { class: "heat" }, element("thead", {}, head), element("tbody", {}, ...rows));
  });
}

function showQuality(data) {
  const cells = data.quality_loss;
  show("quality", [cells, data.verdicts], () => {
    const judged = data.verdicts.filter((one) => one.good + one.bad > 0);
    const columns = [["slot", "name"], ["level", "name", "short"], ["at least", ""], ["estimate", ""], ["at most", ""]];
    const bound = (loss) => (loss == null ? "" : exact(loss, percent(loss, 2)));
    const rows = cells.map((cell) => [cell.slot, cell.level, bound(cell.lower), bound(cell.estimate), bound(cell.upper)]);
    return [
      cells.length
        ? scrolling("Quality lost", table("Quality lost against always-strong, with its bounds", columns, rows))
        : element("p", {}, "No evidence yet of what routing does to quality: it comes from audits and certificates."),
      judged.length
        ? table("Verdicts on answers", [["tier", "name"], ["good", ""], ["bad", ""]], judged.map((one) => [one.tier, exact(one.good, count(one.good)), exact(one.bad, count(one.bad))]))
        : element("p", { class: "faint" }, "No verdicts yet: clients give them at /v1/feedback."),
    ];
  });
}

function showBudgets(data) {
  const known = data.budgets;
  show("budgets", [known, data.more_budgets, Math.floor(data.at / 30)], () => {
    if (known === null) return element("p", {}, "Set server.admin_key_env to see every key's budgets here.");
    if (!known.length) return element("p", {}, "No budget is in use.");
    const used = (one) => (one.limit_usd ? (one.spent_usd + one.reserved_usd) / one.limit_usd : 1);
    const shown = known.map((one) => {
      const refill = one.refills_at == null ? "doesn't refill" : `refills in ${wait(one.refills_at - data.at)}, at ${moment(one.refills_at)}`;
      const reserved = one.reserved_usd ? `; ${usd(one.reserved_usd)} reserved` : "";
      return element(
        "div", { class: "budget" },
        element("p", {}, element("b", {}, one.scope), element("span", {}, exact(one.spent_usd, usd(one.spent_usd)), ` of ${usd(one.limit_usd)}`)),
        meter(used(one), `${one.scope}: share of the budget that is used`, used(one) > 0.9 ? "full" : ""),
        element("p", { class: "faint" }, `${percent(used(one))} used${reserved}`, element("span", {}, refill)),
      );
    });
    const more = data.more_budgets;
    return [...shown, more ? element("p", { class: "faint" }, `and ${count(more)} more, less used; levelhead budgets lists them.`) : null];
  });
}

function showModels(data) {
  const states = ["healthy", "trying again", "cut off"];
  show("models", [data.models], () =>
    table(null, [["model", "name"], ["state", "name"], ["paid", ""]], data.models.map((one) => [
      one.model, { text: states[one.breaker], class: one.breaker ? "bad" : "good" }, exact(one.cost_usd, usd(one.cost_usd)),
    ])),
  );
}
