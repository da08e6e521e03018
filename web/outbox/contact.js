// Meeting a node: which community and node answers here, and how far this phone's clock is from its.

import { minutesOf } from "tntn/core/minutes.js";
import { read, write } from "tntn/outbox/database.js";

/** A node on the same Wi-Fi answers in well under a second. */
export const PATIENCE_MS = 8000;

/** What the last node said: { space, community, node: { id, name }, behindMinutes, metMs, radio }; undefined before any. */
export const lastMeeting = () => read("facts", "meeting");

/** What the page says of its node, for a phone that has asked none itself. */
export function meetingOfPage() {
  const { space } = document.documentElement.dataset;
  return space ? { space, behindMinutes: 0, metMs: 0 } : null;
}

/** Asks the node now. Resolves to the meeting, or to null when no node of ours answers. */
export async function meet() {
  const { json } = await ask("/api/v1/space").catch(() => ({}));
  if (!json?.space) return null;
  const behind = json.minutes - minutesOf(Date.now());
  const meeting = {
    space: json.space,
    community: json.community,
    node: { id: json.node.device, name: json.node.name },
    behindMinutes: json.clock === "good" && Math.abs(behind) > 1 ? behind : 0,
    metMs: Date.now(),
    radio: json.radio && {
      sf: json.radio.spreading_factor,
      bandwidthKhz: json.radio.bandwidth_khz,
      codingRate: json.radio.coding_rate,
      preambleSymbols: json.radio.preamble_symbols,
      frameBytesMax: json.radio.frame_bytes_max,
      overheadBytes: json.radio.overhead_bytes,
      signatureBytes: json.radio.signature_bytes,
      repeats: json.radio.repeats,
    },
  };
  await write("facts", (store) => store.put(meeting, "meeting"));
  return meeting;
}

/**
 * { status, json } of an interface of the node; `body` makes it a POST. Rejects when nobody answers in time, and for
 * answers that are not JSON: a captive portal answers anything with a page of its own.
 */
export async function ask(path, body) {
  const response = await fetch(path, {
    method: body ? "POST" : "GET",
    headers: { Accept: "application/json", ...(body && { "Content-Type": "application/json" }) },
    body: body && JSON.stringify(body),
    cache: "no-store",
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  if (!response.headers.get("Content-Type")?.includes("json")) throw new Error("not a node's answer");
  return { status: response.status, json: await response.json() };
}
