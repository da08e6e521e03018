// Connected or away: what the bar says, and on pages from the phone's own store since when they stand. Being away
// is normal, so this is a word and a note, never an alarm. What only concerns being away is loaded then.

/** Long enough to spare the battery, short enough for a walk toward the node. */
const AGAIN_MS = 30_000;
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
  else showWord(bar);
}

/** A page that came from the node proves the contact; one from the phone's store asks for it. */
function begin() {
  addEventListener("offline", () => show(false));
  addEventListener("online", check);
  addEventListener("visibilitychange", () => document.visibilityState === "visible" && !connected && check());
  show(navigator.onLine && !asOf);
  if (asOf && page !== "offline") check();
}

async function check() {
  const { meet } = await import("tntn/outbox/contact.js");
  const meeting = await meet();
  if (meeting && page === "offline" && asOf) location.reload();
  else show(Boolean(meeting));
}

function show(isConnected) {
  connected = isConnected;
  clearTimeout(timer);
  if (!connected) timer = setTimeout(check, AGAIN_MS);
  bars.forEach(showWord);
  const stale = Boolean(asOf) && !TIMELESS.has(page);
  if (page === "offline" || (connected && !stale)) document.getElementById("shown-away")?.remove();
  else import("tntn/behaviours/age.js").then(({ showAge }) => showAge(connected, stale ? Number(asOf) : null));
}

function showWord(bar) {
  bar.classList.toggle("off", !connected);
  bar.firstElementChild.textContent = connected ? "Connected" : "Away";
}
