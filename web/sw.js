// The service worker: what opens without a node. A table of rules says which requests it answers, how, and how much
// of it is kept; the first rule that matches decides. What no rule takes (posting, other origins) goes past it.
// The server fills in the hashed addresses and a version when it serves this file.

const PRECACHE = /*PRECACHE*/[];
const VERSION = /*VERSION*/"";
/** Opened before anything was read: the screens for writing, and the boards as they stand at installation. */
const BOARDS = ["bulletin", "markets", "events", "directory", "weather"].map((board) => `/boards/${board}`);
const SHELL = ["/offline", "/write", "/me", "/", ...BOARDS];
const FALLBACK = "/offline";
/** Kept from when it is first needed: what long texts and sealed messages take, and the sheet of all icons. */
const ON_DEMAND = /^\/assets\/(vendor\/(fflate|noble-ciphers)|core\/envelope|icons)/;
/** Installed where the browser cannot sign by itself. */
const SIGNER = /^\/assets\/vendor\/noble-ed25519/;

const ASSETS = `tntn-assets-${VERSION}`;
const PAGES = `tntn-pages-${VERSION}`;
/** Apart from the pages: Chromium keeps one answer per address, whatever Vary says. */
const FRAGMENTS = `tntn-fragments-${VERSION}`;
/** When a stored answer was fetched, as Unix milliseconds. */
const STORED = "x-tntn-stored";
/** Longer than a busy node takes; then the stored page is shown and the answer kept for the next time. */
const PATIENCE_MS = 4000;

const RULES = [
  { name: "interfaces", match: ({ path }) => /^\/(api|schema|health)(\/|$)/.test(path), strategy: null },
  { name: "programs", match: ({ accept }) => /json|event-stream/.test(accept), strategy: null },
  { name: "assets", match: ({ path }) => path.startsWith("/assets/"), strategy: cacheFirst, cache: ASSETS, entriesMax: 120 },
  { name: "fragments", match: ({ fragment }) => fragment, strategy: networkFirst, cache: FRAGMENTS, entriesMax: 40 },
  { name: "pages", match: ({ page }) => page, strategy: networkFirst, cache: PAGES, entriesMax: 80, fallback: FALLBACK },
];

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("message", ({ data }) => data === "skip-waiting" && self.skipWaiting());
self.addEventListener("fetch", (event) => {
  const rule = ruleFor(event.request);
  if (rule?.strategy) event.respondWith(rule.strategy(event, rule));
});

function ruleFor(request) {
  const { origin, pathname: path } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return null;
  const fragment = request.headers.get("HX-Request-Type") === "partial";
  const page = request.mode === "navigate" || request.headers.has("HX-Request");
  const accept = request.headers.get("Accept") ?? "";
  return RULES.find((rule) => rule.match({ path, fragment, page, accept }));
}

async function install() {
  const [assets, pages] = await Promise.all([caches.open(ASSETS), caches.open(PAGES)]);
  const signs = await crypto.subtle.generateKey("Ed25519", false, ["sign"]).then(Boolean, () => false);
  await assets.addAll(PRECACHE.filter((path) => !ON_DEMAND.test(path) && !(signs && SIGNER.test(path))));
  const stored = await Promise.allSettled(SHELL.map(async (path) => keep(pages, path, await fetch(path))));
  if (stored[SHELL.indexOf(FALLBACK)].status === "rejected") throw new Error("no page for being away");
}

async function activate() {
  const current = [ASSETS, PAGES, FRAGMENTS];
  const old = (await caches.keys()).filter((name) => name.startsWith("tntn-") && !current.includes(name));
  await Promise.all(old.map((name) => caches.delete(name)));
  await self.clients.claim();
}

async function cacheFirst({ request }, rule) {
  const cache = await caches.open(rule.cache);
  const stored = await cache.match(request.url);
  if (stored) return stored;
  const response = await fetch(request);
  if (response.ok) await keep(cache, request.url, response.clone(), rule.entriesMax);
  return response;
}

async function networkFirst(event, rule) {
  const { request } = event;
  const cache = await caches.open(rule.cache);
  const fetched = fetch(request);
  const kept = fetched.then((response) => keepPage(cache, rule, request, response.clone()));
  event.waitUntil(kept.catch(() => {}));
  const stored = await cache.match(request.url);
  const patience = stored ? [new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))] : [];
  const answer = await Promise.race([fetched, ...patience]).catch(() => undefined);
  return answer ?? (stored ? aged(stored) : away(cache, rule));
}

function keepPage(cache, rule, request, response) {
  const mayBeKept = response.ok && !/no-store/.test(response.headers.get("Cache-Control") ?? "");
  return mayBeKept && keep(cache, request.url, response, rule.entriesMax);
}

async function keep(cache, address, response, entriesMax = Infinity) {
  if (!response.ok) throw new Error(`${address} answered ${response.status}`);
  const headers = new Headers(response.headers);
  headers.set(STORED, Date.now());
  headers.delete("Content-Encoding"); // the body read from it is plain
  headers.delete("Content-Length");
  headers.delete("Vary"); // the rules say which answer is which
  const { status, statusText } = response;
  const copy = new Response(await response.blob(), { status, statusText, headers });
  await cache.delete(address);
  await cache.put(address, copy);
  await prune(cache, entriesMax);
}

/** Drops the oldest entries above the limit; what was installed stays. */
async function prune(cache, entriesMax) {
  const entries = await cache.keys();
  const installed = new Set([...SHELL, ...PRECACHE]);
  const removable = entries.filter(({ url }) => !installed.has(url.slice(location.origin.length)));
  await Promise.all(removable.slice(0, Math.max(0, entries.length - entriesMax)).map((entry) => cache.delete(entry)));
}

/** A stored page says since when: the page's scripts show it as "as of", with the name of its node. */
async function aged(stored) {
  const { status, statusText, headers } = stored;
  const html = (await stored.text()).replace("<html ", `<html data-as-of="${Number(headers.get(STORED))}" `);
  return new Response(html, { status, statusText, headers });
}

async function away(cache, rule) {
  const page = rule.fallback && (await cache.match(rule.fallback));
  return page ? aged(page) : Response.error();
}
