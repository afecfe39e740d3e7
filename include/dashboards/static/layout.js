// Cards can be moved, resized, hidden and put back, by mouse or by keys; what a person did is kept on the server.
import { element } from "./elements.js";

const COLUMNS = 12;
const SMALLEST = { columns: 2, height: 100 };
const TALLEST = 2000;
const STEP = 40;

export function arrange(grid, cards, state, { draw, save }) {
  const { layout } = state;
  const hidden = document.getElementById("hidden-cards");
  const reset = document.getElementById("reset-layout");
  const known = layout.order.filter((name) => cards.has(name));
  const order = [...known, ...[...cards.keys()].filter((name) => !known.includes(name))];
  let waiting;

  function keep() {
    layout.order = [...grid.children].map((root) => root.dataset.name);
    clearTimeout(waiting);
    waiting = setTimeout(() => save(layout).catch((error) => reset.setAttribute("title", error.message)), 300);
    showControls();
  }

  function size(card) {
    const { columns, height } = layout.sizes[card.spec.name] ?? card.spec;
    card.root.style.gridColumn = `span ${columns}`;
    card.root.style.height = `${height}px`;
  }

  function showControls() {
    const names = layout.hidden.filter((name) => cards.has(name));
    hidden.hidden = names.length === 0;
    hidden.replaceChildren(
      element("option", { value: "", textContent: `Hidden: ${names.length}` }),
      ...names.map((name) => element("option", { value: name, textContent: `Show “${cards.get(name).spec.title}”` })),
    );
    reset.hidden = !names.length && !layout.order.length && !Object.keys(layout.sizes).length;
  }

  for (const name of order) {
    const card = cards.get(name);
    card.root.hidden = layout.hidden.includes(name);
    grid.append(card.root);
    size(card);
    card.hide.onclick = () => {
      layout.hidden.push(name);
      card.root.hidden = true;
      keep();
    };
    const resize = (changed) => {
      layout.sizes[name] = within(changed);
      size(card);
      card.fit();
    };
    makeMovable(card, grid, keep);
    makeResizable(card, grid, resize, keep);
    makeKeyable(card, grid, () => layout.sizes[name] ?? card.spec, resize, keep);
  }

  hidden.onchange = () => {
    const name = hidden.value;
    layout.hidden = layout.hidden.filter((other) => other !== name);
    cards.get(name).root.hidden = false;
    draw(cards.get(name));
    keep();
  };
  reset.onclick = () => {
    Object.assign(layout, { order: [], hidden: [], sizes: {} });
    save(layout).then(() => location.reload());
  };
  showControls();
}

const within = ({ columns, height }) => ({
  columns: Math.min(Math.max(columns, SMALLEST.columns), COLUMNS),
  height: Math.min(Math.max(height, SMALLEST.height), TALLEST),
});

// Arrow keys on a card's handle move it; with Shift they change its size.
function makeKeyable(card, grid, currentSize, resize, keep) {
  const { root, handle, spec } = card;
  handle.onkeydown = (event) => {
    const forward = ["ArrowRight", "ArrowDown"].includes(event.key);
    if (!forward && !["ArrowLeft", "ArrowUp"].includes(event.key)) return;
    event.preventDefault();
    if (event.shiftKey) {
      const { columns, height } = currentSize();
      const sign = forward ? 1 : -1;
      const wider = ["ArrowLeft", "ArrowRight"].includes(event.key);
      const size = within({ columns: columns + (wider ? sign : 0), height: height + (wider ? 0 : sign * STEP) });
      resize(size);
      say(`${spec.title}: ${size.columns} of ${COLUMNS} columns wide, ${size.height} pixels high`);
    } else {
      const others = [...grid.children].filter((other) => !other.hidden);
      const at = others.indexOf(root) + (forward ? 1 : -1);
      if (!others[at]) return;
      others[at][forward ? "after" : "before"](root);
      handle.focus();
      say(`${spec.title}: position ${at + 1} of ${others.length}`);
    }
    keep();
  };
}

const say = (text) => (document.getElementById("said").textContent = text);

function makeMovable(card, grid, keep) {
  const { root, title } = card;
  title.ondragstart = (event) => {
    root.classList.add("dragged");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", root.dataset.name);
    event.dataTransfer.setDragImage(root, 20, 20);
  };
  title.ondragend = () => root.classList.remove("dragged");
  root.ondragover = (event) => {
    const dragged = grid.querySelector(".dragged");
    if (!dragged) return;
    event.preventDefault();
    if (dragged !== root) root.classList.add("target");
  };
  root.ondragleave = () => root.classList.remove("target");
  root.ondrop = (event) => {
    event.preventDefault();
    root.classList.remove("target");
    const dragged = grid.querySelector(".dragged");
    if (!dragged || dragged === root) return;
    const forward = [...grid.children].indexOf(dragged) < [...grid.children].indexOf(root);
    root[forward ? "after" : "before"](dragged);
    keep();
  };
}

function makeResizable(card, grid, change, keep) {
  const { root, grip } = card;
  grip.onpointerdown = (down) => {
    down.preventDefault();
    grip.setPointerCapture(down.pointerId);
    const from = root.getBoundingClientRect();
    const column = grid.clientWidth / COLUMNS;
    grip.onpointermove = (move) => {
      const columns = Math.round((from.width + move.clientX - down.clientX) / column);
      const height = Math.round(from.height + move.clientY - down.clientY);
      change({ columns, height });
    };
    grip.onpointerup = () => {
      grip.onpointermove = grip.onpointerup = null;
      keep();
    };
  };
}
