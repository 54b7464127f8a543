// Elements are built from text, never from markup: what a client sent can't become a part of the page.

const byId = (id) => document.getElementById(id);

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "share") made.style.setProperty("--share", `${(100 * Math.min(1, Math.max(0, value))).toFixed(1)}%`);
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

/** A number as people read it, with the exact one beside it. */
const exact = (value, said) => element("data", { value: String(value) }, said);

/** columns: [heading, "name" for words or "" for figures, further classes]; cells: text, nodes, or {class, text}. */
function table(caption, columns, rows, attributes = {}) {
  const cell = (content, i, tag) => {
    const [, kind, more = ""] = columns[i];
    const given = content !== null && typeof content === "object" && "text" in content && !(content instanceof Node);
    const extra = given ? content.class : "";
    const shown = given ? content.text : content;
    const known = { class: [kind, more, extra].filter(Boolean).join(" ") };
    return element(tag, tag === "th" ? { ...known, scope: "col" } : known, shown ?? "");
  };
  return element(
    "table",
    attributes,
    caption && element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...columns.map(([heading], i) => cell(heading, i, "th")))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((content, i) => cell(content, i, "td"))))),
  );
}

/** For what may be wider than a phone: it scrolls by itself, by keyboard too. */
const scrolling = (label, content) => element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, content);

function meter(share, label, kind = "") {
  const bounded = Math.min(1, Math.max(0, share));
  const about = { role: "meter", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100 };
  return element(
    "div",
    { ...about, class: `meter ${kind}`, "aria-valuenow": Math.round(100 * bounded), share },
    element("i"),
  );
}

const facts = (pairs) =>
  element(
    "dl",
    { class: "facts" },
    ...pairs.filter(([, said]) => said != null).flatMap(([name, said]) => [element("dt", {}, name), element("dd", {}, said)]),
  );

function usd(amount) {
  if (amount == null) return "";
  const size = Math.abs(amount);
  const digits = size >= 1 || size === 0 ? 2 : Math.min(9, 2 - Math.floor(Math.log10(size)));
  return `${amount < 0 ? "-" : ""}$${size.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: digits })}`;
}

const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)}%`;
const count = (number) => Math.round(number).toLocaleString("en-US");
const clock = (at) => new Date(1000 * at).toLocaleTimeString("en-GB");
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

function moment(at) {
  const then = new Date(1000 * at);
  const today = then.toDateString() === new Date().toDateString();
  return today ? clock(at) : then.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}

function wait(seconds) {
  if (seconds < 90) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 129600 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

/** Replaces what `id` holds, where that says something else than before: selections and scrolling stay. */
const told = new Map();
function show(id, about, build) {
  const now = JSON.stringify(about);
  if (told.get(id) === now) return;
  told.set(id, now);
  byId(id).replaceChildren(...[build(about)].flat().filter((child) => child != null));
}
