// Connected or away: what the bar says, and on pages from the phone's own store since when they stand. Being away
// is normal, so this is a word and a note, never an alarm.

import { hideNote, part, showNote } from "tntn/behaviours/notes.js";
import { timeElement } from "tntn/behaviours/times.js";
import { lastMeeting, meet } from "tntn/outbox/contact.js";

/** Long enough to spare the battery, short enough for a walk toward the node. */
const AGAIN_MS = 30_000;
/** A page that came from the node proves the contact; the node is asked for its clock now and then. */
const MEETING_FRESH_MS = 10 * 60_000;
/** Screens that look the same whenever they were fetched. */
const TIMELESS = new Set(["write", "me", "offline"]);

const { asOf } = document.documentElement.dataset;
const { page } = document.querySelector("main").dataset;
const bars = [];
let timer;
let connected;

export default function network(bar) {
  bars.push(bar);
  if (bars.length === 1) begin();
  else if (connected !== undefined) show(connected);
}

async function begin() {
  addEventListener("offline", () => show(false));
  addEventListener("online", check);
  addEventListener("visibilitychange", () => document.visibilityState === "visible" && connected === false && check());
  show(navigator.onLine && !asOf);
  if (page === "offline" && asOf) return;
  const met = await lastMeeting();
  if (asOf || !met || Date.now() - met.metMs > MEETING_FRESH_MS) await check();
}

async function check() {
  const meeting = await meet();
  if (meeting && page === "offline" && asOf) location.reload();
  else show(Boolean(meeting));
}

function show(isConnected) {
  connected = isConnected;
  clearTimeout(timer);
  if (!connected) timer = setTimeout(check, AGAIN_MS);
  for (const bar of bars) {
    bar.classList.toggle("off", !connected);
    bar.firstElementChild.textContent = connected ? "Connected" : "Away";
  }
  showAge();
}

function showAge() {
  const stale = asOf && !TIMELESS.has(page);
  if (page === "offline" || (connected && !stale)) return hideNote("away");
  const note = showNote("away");
  part(note, "away").hidden = connected;
  part(note, "as-of").hidden = !stale;
  part(note, "fresh").hidden = !(connected && stale);
  if (!stale || note.dataset.filled) return;
  note.dataset.filled = "true";
  part(note, "time").replaceWith(timeElement(Number(asOf)));
  part(note, "fresh").addEventListener("click", () => location.reload());
}
