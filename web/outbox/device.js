// This phone's device: its key is made here and never leaves. Sequences are given out under a lock, written to the
// disk before they are used, and never below what a node has seen of this device.

import { hex, sha256 } from "tntn/core/bytes.js";
import { generate, sign } from "tntn/core/ed25519.js";
import { InputError } from "tntn/core/errors.js";
import { read, write } from "tntn/outbox/database.js";

export const NAME_CHARACTERS_MAX = 40;
const KEY = "this";
const LOCK = "tntn-device";
/** Tells app.js that this phone has an outbox to look after; phones that only read load nothing of it. */
const MARK = "tntn-writes";

/** { id, idHex, name, publicKey, isHeldByBrowser, sequences, sign(message) } or null before the first visit's name. */
export async function thisDevice() {
  const stored = await read("device", KEY);
  return stored ? withSign(stored) : null;
}

/** Makes the key, once; a second call returns what is there. InputError for a name that nobody could read. */
export function makeDevice(name) {
  const tidy = tidyName(name);
  return navigator.locks.request(LOCK, async () => {
    const known = await thisDevice();
    if (known) return known;
    const { publicKey, secret } = await generate();
    const id = (await sha256(publicKey)).slice(0, 4);
    const device = { id, publicKey, secret, name: tidy, sequences: {} };
    await write("device", (store) => store.put(device, KEY));
    localStorage.setItem(MARK, "1");
    navigator.storage?.persist?.(); // some browsers ask the person: nothing waits for the answer
    return withSign(device);
  });
}

/** The next sequence in a space, above `seen`. What is given out and not used leaves a gap, which is allowed. */
export function nextSequence(space, seen = 0) {
  return navigator.locks.request(LOCK, async () => {
    const device = await read("device", KEY);
    const next = Math.max(device.sequences[space] ?? 0, seen) + 1;
    await write("device", (store) =>
      store.put({ ...device, sequences: { ...device.sequences, [space]: next } }, KEY),
    );
    return next;
  });
}

/** The name in one line and in Unicode's composed form; the rules of app/core/bodies.py. */
export function tidyName(name) {
  const tidy = name.trim().replace(/\s+/gu, " ").normalize("NFC");
  const { length } = [...tidy];
  if (length < 1 || length > NAME_CHARACTERS_MAX) {
    throw new InputError(`Write a name of up to ${NAME_CHARACTERS_MAX} characters, such as Ada Whitcombe.`, "name");
  }
  if (/[\p{Cc}\p{Cf}\p{Co}\p{Cs}]/u.test(tidy)) {
    throw new InputError("Use letters, digits and signs that can be seen.", "name");
  }
  return tidy;
}

const withSign = (device) => ({
  ...device,
  idHex: hex(device.id),
  isHeldByBrowser: !(device.secret instanceof Uint8Array),
  sign: (message) => sign(device.secret, message),
});
