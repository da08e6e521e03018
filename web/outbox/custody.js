// Custody: how many nodes have a record on their disk, as far as the node nearby knows.

import { ask } from "tntn/outbox/contact.js";
import { KEPT, PARKED, update } from "tntn/outbox/entries.js";

/** As many ids as one question takes. */
const IDS_MAX = 100;

/** Those of the entries that this node lacks: never offered before, or unknown to it and not parked there. */
export async function askCustody(wanted, node) {
  const offered = wanted.filter((entry) => entry.offered);
  const keptBy = await countNodes(offered.map(({ id }) => id));
  for (const entry of offered) {
    if (keptBy[entry.id]) await updateCustody(entry, keptBy[entry.id], node, [node.name]);
  }
  return wanted.filter(({ id, state, parkedAt }) => !keptBy[id] && !(state === PARKED && parkedAt === node.id));
}

/**
 * What `node` says of a record that it has: how many keep it, and their names. Two nodes that do not know of each other
 * count as two, by their ids: a name can be changed.
 */
export async function updateCustody(entry, count, node, names) {
  const holders = union(entry.holders, [node.id]);
  const nodes = union(entry.nodes, names);
  const keptBy = Math.max(entry.keptBy, count, holders.length);
  const known = entry.state === KEPT && entry.keptBy === keptBy && entry.nodes?.length === nodes.length;
  if (!known) await update(entry.id, { state: KEPT, keptBy, holders, nodes, message: null });
}

const union = (known, more) => [...new Set([...(known ?? []), ...more])];

/** How many nodes keep each, as far as this one knows. */
async function countNodes(ids) {
  const counts = {};
  for (let at = 0; at < ids.length; at += IDS_MAX) {
    const { status, json } = await ask("/api/v1/custody", { ids: ids.slice(at, at + IDS_MAX) });
    if (status !== 200) throw new Error("the node does not answer about custody");
    Object.assign(counts, json.kept_by);
  }
  return counts;
}
