// The playground: a row is sent, its predictions are drawn; the same request is spelled for other programs.
import { element, facts, note } from "./elements.js";
import { ask, change, drawFigure, query, state } from "./page.js";

const { fields, example } = state.form;
const form = document.getElementById("row");
const message = document.getElementById("row-note");
const button = form.querySelector("[type=submit]");
const MOST_SUGGESTED = 4;
// In the address, where a column can be called as a filter is.
const IN_ADDRESS = "input.";
const drawn = {};
// By the field's name: among the form's own elements, a column called `length` or `item` is a property of the list.
const inputs = new Map();

// As one word of a shell: an apostrophe in a value would end it.
const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const spelled = ([value, name]) => (String(value) === name ? name : `${name} (${value})`);

function makeInput(field) {
  const { name, type, required, placeholder } = field;
  const value = field.value === null ? "" : String(field.value);
  const names = field.choices.map(spelled);
  if (names.length && type === "text" && !(field.free && field.choices.length) && field.choices.length <= MOST_SUGGESTED) {
    const empty = element("option", { value: "" }, required ? "" : "not known");
    const options = names.map((text) => element("option", {}, text));
    const select = element("select", { name, required }, empty, ...options);
    select.value = value;
    return [select];
  }
  if (names.length) {
    const list = element("datalist", { id: `choices-${name}` }, ...names.map((value) => element("option", { value })));
    const input = element("input", { name, required, value, placeholder: field.free ? placeholder : "name or number" });
    input.setAttribute("list", list.id);
    return [input, list];
  }
  const bounds = { min: field.min ?? "", max: field.max ?? "", step: field.step ?? "" };
  return [element("input", { name, type, required, value, placeholder, ...(field.step ? bounds : {}) })];
}

// "East Harlem North (74)", "74", or a name that only one value has, whole or in part: the value is what counts.
function choose(field, input) {
  const text = input.value.trim();
  const given = field.choices.find((choice) => text === String(choice[0]) || text === spelled(choice));
  if (given) return given[0];
  if (field.type === "number" && /^-?\d+$/.test(text)) return Number(text);
  if (field.free) return text;
  const wanted = text.toLowerCase();
  const exact = field.choices.filter(([, name]) => name.toLowerCase() === wanted);
  const found = exact.length ? exact : field.choices.filter(([, name]) => name.toLowerCase().includes(wanted));
  if (found.length === 1) {
    input.value = spelled(found[0]);
    return found[0][0];
  }
  const some = found.slice(0, MOST_SUGGESTED).map(spelled).join(", ") + (found.length > MOST_SUGGESTED ? ", ..." : "");
  throw new Error(`${field.title}: ${found.length ? `“${text}” could be ${some}; choose one` : `nothing is named “${text}”; choose one from the list, or enter its number`}.`);
}

function readRow() {
  const row = {};
  for (const field of fields) {
    const input = inputs.get(field.name);
    if (!input.value.trim()) continue;
    if (field.choices.length) row[field.name] = choose(field, input);
    else row[field.name] = field.type === "number" ? Number(input.value) : input.value;
  }
  return row;
}

function spell(row) {
  const json = JSON.stringify({ logical_date: null, conf: { inputs: [row] } });
  const airflow = location.origin + document.body.dataset.base.replace(/\/[^/]*$/, "");
  const runs = `${airflow}/api/v2/dags/prediction/dagRuns`;
  document.getElementById("as-json").textContent = JSON.stringify(JSON.parse(json), null, 2);
  document.getElementById("as-curl").textContent = [
    `# TOKEN: the access_token of POST ${airflow}/auth/token {"username": ..., "password": ...}`,
    `RUN=$(curl -s -X POST ${runs} \\`,
    `  -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\`,
    `  -d ${quote(json)} | python3 -c 'import json, sys; print(json.load(sys.stdin)["dag_run_id"])')`,
    `curl -s -G -H "Authorization: Bearer $TOKEN" --data-urlencode "interval=0.1" \\`,
    `  "${runs}/$(python3 -c 'import sys, urllib.parse; print(urllib.parse.quote(sys.argv[1]))' "$RUN")/wait"`,
  ].join("\n");
}

function show(answer) {
  document.getElementById("prediction").replaceChildren(
    facts(answer.facts),
    ...answer.warnings.map((warning) => note(`Warning: ${warning}.`)),
  );
  Object.assign(drawn, { models: answer.models, contributions: answer.contributions });
  draw();
}

function draw() {
  for (const [name, figure] of Object.entries(drawn)) {
    const body = document.getElementById(name);
    if (figure) drawFigure(body, figure, body.parentElement.querySelector("h2").textContent);
    else body.replaceChildren(note("This type of model provides no contributions."));
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  message.classList.remove("bad");
  try {
    const row = readRow();
    change(Object.fromEntries([...new FormData(form)].map(([name, value]) => [IN_ADDRESS + name, value])));
    spell(row);
    wait(true);
    const body = JSON.stringify(row);
    show(await ask("predict", { method: "POST", headers: { "Content-Type": "application/json" }, body }));
    message.textContent = "";
  } catch (error) {
    message.textContent = error.message;
    message.classList.add("bad");
  }
  wait(false);
});

// The first prediction loads the models, which takes a while.
function wait(waiting) {
  button.disabled = waiting;
  form.setAttribute("aria-busy", String(waiting));
  message.classList.toggle("busy", waiting);
  if (!waiting) return;
  message.textContent = "Predicting. The first prediction also loads the models.";
}

for (const copy of document.querySelectorAll("[data-copy]")) {
  copy.onclick = () => {
    const text = document.getElementById(copy.dataset.copy);
    getSelection().selectAllChildren(text);
    // Allowed in secure contexts alone; the text is selected in any case.
    navigator.clipboard?.writeText(text.textContent).catch(() => {});
  };
}

function label(field) {
  const [input, ...list] = makeInput(field);
  inputs.set(field.name, input);
  const whole = element("div", {}, element("label", {}, `${field.title} `, input, ...list));
  if (field.hint) {
    const hint = element("small", { id: `hint-${field.name}` }, field.hint);
    input.setAttribute("aria-describedby", hint.id);
    whole.append(hint);
  }
  return whole;
}

button.before(...fields.filter((field) => !field.folded).map(label));
const folded = fields.filter((field) => field.folded);
if (folded.length) {
  const summary = element("summary", {}, `${folded.length} more, filled in with usual values`);
  const more = element("details", {}, summary, element("div", { className: "fields" }, ...folded.map(label)));
  // A browser cannot point at a field that is out of sight.
  more.addEventListener("invalid", () => (more.open = true), true);
  button.before(more);
}
for (const { name } of fields) if (query().has(IN_ADDRESS + name)) inputs.get(name).value = query().get(IN_ADDRESS + name);
document.addEventListener("theme", draw);
spell(example);
const isFilled = fields.some(({ name }) => query().get(IN_ADDRESS + name)) && form.checkValidity();
if (isFilled && !button.disabled) form.requestSubmit();
