// Keeps the car's screen true: fetches its state each second and puts the words in their places.
// Without this script the page refreshes itself, and its buttons are plain forms.
"use strict";

const EVERY = 1000;

function setText(element, text) {
  // A live region speaks whenever its text is set, so only a real change may set it.
  if (element.textContent !== text) element.textContent = text;
}

function drawTile(tile) {
  const list = document.querySelector("[data-tiles]");
  let item = list.querySelector(`[data-tile="${CSS.escape(tile.code)}"]`);
  if (!item) {
    item = list.firstElementChild.cloneNode(true);
    item.dataset.tile = tile.code;
    const use = item.querySelector("use");
    use.setAttribute("href", use.getAttribute("href").replace(/#.*/, `#${tile.icon}`));
    list.append(item);
  }
  item.dataset.on = String(tile.on);
  setText(item.querySelector("[data-name]"), tile.name);
  setText(item.querySelector("[data-words]"), tile.words);
}

function removeTilesExcept(codes) {
  for (const item of document.querySelectorAll("[data-tile]")) {
    if (!codes.has(item.dataset.tile)) item.remove();
  }
}

function draw(state) {
  const root = document.documentElement;
  root.dataset.link = state.link;
  root.dataset.plan = state.plan;
  root.dataset.features = state.features.join(" ");
  for (const [name, text] of Object.entries(state.texts)) {
    for (const element of document.querySelectorAll(`[data-text="${name}"]`)) setText(element, text);
  }
  for (const [name, shown] of Object.entries(state.shows)) {
    for (const element of document.querySelectorAll(`[data-shown="${name}"]`)) element.hidden = !shown;
  }
  for (const [name, on] of Object.entries(state.switches)) {
    for (const form of document.querySelectorAll(`form[data-switch="${name}"]`)) {
      form.hidden = (form.dataset.when === "on") !== on;
    }
  }
  removeTilesExcept(new Set(state.tiles.map((tile) => tile.code)));
  state.tiles.forEach(drawTile);
}

async function refresh() {
  try {
    const answer = await fetch("/car/state.json", { cache: "no-store" });
    if (answer.ok) draw(await answer.json());
    document.documentElement.dataset.screen = answer.ok ? "live" : "stale";
  } catch {
    // The sandbox is stopped or starting: the screen keeps its last picture and says so.
    document.documentElement.dataset.screen = "stale";
  }
}

async function press(event) {
  event.preventDefault();
  const form = event.target;
  const next = form.dataset.when === undefined ? null : form.parentElement;
  try {
    await fetch(form.action, { method: "POST", redirect: "manual" });
  } catch {
    // The refresh below meets the same silence and says so.
  }
  await refresh();
  // A switch has two faces; the keyboard stays on the one that took the other's place.
  if (next && form.hidden) next.querySelector("form:not([hidden]) button")?.focus();
}

for (const form of document.querySelectorAll("form")) form.addEventListener("submit", press);
// The controls open below what is in sight.
document.querySelector("details").addEventListener("toggle", ({ target }) => {
  if (target.open) target.scrollIntoView({ block: "end" });
});
refresh();
setInterval(refresh, EVERY);
