// /me: pick a name once, and a key is made on this phone; afterwards, who this phone is.

import { entries, onChange, stateWords } from "tntn/outbox/entries.js";
import { thisDevice } from "tntn/outbox/device.js";
import { introduce } from "tntn/outbox/writing.js";
import { keepReplaying } from "tntn/outbox/replay.js";

export default async function identity(section) {
  const form = section.querySelector("[data-identity=new]");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    makeKey(section, form);
  });
  onChange(() => show(section));
  await show(section);
}

async function makeKey(section, form) {
  const error = form.querySelector("[data-error]");
  const input = form.elements.name;
  try {
    await introduce(input.value);
    error.hidden = true;
    keepReplaying();
    await show(section);
    section.querySelector("[data-identity=known]").focus();
  } catch (problem) {
    error.hidden = false;
    error.querySelector("span").textContent = problem.message;
    input.setAttribute("aria-invalid", "true");
    input.focus();
  }
}

async function show(section) {
  const [device, own] = await Promise.all([thisDevice(), entries()]);
  section.querySelector("[data-identity=new]").hidden = Boolean(device);
  const known = section.querySelector("[data-identity=known]");
  known.hidden = !device;
  if (!device) return;
  const introduction = own.find(({ introduces }) => introduces);
  known.querySelector("[data-name]").textContent = device.name;
  known.querySelector("[data-device]").textContent = device.idHex;
  known.querySelector("[data-introduced]").textContent = introduction ? stateWords(introduction) : "Not yet";
  known.querySelector("[data-written]").textContent = own.filter(({ introduces }) => !introduces).length;
}
