// The playground: a trip is sent, its predictions are drawn; the same request is spelled for other programs.
import { element, facts, note } from "./elements.js";
import { ask, change, drawFigure, query } from "./page.js";

const form = document.getElementById("trip");
const message = document.getElementById("trip-note");
const drawn = {};

// "East Harlem North (74)" or "74": the number is what counts.
const zoneOf = (text) => text.match(/\((\d+)\)\s*$/)?.[1] ?? text.trim();

function readTrip() {
  const { pickup_zone, dropoff_zone, trip_distance, pickup_at } = form.elements;
  const trip = {
    pickup_zone: Number(zoneOf(pickup_zone.value)),
    dropoff_zone: Number(zoneOf(dropoff_zone.value)),
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
      { label: "Takes about", value: `${first.minutes.toFixed(1)} min`, detail: interval, tone: "" },
      { label: "By", value: first.label, detail: first.role, tone: "" },
    ]),
  );
  Object.assign(drawn, { models: answer.models, contributions: answer.contributions });
  draw();
}

function draw() {
  for (const [name, figure] of Object.entries(drawn)) {
    const body = document.getElementById(name);
    if (figure) drawFigure(body, figure);
    else body.replaceChildren(note("This kind of model has no contributions of its own."));
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  message.textContent = "";
  message.className = "";
  const trip = readTrip();
  const texts = Object.fromEntries(new FormData(form));
  change(texts);
  spell(trip);
  const body = JSON.stringify(trip);
  try {
    show(await ask("predict", { method: "POST", headers: { "Content-Type": "application/json" }, body }));
  } catch (error) {
    message.textContent = error.message;
    message.className = "bad";
  }
});

for (const button of document.querySelectorAll("[data-copy]")) {
  button.onclick = () => {
    const text = document.getElementById(button.dataset.copy);
    getSelection().selectAllChildren(text);
    // Allowed in secure contexts alone; the text is selected in any case.
    navigator.clipboard?.writeText(text.textContent).catch(() => {});
  };
}

for (const [name, value] of query()) if (form.elements[name]) form.elements[name].value = value;
document.addEventListener("theme", draw);
spell(readTrip());
if (query().get("pickup_zone") && !form.querySelector("button").disabled) form.requestSubmit();
