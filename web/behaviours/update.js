// A newer version of the app waits until the person says so, or until no page of it is open.

import { part, showNote } from "tntn/behaviours/notes.js";

export default function update(registration) {
  const worker = registration.waiting ?? registration.installing;
  const offer = () => worker.state === "installed" && navigator.serviceWorker.controller && show(worker);
  worker?.addEventListener("statechange", offer);
  if (worker) offer();
}

function show(worker) {
  const button = part(showNote("update"), "now");
  button.addEventListener("click", () => {
    navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
    worker.postMessage("skip-waiting");
  });
}
