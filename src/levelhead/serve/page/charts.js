
// Plots as SVG: colours are classes, so that they follow the theme.

function drawn(tag, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Narrow bars before wide ones: what was spent, and what always-strong would have cost. */
function spendPlot(bins, width) {
  const height = 170, left = 62, top = 8, bottom = height - 22;
  const most = Math.max(...bins.map((bin) => Math.max(bin.cost_usd, bin.baseline_usd))) || 1;
  const step = (width - left) / Math.max(8, bins.length);
  const y = (amount) => bottom - (amount / most) * (bottom - top);
  const bar = (kind, amount, i, share) =>
    drawn("rect", {
      class: kind, x: left + i * step + (step * (1 - share)) / 2, y: y(amount),
      width: step * share, height: Math.max(0, bottom - y(amount)),
    });
  const grid = [0, 0.5, 1].flatMap((share) => [
    drawn("line", { x1: left, x2: width, y1: y(share * most), y2: y(share * most) }),
    drawn("text", { x: left - 6, y: y(share * most) + 4, "text-anchor": "end" }, usd(share * most)),
  ]);
  const bars = bins.flatMap((bin, i) => [
    bar("baseline", bin.baseline_usd, i, 0.86),
    bar("spent", bin.cost_usd, i, 0.5),
  ]);
  const times = [
    drawn("text", { x: left, y: height - 4 }, moment(bins[0].from)),
    drawn("text", { x: left + step * bins.length, y: height - 4, "text-anchor": "end" }, moment(bins[bins.length - 1].from)),
  ];
  const title = `Spent ${usd(sum(bins.map((b) => b.cost_usd)))} where always-strong would have cost ${usd(sum(bins.map((b) => b.baseline_usd)))}`;
  const about = { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title };
  return drawn("svg", about, ...grid, ...bars, ...(bins.length > 3 ? times : times.slice(0, 1)));
}

function spendHistory(bins) {
  if (!bins.length) return element("p", { class: "faint" }, "No request is logged yet.");
  const requests = sum(bins.map((bin) => bin.requests));
  const plot = spendPlot(bins, Math.max(320, byId("history").clientWidth));
  const rows = bins
    .filter((bin) => bin.requests)
    .map((bin) => [moment(bin.from), count(bin.requests), usd(bin.cost_usd), usd(bin.baseline_usd)]);
  const columns = [["from", "name"], ["requests", ""], ["spent", ""], ["always-strong", ""]];
  return [
    element(
      "p", { class: "faint" }, `The last ${count(requests)} logged requests:`,
      element("span", { class: "key spent" }), "spent", element("span", { class: "key baseline" }), "always-strong",
    ),
    plot,
    element("details", {}, element("summary", {}, "As a table"), table(null, columns, rows)),
  ];
}
