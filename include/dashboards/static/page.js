// A page of cards: each asks for its chart by itself, so that none waits for another.
import { label, summarize, tabulate } from "./alternatives.js";
import { element, facts, note, table } from "./elements.js";
import { arrange } from "./layout.js";
import { currentTheme, followTheme, isTab } from "./theme.js";

export const state = JSON.parse(document.getElementById("state").textContent);
document.body.dataset.base = state.base;
document.body.classList.toggle("tab", isTab());
const SECONDS_BETWEEN_LOOKS = 4;
// The toolbar covers what is drawn where nothing hovers, and puts eight stops into each chart for people with keys.
const HOVERS = matchMedia("(hover: hover) and (min-width: 901px)");
const config = () => ({
  responsive: false,
  displaylogo: false,
  displayModeBar: HOVERS.matches ? "hover" : false,
  modeBarButtonsToRemove: ["select2d", "lasso2d"],
  scrollZoom: false,
});
const MOST_IN_A_NARROW_LEGEND = 5;
const cards = new Map();

// Filters stand in the query string.
export const query = () => new URLSearchParams(location.search);

export function change(values) {
  const params = query();
  for (const [name, value] of Object.entries(values)) {
    if (value === "" || value === null) params.delete(name);
    else params.set(name, value);
  }
  history.replaceState(null, "", `${location.pathname}?${params}`);
  tellAirflow();
}

// Airflow shows a page's address behind its own; kept in step, it can be bookmarked and sent.
function tellAirflow() {
  try {
    const at = parent.location.pathname.match(/^.*\/plugin\/[^/]+/);
    if (parent !== window && at) parent.history.replaceState(parent.history.state, "", at[0] + location.pathname + location.search);
  } catch {
    // framed by another origin: its address is not ours
  }
}

export async function ask(path, options = {}) {
  const answer = await fetch(`${state.base}/${path}`, options);
  if (answer.status === 401) throw new Error("Your login has expired; reload Airflow.");
  const body = answer.status === 204 ? null : await answer.json();
  if (!answer.ok) throw new Error(typeof body.detail === "string" ? body.detail : `The server responded with status ${answer.status}.`);
  return body;
}

function makeCard(spec) {
  const body = element("div", { className: "body" }, note("…"));
  const id = `title-${spec.name}`;
  const asTable = tool("▤", `Show “${spec.title}” as a table`, "as-table");
  const explain = tool("?", `About “${spec.title}”`, "explain");
  const handle = tool("✥", `Move “${spec.title}” with the arrow keys, resize it with Shift and the arrow keys`, "handle");
  const hide = tool("×", `Hide “${spec.title}”`, "hide");
  const hint = element("p", { className: "hint", textContent: spec.hint, hidden: true, id: `hint-${spec.name}` });
  const title = element("h2", { draggable: true, title: spec.hint, id, textContent: spec.title });
  const head = element("div", { className: "head" }, title, element("div", { className: "tools" }, asTable, explain, handle, hide));
  const grip = element("div", { className: "grip", title: "Drag to resize" });
  const root = element("section", { className: "card" }, head, hint, body, grip);
  root.dataset.name = spec.name;
  root.setAttribute("aria-labelledby", id);
  const card = { spec, root, body, title, handle, hide, grip, asTable, fit: () => fit(card) };
  explain.hidden = !spec.hint;
  asTable.hidden = true;
  toggle(explain, (open) => {
    hint.hidden = !open;
    card.fit();
  });
  explain.setAttribute("aria-controls", hint.id);
  toggle(asTable, (open) => {
    card.tabular = open;
    show(card);
  });
  return card;
}

function tool(text, label, className) {
  const button = element("button", { type: "button", textContent: text, title: label, className });
  button.setAttribute("aria-label", label);
  return button;
}

function toggle(button, change) {
  button.setAttribute("aria-expanded", "false");
  button.onclick = () => {
    const open = button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", String(open));
    change(open);
  };
}

