// Where scripts meet the page: each behavior is a module of its own, loaded when an element asks for it. Without
// this file pages can be read; with it, and in a secure context, they can be written and opened away from a node.

const BOUND_BY = { "[data-net]": "network", "time[datetime]": "times", "[data-behavior]": null };
/** Set by outbox/device.js once this phone has a key. */
const WRITES = "tntn-writes";
/** Behaviors that only concern phones that have written something. */
const FOR_WRITERS = new Set(["outbox"]);

const bound = new WeakSet();

function bind(root) {
  for (const [selector, name] of Object.entries(BOUND_BY)) {
    const found = [...root.querySelectorAll(selector)].filter((element) => !bound.has(element));
    found.forEach((element) => bound.add(element));
    if (name && found.length) start(name, found);
    if (!name) found.forEach((element) => start(element.dataset.behavior, [element]));
  }
}

async function start(name, elements) {
  if (!isSecureContext && name !== "times") return;
  if (FOR_WRITERS.has(name) && !writes()) return;
  const behavior = await import(`tntn/behaviours/${name}.js`);
  elements.forEach((element) => behavior.default(element));
}

function writes() {
  try {
    return Boolean(localStorage.getItem(WRITES));
  } catch {
    return false; // a portal's browser without storage
  }
}

async function installWorker() {
  const registration = await navigator.serviceWorker?.register("/sw.js").catch(() => null);
  if (!registration || !navigator.serviceWorker.controller) return; // nothing older to replace
  const offer = async () => (await import("tntn/behaviours/update.js")).default(registration);
  if (registration.waiting) await offer();
  registration.addEventListener("updatefound", offer);
}

bind(document);
document.addEventListener("htmx:after:process", ({ target }) => bind(target));
if (isSecureContext) {
  if (writes()) import("tntn/outbox/replay.js").then(({ keepReplaying }) => keepReplaying());
  if (document.readyState === "complete") installWorker();
  else addEventListener("load", installWorker);
} else {
  import("tntn/behaviours/reading.js").then(({ default: readOnly }) => readOnly());
}
