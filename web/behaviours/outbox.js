// One's own notices and how far they have come: all of them on /me, the latest on today's page; on a board, above the
// others, those that the page below cannot show yet. Own records within the page say by how many nodes they are kept.

import { part } from "tntn/behaviours/notes.js";
import { timeElement } from "tntn/behaviours/times.js";
import { entries, KEPT, onChange, REFUSED, remove, stateWords } from "tntn/outbox/entries.js";
import { takeBack } from "tntn/outbox/replay.js";

export default async function outbox(list) {
  onChange(() => show(list));
  await show(list);
}

async function show(list) {
  const own = (await entries()).filter(({ introduces }) => !introduces).reverse();
  const { board, limit } = list.dataset;
  const shown = board ? own.filter((entry) => isMissingBelow(entry, list)) : own.slice(0, limit);
  const focused = document.activeElement?.closest("[data-own]")?.dataset.own;
  list.replaceChildren(...shown.map(article));
  if (focused) list.querySelector(`[data-own="${focused}"]`)?.querySelector("button")?.focus();
  own.forEach(showCustody);
  list.closest("[data-outbox-section]")?.toggleAttribute("hidden", !shown.length);
  document.querySelector("[data-outbox-empty]")?.toggleAttribute("hidden", own.length > 0);
}

/** Not kept yet, or kept since this page was made. */
function isMissingBelow({ id, state, createdMs }, list) {
  if (document.querySelector(`[data-record-id="${id}"]`)) return false;
  const madeMs = Number(document.documentElement.dataset.asOf ?? performance.timeOrigin);
  return state !== KEPT || createdMs > madeMs || list.querySelector(`[data-own="${id}"]`) !== null;
}

function article(entry) {
  const element = document.getElementById("own-notice").content.firstElementChild.cloneNode(true);
  element.dataset.own = entry.id;
  part(element, "title").textContent = entry.title;
  part(element, "text").textContent = entry.text;
  part(element, "text").hidden = !entry.text;
  for (const stamp of element.querySelectorAll("[data-state]")) {
    if (stamp.dataset.state !== entry.state) stamp.remove();
    else part(stamp, "words").textContent = stateWords(entry);
  }
  part(element, "written").replaceWith(timeElement(entry.createdMs));
  part(element, "message").textContent = entry.message ?? whereabouts(entry);
  const button = part(element, "remove");
  button.hidden = entry.offered && entry.state !== REFUSED;
  button.addEventListener("click", () => (entry.state === REFUSED ? remove(entry.id) : takeBack(entry.id)));
  part(button, "words").textContent = entry.state === REFUSED ? "Remove" : "Take back";
  return element;
}

/** The nodes whose names this phone was told, and how many more have it. */
function whereabouts({ nodes = [], keptBy }) {
  const others = keptBy - nodes.length;
  return nodes.join(", ") + (nodes.length && others > 0 ? ` and ${others} more` : "");
}

function showCustody({ id, state, keptBy }) {
  const kept = document.querySelector(`[data-record-id="${id}"] [data-kept-by]`);
  if (state !== KEPT || !kept || Number(kept.dataset.keptBy) >= keptBy) return;
  kept.dataset.keptBy = keptBy;
  kept.lastChild.textContent = kept.matches("dd") ? `${keptBy} nodes` : stateWords({ state, keptBy }).toLowerCase();
}