function fit(card) {
  const { body } = card;
  const plot = body.querySelector(".js-plotly-plot");
  makeReachable(body, card.spec.title);
  if (plot && card.answer) drawFigure(body, card.answer.figure, card.spec.title);
}

// Charts with names side by side are scrolled sideways where these would lie over each other.
const WIDTH_OF_A_NAME = 76;

function leastWidth(figure) {
  const [first] = figure.data;
  if (first?.type === "parcoords") return first.dimensions.length * WIDTH_OF_A_NAME + 150;
  return first?.type === "waterfall" ? first.x.length * WIDTH_OF_A_NAME : 0;
}

// Plotly takes `<` and `&` for markup, which texts out of data can hold; ours is a line break, written as in any text.
// Only templates have a tag of their own, and only the ticks of parallel coordinates are drawn as they are.
function escapeTexts(value, key = "") {
  if (Array.isArray(value)) return value.map((each) => escapeTexts(each, key));
  if (typeof value === "object" && value !== null) {
    const escape = ([name, each]) => [name, key === "dimensions" && name === "ticktext" ? each : escapeTexts(each, name)];
    return Object.fromEntries(Object.entries(value).map(escape));
  }
  if (typeof value !== "string") return value;
  const text = value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll("\n", "<br>");
  return key.endsWith("template") ? text.replace(/&lt;(\/?extra)>/g, "<$1>") : text;
}

// A figure is drawn again at every change of size.
const escaped = new WeakMap();

const LETTERS_IN_A_LINE = 34;
const wrap = (text) =>
  text.split("<br>").map((line) => line.replace(new RegExp(`(.{1,${LETTERS_IN_A_LINE}})(?:\\s+|$)`, "g"), "$1<br>").replace(/<br>$/, "")).join("<br>");

// Where the space is narrow, a long legend would leave nothing to the chart.
const NARROW = matchMedia("(max-width: 900px)");

export function drawFigure(body, figure, title) {
  body.classList.add("figure");
  let plot = body.querySelector(".js-plotly-plot");
  if (!plot) {
    plot = element("div");
    body.replaceChildren(plot);
  }
  if (!escaped.has(figure)) escaped.set(figure, escapeTexts(figure));
  const drawn = escaped.get(figure);
  const layout = {
    ...drawn.layout,
    template: state.templates[currentTheme()],
    width: body.clientWidth - 26,
    height: body.clientHeight - 10,
  };
  if (NARROW.matches) {
    layout.width = Math.max(layout.width, leastWidth(figure));
    for (const axis of ["xaxis", "yaxis"]) {
      const title = layout[axis]?.title;
      if (title?.text) layout[axis] = { ...layout[axis], title: { ...title, text: wrap(title.text) } };
    }
  }
  body.classList.toggle("wide", layout.width > body.clientWidth);
  if (NARROW.matches && figure.data.filter((trace) => trace.showlegend !== false).length > MOST_IN_A_NARROW_LEGEND) {
    layout.showlegend = false;
  }
  return Plotly.react(plot, drawn.data, layout, config()).then(() => {
    label(plot, summarize(title, figure));
    makeReachable(body, title);
    plot.querySelectorAll(".modebar button, .modebar a").forEach((button) => (button.tabIndex = -1));
    plot.querySelectorAll(".modebar").forEach((bar) => bar.setAttribute("aria-hidden", "true"));
    plot.removeAllListeners("plotly_click");
    const { picks, opens } = figure.layout.meta ?? {};
    const named = ({ points: [{ curveNumber, pointNumber }] }) => figure.data[curveNumber].customdata?.[pointNumber];
    if (picks) plot.on("plotly_click", (event) => pick(picks, named(event)));
    if (opens) plot.on("plotly_click", (event) => openRun(opens, named(event)));
  });
}

// Points of a chart name their run first.
function openRun(page, customdata) {
  const run = customdata?.[0];
  if (!run) return;
  const at = run.indexOf("/");
  location.assign(`${state.base}/${page}?${new URLSearchParams({ dag_id: run.slice(0, at), run_id: run.slice(at + 1) })}`);
}

