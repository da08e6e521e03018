// Handing the outbox to a node: at load, when the connection comes back, when the page is looked at again, and with
// growing pauses while pages are open. One tab at a time. A record is offered once; if the answer was lost, the node
// is asked first whether it has it.

import { base64url } from "tntn/core/bytes.js";
import { ask, meet } from "tntn/outbox/contact.js";
import { askCustody, updateCustody } from "tntn/outbox/custody.js";
import { entries, isFinished, PARKED, REFUSED, remove, trimHistory, update } from "tntn/outbox/entries.js";

const LOCK = "tntn-outbox";
const PAUSE_FIRST_MS = 2000;
/** A neighbor's radio needs minutes; asking once a minute costs a node nothing. */
const PAUSE_LONGEST_MS = 60_000;
/** Answers that are about this moment, not about the record: a status, or the word in `error`. */
const TRY_LATER = new Set([401, 404, 405, 408, 425, 429, "limit"]);

let pauseMs = PAUSE_FIRST_MS;
let timer;
let running;
let again = false;

/** Starts replaying and goes on while the page is open. */
export function keepReplaying() {
  addEventListener("online", replayNow);
  addEventListener("visibilitychange", replayWhenVisible);
  return replayNow();
}

/** Replays now. Resolves when this round is over; a call during a round makes it go round once more. */
export function replayNow() {
  pauseMs = PAUSE_FIRST_MS;
  return start();
}

/** Removes a record that has not been offered to any node; false when it may be on its way already. */
export function takeBack(id) {
  return navigator.locks.request(LOCK, async () => {
    const entry = (await entries()).find((candidate) => candidate.id === id);
    if (!entry || entry.offered) return false;
    await remove(id);
    return true;
  });
}

function replayWhenVisible() {
  if (document.visibilityState === "visible") replayNow();
}

function start() {
  again = true;
  running ??= rounds().finally(() => (running = undefined));
  return running;
}

async function rounds() {
  clearTimeout(timer);
  while (again) {
    again = false;
    await navigator.locks.request(LOCK, round);
  }
  const unfinished = (await entries()).some((entry) => !isFinished(entry));
  if (!unfinished || document.visibilityState === "hidden") return;
  timer = setTimeout(start, pauseMs);
  pauseMs = Math.min(pauseMs * 2, PAUSE_LONGEST_MS);
}

async function round() {
  const all = await entries();
  if (all.every(isFinished)) return;
  const meeting = await meet();
  if (!meeting) return;
  const ours = all.filter(({ space }) => space === meeting.space);
  const wanted = ours.filter((entry) => !isFinished(entry) || entry.introduces);
  const missing = await askCustody(wanted, meeting.node).catch(() => []); // it left in the middle: the next round asks
  for (const entry of missing) {
    if (!(await offer(entry, meeting.node))) return;
  }
  await trimHistory();
}

/** Hands one record over; false when the rest had better wait. */
async function offer(entry, node) {
  await update(entry.id, { offered: true });
  const { status, json } = await ask("/api/v1/records", { record: base64url(entry.record) }).catch(() => ({}));
  const message = json?.message ?? null;
  if (!status) return false;
  if (status >= 500 || TRY_LATER.has(status) || TRY_LATER.has(json.error)) {
    await update(entry.id, { message });
    return false;
  }
  if (status >= 300) await update(entry.id, { state: REFUSED, message });
  else if (json.state === "parked") await update(entry.id, { state: PARKED, message, parkedAt: node.id });
  else await updateCustody(entry, json.kept_by, node, json.nodes);
  return true;
}
