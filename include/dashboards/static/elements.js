// Small pieces of page: elements, links into Airflow, tables, facts and notes.

export function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children.filter((child) => child !== null));
  return node;
}

// A path of Airflow's own pages. The frame may not navigate the window around it, so that window's router is told.
export function airflowLink(text, to) {
  if (/^https?:/.test(to)) return otherLink(text, to);
  const address = document.body.dataset.base.replace(/\/[^/]*$/, "") + to;
  const link = element("a", { href: address, textContent: text });
  link.onclick = (event) => {
    // The browser opens these elsewhere, as any link.
    if (parent === window || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    parent.history.pushState({}, "", address);
    parent.dispatchEvent(new PopStateEvent("popstate"));
  };
  return link;
}

// Another server of the stack, which stands on the host that this page came from.
function otherLink(text, to) {
  const address = new URL(to);
  if (["127.0.0.1", "localhost"].includes(address.hostname)) address.hostname = location.hostname;
  return element("a", { href: address.href, textContent: text, target: "_blank", rel: "noopener" });
}

export function note(text, kind = "") {
  return element("div", { className: `note ${kind}`, textContent: text });
}

export function facts(list) {
  const items = list.map((fact) =>
    element(
      "div",
      {},
      element("dt", { textContent: fact.label }),
      element("dd", { className: fact.tone }, fact.to ? airflowLink(fact.value, fact.to) : fact.value),
      element("dd", { className: "detail", textContent: fact.detail }),
    ),
  );
  return element("dl", { className: "facts" }, ...items);
}

const ROWS_SHOWN = 10;

const looksNumeric = (value) => typeof value !== "string" || /^[-+]?[\d,.]+( ?([kMG]?B|s|min|h|d))?$/.test(value);

const looksLikeTime = (value) => /^\d{4}-\d\d-\d\d/.test(value);

// A column of mostly numbers stands right as a whole, so that digits stand under digits; times go along with them.
function isNumeric(rows, at) {
  const filled = rows.map((row) => row[at]?.text ?? row[at]).filter((text) => text !== "" && text !== null);
  const texts = filled.filter((text) => !looksLikeTime(text));
  return texts.length > 0 && texts.filter(looksNumeric).length * 2 > texts.length;
}

export function table(columns, rows) {
  const numeric = columns.map((_, at) => isNumeric(rows, at));
  const className = (at) => (numeric[at] ? "number" : "");
  const head = columns.map((name, at) => element("th", { scope: "col", textContent: name, className: className(at) }));
  const body = element("tbody");
  const shown = element("span");
  let first = 0;
  const step = (by) => () => {
    first = Math.min(Math.max(first + by, 0), Math.max(rows.length - 1, 0));
    show();
  };
  const buttons = [-ROWS_SHOWN, ROWS_SHOWN].map((by) =>
    element("button", { type: "button", textContent: by < 0 ? "Previous" : "Next", onclick: step(by) }),
  );
  function show() {
    const page = rows.slice(first, first + ROWS_SHOWN);
    body.replaceChildren(
      ...page.map((row) => element("tr", {}, ...row.map((value, at) => labelled(cell(value, className(at)), columns[at])))),
    );
    shown.textContent = `${first + 1}–${first + page.length} of ${rows.length}`;
    buttons[0].disabled = first === 0;
    buttons[1].disabled = first + ROWS_SHOWN >= rows.length;
  }
  show();
  const whole = element("table", {}, element("thead", {}, element("tr", {}, ...head)), body);
  const pager = rows.length > ROWS_SHOWN ? element("div", { className: "pager" }, shown, ...buttons) : null;
  return element("div", {}, whole, ...(pager ? [pager] : []));
}

// On a phone, each cell stands in a line of its own, behind its column's name.
function labelled(cell, name) {
  cell.dataset.label = name;
  return cell;
}

function cell(value, className) {
  if (value === null || typeof value !== "object") {
    return element("td", { textContent: value ?? "", className });
  }
  const content = value.to ? airflowLink(value.text, value.to) : value.text;
  return element("td", { className: `${className} ${value.tone}`, title: value.hint }, content);
}
