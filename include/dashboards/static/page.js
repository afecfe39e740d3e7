// A page of cards: each asks for its chart by itself, so that none waits for another.
import { element, facts, note, table } from "./elements.js";
import { arrange } from "./layout.js";
import { currentTheme, followTheme, isTab } from "./theme.js";

export const state = JSON.parse(document.getElementById("state").textContent);
document.body.dataset.base = state.base;
document.body.classList.toggle("tab", isTab());
const SECONDS_BETWEEN_LOOKS = 4;
const CONFIG = { responsive: false, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d"] };
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
  if (answer.status === 401) throw new Error("The login has ended; load Airflow anew.");
  const body = answer.status === 204 ? null : await answer.json();
  if (!answer.ok) throw new Error(typeof body.detail === "string" ? body.detail : `The server answered ${answer.status}.`);
  return body;
}

function makeCard(spec) {
  const body = element("div", { className: "body" }, note("…"));
  const hide = element("button", { type: "button", textContent: "×", title: `Hide “${spec.title}”` });
  const title = element("h2", { title: spec.hint, draggable: true }, element("span", { textContent: spec.title }), hide);
  const grip = element("div", { className: "grip", title: "Drag to resize" });
  const root = element("section", { className: "card" }, title, body, grip);
  root.dataset.name = spec.name;
  return { spec, root, body, title, hide, grip, fit: () => fit(body) };
}

function fit(body) {
  const plot = body.querySelector(".js-plotly-plot");
  if (plot) Plotly.relayout(plot, { width: body.clientWidth - 26, height: body.clientHeight - 10 });
}

export function drawFigure(body, figure) {
  body.classList.add("figure");
  let plot = body.querySelector(".js-plotly-plot");
  if (!plot) {
    plot = element("div");
    body.replaceChildren(plot);
  }
  const layout = {
    ...figure.layout,
    template: state.templates[currentTheme()],
    width: body.clientWidth - 26,
    height: body.clientHeight - 10,
  };
  return Plotly.react(plot, figure.data, layout, CONFIG).then(() => {
    plot.removeAllListeners("plotly_click");
    const picks = figure.layout.meta?.picks;
    if (picks) plot.on("plotly_click", (event) => pick(picks, event.points[0].customdata));
  });
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
    card.body.classList.remove("figure");
    card.body.replaceChildren(note(error.message, "error"));
  }
  card.root.dataset.state = card.answer?.kind ?? "error";
}

async function show(card) {
  const { answer, body } = card;
  if (answer.kind === "figure") return drawFigure(body, answer.figure);
  body.classList.remove("figure");
  const content = {
    table: () => table(answer.columns, answer.rows),
    facts: () => facts(answer.facts),
    empty: () => note(answer.text),
    error: () => note(answer.text, "error"),
  }[answer.kind]();
  body.replaceChildren(content);
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
