// The phone's own records: waiting → kept by one node → kept by two; refused or parked with the reason. The bytes stay
// until two nodes have them; the introduction's stay for good, since any new node may need it first.

import { read, readAll, write } from "tntn/outbox/database.js";

export const WAITING = "waiting";
export const KEPT = "kept";
export const PARKED = "parked";
export const REFUSED = "refused";
/** Nodes that must have a record before the phone lets go of its copy. */
export const KEPT_BY_ENOUGH = 2;
/** Copies this phone keeps for a second node: of some 300 bytes each, more than a lone node's writer makes in a year. */
export const COPIES_MAX = 1000;
/** Finished entries listed in /me: a screen or two, a few kB. */
const HISTORY_ENTRIES_MAX = 40;
const CHANNEL = "tntn-outbox";
const channel = new BroadcastChannel(CHANNEL);

/** All entries in the order they were written. */
export const entries = async () => (await readAll("outbox")).sort((one, other) => one.sequence - other.sequence);

export const isFinished = ({ state, keptBy }) => state === REFUSED || (state !== WAITING && keptBy >= KEPT_BY_ENOUGH);

/** The state in words. */
export function stateWords({ state, keptBy }) {
  if (state === KEPT) return keptBy === 1 ? "Kept by 1 node" : `Kept by ${keptBy} nodes`;
  return { [WAITING]: "Waiting on your phone", [PARKED]: "Held at the node", [REFUSED]: "Not posted" }[state];
}

export async function add(entry) {
  await write("outbox", (store) => store.put({ state: WAITING, keptBy: 0, offered: false, ...entry }));
  announce();
}

/** Writes what changed about an entry; lets its bytes go once enough nodes have it. */
export async function update(id, changes) {
  const before = await read("outbox", id);
  if (!before) return;
  const after = { ...before, ...changes };
  if (isFinished(after) && !after.introduces) after.record = null;
  await write("outbox", (store) => store.put(after));
  announce();
}

/** Removes an entry that never left, or one that is over. */
export async function remove(id) {
  await write("outbox", (store) => store.delete(id));
  announce();
}

/** Forgets the oldest finished entries above the limit. */
export async function trimHistory() {
  const finished = (await entries()).filter((entry) => isFinished(entry) && !entry.introduces);
  const old = finished.slice(0, Math.max(0, finished.length - HISTORY_ENTRIES_MAX));
  if (old.length) await write("outbox", (store) => old.forEach(({ id }) => store.delete(id)));
}

/** Calls back when any page of this phone changed an entry. */
export function onChange(callback) {
  new BroadcastChannel(CHANNEL).addEventListener("message", () => callback());
}

const announce = () => channel.postMessage("changed");
