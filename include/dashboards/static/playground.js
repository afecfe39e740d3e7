// The playground: a trip is sent, its predictions are drawn; the same request is spelled for other programs.
import { element, facts, note } from "./elements.js";
import { ask, change, drawFigure, query } from "./page.js";

const form = document.getElementById("trip");
const message = document.getElementById("trip-note");
const drawn = {};

const button = form.querySelector("[type=submit]");
const NAMED = [...document.querySelectorAll("#zones option")].map((option) => option.value);
const MOST_SUGGESTED = 4;

// "East Harlem North (74)", "74", or a name that only one zone has, whole or in part: the number is what counts.
function zoneOf(field) {
  const text = field.value.trim();
  const number = text.match(/^(\d+)$|\((\d+)\)$/);
  if (number) return Number(number[1] ?? number[2]);
  const [wanted, place] = [text.toLowerCase(), field.labels[0].firstChild.textContent.trim()];
  const bare = (name) => name.replace(/ \(\d+\)$/, "").toLowerCase();
  const exact = NAMED.filter((name) => bare(name) === wanted);
  const found = exact.length ? exact : NAMED.filter((name) => bare(name).includes(wanted));
  if (found.length === 1) {
    field.value = found[0];
    return zoneOf(field);
  }
  const some = found.slice(0, MOST_SUGGESTED).join(", ") + (found.length > MOST_SUGGESTED ? ", ..." : "");
  throw new Error(`${place}: ${found.length ? `“${text}” could be ${some}; choose one` : `no zone is named “${text}”; choose one from the list, or enter its number`}.`);
}

function readTrip() {
  const { pickup_zone, dropoff_zone, trip_distance, pickup_at } = form.elements;
  const trip = {
    pickup_zone: zoneOf(pickup_zone),
    dropoff_zone: zoneOf(dropoff_zone),
    trip_distance: Number(trip_distance.value),
  };
  return pickup_at.value ? { ...trip, pickup_at: pickup_at.value } : trip;
}

function spell(trip) {
  const json = JSON.stringify({ logical_date: null, conf: { inputs: [trip] } });
  const airflow = location.origin + document.body.dataset.base.replace(/\/[^/]*$/, "");
  const runs = `${airflow}/api/v2/dags/prediction/dagRuns`;
  document.getElementById("as-json").textContent = JSON.stringify(JSON.parse(json), null, 2);
  document.getElementById("as-curl").textContent = [
    `# TOKEN: the access_token of POST ${airflow}/auth/token {"username": ..., "password": ...}`,
    `RUN=$(curl -s -X POST ${runs} \\`,
    `  -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\`,
    `  -d '${json}' | python3 -c 'import json, sys; print(json.load(sys.stdin)["dag_run_id"])')`,
    `curl -s -G -H "Authorization: Bearer $TOKEN" --data-urlencode "interval=0.1" \\`,
    `  "${runs}/$(python3 -c 'import sys, urllib.parse; print(urllib.parse.quote(sys.argv[1]))' "$RUN")/wait"`,
  ].join("\n");
}

function show(answer) {
  const [first] = answer.predictions;
  const interval = first.low === null ? "" : `9 of 10: ${first.low.toFixed(1)} to ${first.high.toFixed(1)} min`;
  document.getElementById("prediction").replaceChildren(
    facts([
      { label: "Predicted duration", value: `${first.minutes.toFixed(1)} min`, detail: interval, tone: "" },
      { label: "Model", value: first.label, detail: first.role, tone: "" },
    ]),
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
  try {
    const trip = readTrip();
    change(Object.fromEntries(new FormData(form)));
    spell(trip);
    wait(true);
    const body = JSON.stringify(trip);
    show(await ask("predict", { method: "POST", headers: { "Content-Type": "application/json" }, body }));
    message.textContent = "";
  } catch (error) {
    message.textContent = error.message;
    message.className = "bad";
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

for (const [name, value] of query()) if (form.elements[name]) form.elements[name].value = value;
document.addEventListener("theme", draw);
spell({ pickup_zone: 74, dropoff_zone: 75, trip_distance: 2.5 });
if (query().get("pickup_zone") && !button.disabled) form.requestSubmit();