function pick(name, value) {
  if (value === undefined) return;
  const select = document.querySelector(`#filters [name=${name}]`);
  if (select) select.value = value;
  change({ [name]: value });
  drawAll();
}

export async function draw(card, again = false) {
  const asked = location.search;
  try {
    const answer = await ask(`charts/${card.spec.name}${asked}`);
    if (asked !== location.search) return; // a newer question is on its way
    const same = JSON.stringify(answer) === JSON.stringify(card.answer);
    card.answer = answer;
    if (!same || !again) await show(card);
  } catch (error) {
    if (asked !== location.search) return;
    // The same answer as before this error is drawn again.
    card.answer = undefined;
    card.asTable.hidden = true;
    card.body.classList.remove("figure");
    card.body.replaceChildren(note(error.message, "error"));
  }
  card.root.dataset.state = card.answer?.kind ?? "error";
}

// What scrolls has to be reached by keys.
function makeReachable(body, title) {
  const scrolls = body.scrollHeight > body.clientHeight || body.scrollWidth > body.clientWidth;
  if (!scrolls || (body.classList.contains("figure") && !body.classList.contains("wide"))) {
    for (const name of ["tabindex", "role", "aria-label"]) body.removeAttribute(name);
    return;
  }
  body.tabIndex = 0;
  body.setAttribute("role", "region");
  body.setAttribute("aria-label", `${title}, scrollable`);
}

async function show(card) {
  const { answer, body } = card;
  card.asTable.hidden = answer.kind !== "figure";
  if (answer.kind === "figure" && !card.tabular) {
    return drawFigure(body, answer.figure, card.spec.title);
  }
  body.classList.remove("figure");
  const content = {
    figure: () => {
      const { columns, rows } = tabulate(answer.figure);
      return table(columns, rows);
    },
    table: () => table(answer.columns, answer.rows),
    facts: () => facts(answer.facts),
    empty: () => note(answer.text),
    error: () => note(answer.text, "error"),
  }[answer.kind]();
  body.replaceChildren(content);
  makeReachable(body, card.spec.title);
}

export function drawAll() {
  for (const card of cards.values()) if (!card.root.hidden) draw(card);
}

async function fillSelect(select) {
  const name = select.dataset.options;
  try {
    const { options, chosen } = await ask(`options/${name}${location.search}`);
    select.replaceChildren(...options.map(([value, text]) => element("option", { value, textContent: text })));
    select.value = chosen;
  } catch (error) {
    select.replaceChildren(element("option", { textContent: "not available", title: error.message }));
  }
}

const fillSelects = () => Promise.all([...document.querySelectorAll("select[data-options]")].map(fillSelect));

// A run is two filters, which is how Airflow names it in its tabs.
function valuesOf(control) {
  if (control.name !== "run") return { [control.name]: control.value };
  const at = control.value.indexOf("/");
  return { dag_id: control.value.slice(0, at), run_id: control.value.slice(at + 1) };
}

function start() {
  const grid = document.getElementById("cards");
  if (grid) {
    for (const spec of state.cards) cards.set(spec.name, makeCard(spec));
    arrange(grid, cards, state, { draw, save: (layout) => saveLayout(layout) });
    drawAll();
  }
  followTheme(() => {
    for (const card of cards.values()) if (card.answer) show(card);
    document.dispatchEvent(new Event("theme"));
  });
  document.getElementById("filters").addEventListener("change", async (event) => {
    if (!event.target.name) return;
    change(valuesOf(event.target));
    if (event.target.dataset.options) fillSelects();
    drawAll();
  });
  fillSelects();
  setInterval(() => {
    if (document.hidden) return;
    for (const card of cards.values()) if (card.spec.live && !card.root.hidden) draw(card, true);
  }, 1000 * SECONDS_BETWEEN_LOOKS);
  new ResizeObserver(() => cards.forEach((card) => card.fit())).observe(document.body);
}

const saveLayout = (layout) =>
  ask(`layouts/${state.page}`, {
    method: "PUT",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(layout),
  });

start();
