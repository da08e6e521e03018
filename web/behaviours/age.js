// The note on pages from the phone's own store: away or not, and as of when.

import { part, showNote } from "tntn/behaviours/notes.js";
import { timeElement } from "tntn/behaviours/times.js";

/** `asOfMs` is null where the page's age does not matter. */
export function showAge(connected, asOfMs) {
  const note = showNote("away");
  part(note, "away").hidden = connected;
  part(note, "as-of").hidden = asOfMs === null;
  part(note, "fresh").hidden = !connected || asOfMs === null;
  if (asOfMs === null || note.dataset.filled) return;
  note.dataset.filled = "true";
  part(note, "time").replaceWith(timeElement(asOfMs));
  part(note, "fresh").addEventListener("click", () => location.reload());
}
