// Writing a notice: the name at the first one, the cost on the radio while typing, signed and kept on the phone.

import { showCost } from "tntn/behaviours/cost.js";
import { InputError } from "tntn/core/errors.js";
import { thisDevice } from "tntn/outbox/device.js";
import { meet } from "tntn/outbox/contact.js";
import { keepReplaying } from "tntn/outbox/replay.js";
import { post } from "tntn/outbox/writing.js";

const BOARD = "/boards/bulletin";
/** A node nearby answers well within this; away, the notice waits on the phone and the board shows it. */
const SENDING_MS = 5000;
const TYPING_PAUSE_MS = 250;
/** Unsent words outlive the page. */
const DRAFT = "tntn-draft";
/** A module or the dictionary could not be loaded, or the phone's storage refused. */
const INCOMPLETE =
  "This app is not complete on this phone yet, or its storage is full. Come near a node, open this page again and post: your words stay here.";

export default async function compose(form) {
  const { title, text } = form.elements;
  const keepDraft = () => localStorage.setItem(DRAFT, JSON.stringify([title.value, text.value]));
  if (title.value || text.value) keepDraft(); // typed before this script was there
  else [title.value, text.value] = JSON.parse(localStorage.getItem(DRAFT)) ?? ["", ""];
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
  let typing;
  form.addEventListener("input", () => {
    keepDraft();
    clearTimeout(typing);
    typing = setTimeout(() => tellCost(form), TYPING_PAUSE_MS);
  });
  const device = await thisDevice();
  form.querySelector("[data-needs-name]").hidden = Boolean(device);
  if (device) showSigner(form.querySelector("[data-signed]"), device.name);
  form.querySelector("[type=submit]").disabled = false;
  meet(); // its clock corrects this phone's
  await tellCost(form);
}

/** A cost that cannot be reckoned is no reason not to write. */
const tellCost = (form) => showCost(form).catch(() => {});

async function send(form) {
  const { name, title, text, lifetime } = form.elements;
  const button = form.querySelector("[type=submit]");
  button.disabled = true;
  showProblem(form, null);
  try {
    await post(name.value, title.value, text.value, Number(lifetime.value));
  } catch (problem) {
    showProblem(form, problem instanceof InputError ? problem : new Error(INCOMPLETE));
    button.disabled = false;
    return;
  }
  localStorage.removeItem(DRAFT);
  await Promise.race([keepReplaying(), new Promise((resolve) => setTimeout(resolve, SENDING_MS))]);
  location.assign(BOARD);
}

function showProblem(form, problem) {
  const note = form.querySelector("[data-errors]");
  note.hidden = !problem;
  note.querySelector("p").textContent = problem?.message ?? "";
  for (const input of form.querySelectorAll(".in")) {
    const isAtFault = problem?.field === input.name;
    input.toggleAttribute("aria-invalid", isAtFault);
    if (isAtFault) input.setAttribute("aria-invalid", "true");
    if (isAtFault) input.focus();
  }
}

function showSigner(line, name) {
  const signer = document.createElement("b");
  signer.dir = "auto";
  signer.textContent = name;
  line.replaceChildren("Signed as ", signer);
}
