// The record: a signed statement by a device, and the bytes it is made of. Spec: docs/protocol/record.md, "Record";
// the same vectors (tests/vectors/record.json) run here and in app/core/record.py.

import { concat, sha256, utf8 } from "tntn/core/bytes.js";
import { pack, unpack } from "tntn/core/compression.js";
import { DecodeError, InputError } from "tntn/core/errors.js";
import { MINUTES_MAX } from "tntn/core/minutes.js";
import { encodeVarint, decodeVarint } from "tntn/core/varint.js";

export const VERSION = 1;
export const LIFETIME = { ALERT: 0, SHORT: 1, NORMAL: 2, LONG: 3, PERMANENT: 4 };
export const KIND = { DEVICE: 0, NODE: 1, POST: 2, DIRECTORY: 3 };
/** A body above this is a blob, not a record; it also bounds what inflating may yield. */
export const BODY_BYTES_MAX = 8192;
/** Three varint bytes: 575 records a day for ten years. */
export const SEQUENCE_MAX = 2 ** 21 - 1;
const KIND_MAX = 63;
const REF_BYTES = 4;
const AUTHOR_BYTES = 4;
const SIGNATURE_BYTES = 64;
const SIGNED_BYTES_MAX = 1 + AUTHOR_BYTES + 3 + 3 + 1 + REF_BYTES + BODY_BYTES_MAX + SIGNATURE_BYTES;
const SIGNATURE_DOMAIN = utf8("tntn record 1\0");
const ID_DOMAIN = utf8("tntn record id 1\0");

/** A record ready to sign, its body deflated where that is shorter. InputError where a field is out of range. */
export async function compose({ lifetime, author, sequence, minutes, kind, body, ref = null }) {
  need(sequence >= 1 && sequence <= SEQUENCE_MAX, "sequence", `A sequence runs from 1 to ${SEQUENCE_MAX}.`);
  need(minutes >= 0 && minutes <= MINUTES_MAX, "minutes", "The clock says a year that records cannot carry.");
  need(kind >= 0 && kind <= KIND_MAX, "kind", `A kind runs from 0 to ${KIND_MAX}.`);
  need(ref === null || ref.length === REF_BYTES, "ref", `A ref is ${REF_BYTES} bytes of a record id.`);
  const tooLong = `This is ${body.length} bytes; one record holds ${BODY_BYTES_MAX}. Shorten it, or split it in two.`;
  need(body.length <= BODY_BYTES_MAX, "body", tooLong);
  const { wireBody, compressed } = await pack(body);
  return { lifetime, author, sequence, minutes, kind, ref, body, wireBody, compressed };
}

/** { byte0, fields, signature } of a record; `key` is a device key with publicKey and sign(). */
export async function sign(record, key, spaceId) {
  const unsigned = { byte0: (VERSION << 4) | record.lifetime, fields: encodeFields(record) };
  return { ...unsigned, signature: await key.sign(signedBytes(unsigned, key.publicKey, spaceId)) };
}

/** True when the signature is that key's, for this space; `verify` is that of core/ed25519.js. */
export const isSignedBy = (signed, publicKey, spaceId, verify) =>
  verify(publicKey, signedBytes(signed, publicKey, spaceId), signed.signature);

/** author ‖ sequence ‖ minutes ‖ kind byte ‖ ref ‖ body, as signed and sealed. */
export function encodeFields({ author, sequence, minutes, kind, compressed, ref, wireBody }) {
  const kindByte = (kind << 2) | (compressed ? 2 : 0) | (ref ? 1 : 0);
  const time = [minutes >> 16, (minutes >> 8) & 0xff, minutes & 0xff];
  return concat(author, encodeVarint(sequence), time, [kindByte], ref ?? [], wireBody);
}

/** byte 0 ‖ fields ‖ signature: what a phone hands to a node. */
export const encodeSigned = ({ byte0, fields, signature }) => concat([byte0], fields, signature);

/** { record, byte0, fields, signature } from the wire form; the signature is not checked here. */
export async function decodeSigned(data) {
  check(data.length <= SIGNED_BYTES_MAX, "oversized", `A record is at most ${SIGNED_BYTES_MAX} bytes.`);
  check(data.length > 0, "truncated", "The record is empty.");
  const lifetime = decodeByte0(data[0]);
  const end = Math.max(1, data.length - SIGNATURE_BYTES);
  const fields = data.subarray(1, end);
  return { record: await decodeFields(lifetime, fields), byte0: data[0], fields, signature: data.subarray(end) };
}

/** The class in byte 0. */
export function decodeByte0(byte0) {
  check(byte0 >> 4 === VERSION, "version", `This is format version ${byte0 >> 4}; this app reads ${VERSION}.`);
  check((byte0 & 0x0f) <= LIFETIME.PERMANENT, "class", `Class ${byte0 & 0x0f} is not one of version ${VERSION}.`);
  return byte0 & 0x0f;
}

/** SHA-256(domain ‖ space ‖ public key ‖ byte 0 ‖ fields)[:16]. */
export async function recordId({ byte0, fields }, publicKey, spaceId) {
  return (await sha256(concat(ID_DOMAIN, spaceId, publicKey, [byte0], fields))).slice(0, 16);
}

async function decodeFields(lifetime, fields) {
  const author = fields.slice(0, AUTHOR_BYTES);
  const [sequence, kindAt] = decodeVarint(fields, AUTHOR_BYTES);
  check(sequence > 0, "sequence", "A sequence starts at 1.");
  check(fields.length >= kindAt + 4, "truncated", "The record ends before its kind.");
  const minutes = (fields[kindAt] << 16) | (fields[kindAt + 1] << 8) | fields[kindAt + 2];
  const kindByte = fields[kindAt + 3];
  const refAt = kindAt + 4;
  const bodyAt = refAt + (kindByte & 1 ? REF_BYTES : 0);
  check(fields.length >= bodyAt, "truncated", "The record ends inside its ref.");
  const ref = kindByte & 1 ? fields.slice(refAt, bodyAt) : null;
  const wireBody = fields.slice(bodyAt);
  check(wireBody.length <= BODY_BYTES_MAX, "oversized", `A body is at most ${BODY_BYTES_MAX} bytes.`);
  const compressed = Boolean(kindByte & 2);
  const body = compressed ? await unpack(wireBody, BODY_BYTES_MAX) : wireBody;
  return { lifetime, author, sequence, minutes, kind: kindByte >> 2, ref, body, wireBody, compressed };
}

const signedBytes = ({ byte0, fields }, publicKey, spaceId) =>
  concat(SIGNATURE_DOMAIN, spaceId, publicKey, [byte0], fields);

function need(condition, field, message) {
  if (!condition) throw new InputError(message, field);
}

function check(condition, code, message) {
  if (!condition) throw new DecodeError(code, message);
}
