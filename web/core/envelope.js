// The envelope: a signed record sealed for a space (spec: docs/protocol/record.md, "Envelope"). Nodes seal and open
// what stands on boards; this is the browser's side of the shared vectors, and the ground for private messages.
// AES-256-GCM-SIV is in no browser, so it comes from @noble/ciphers, loaded when it is first needed.

import { concat, equal, sha256, utf8 } from "tntn/core/bytes.js";
import { DecodeError } from "tntn/core/errors.js";
import { decodeByte0, decodeSigned, encodeSigned } from "tntn/core/record.js";

const HINT_BYTES = 4;
const HEADER_BYTES = 1 + HINT_BYTES;
/** An empty body and a one-byte sequence: the fixed cost of a record. */
export const ENVELOPE_BYTES_MIN = HEADER_BYTES + 4 + 1 + 3 + 1 + 64 + 16;
export const ENVELOPE_BYTES_MAX = HEADER_BYTES + 4 + 3 + 3 + 1 + 4 + 8192 + 64 + 16;

/** { number, message, nonce, relay, link }: what one epoch key yields (HKDF-SHA256, the space id as salt). */
export async function deriveEpochKeys(spaceId, number, epochKey) {
  const source = await crypto.subtle.importKey("raw", epochKey, "HKDF", false, ["deriveBits"]);
  const derived = async (info, bytes) => {
    const parameters = { name: "HKDF", hash: "SHA-256", salt: spaceId, info: utf8(info) };
    return new Uint8Array(await crypto.subtle.deriveBits(parameters, source, bytes * 8));
  };
  return {
    number,
    message: await derived("tntn K_msg 1", 32),
    nonce: await derived("tntn N_epoch 1", 12),
    relay: await derived("tntn K_relay 1", 32),
    link: await derived("tntn K_link 1", 32),
  };
}

/** byte 0 ‖ hint ‖ ciphertext. */
export async function seal(signed, keys) {
  const byte0 = Uint8Array.of(signed.byte0);
  const ciphertext = (await cipher(keys, byte0)).encrypt(encodeSigned(signed).subarray(1));
  return concat(byte0, await hintOf(concat(byte0, ciphertext), keys), ciphertext);
}

/** { signed, epoch }: the record inside and the number of the first epoch whose hint fits and whose seal holds. */
export async function open(envelope, epochs) {
  checkSize(envelope);
  decodeByte0(envelope[0]);
  const byte0 = envelope.subarray(0, 1);
  const hint = envelope.subarray(1, HEADER_BYTES);
  const ciphertext = envelope.subarray(HEADER_BYTES);
  let fitted = false;
  for (const keys of epochs) {
    if (!equal(hint, await hintOf(concat(byte0, ciphertext), keys))) continue;
    fitted = true;
    const plaintext = unseal(await cipher(keys, byte0), ciphertext);
    if (plaintext) return { signed: await decodeSigned(concat(byte0, plaintext)), epoch: keys.number };
  }
  if (fitted) throw new DecodeError("tag", "The envelope was changed on its way: its seal is broken.");
  throw new DecodeError("stranger", "This was sealed for another community.");
}

/** SHA-256(envelope)[:16]: the name of these bytes between nodes. */
export const envelopeId = async (envelope) => (await sha256(envelope)).slice(0, 16);

function checkSize({ length }) {
  const said = `An envelope has ${ENVELOPE_BYTES_MIN} to ${ENVELOPE_BYTES_MAX} bytes; this has ${length}.`;
  if (length < ENVELOPE_BYTES_MIN) throw new DecodeError("truncated", said);
  if (length > ENVELOPE_BYTES_MAX) throw new DecodeError("oversized", said);
}

async function cipher(keys, byte0) {
  const { gcmsiv } = await import("tntn/vendor/noble-ciphers/aes.js");
  return gcmsiv(keys.message, keys.nonce, byte0);
}

function unseal(opened, ciphertext) {
  try {
    return opened.decrypt(ciphertext);
  } catch {
    return null;
  }
}

async function hintOf(bytes, keys) {
  const key = await crypto.subtle.importKey("raw", keys.relay, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, bytes)).slice(0, HINT_BYTES);
}
