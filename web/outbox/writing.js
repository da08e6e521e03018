// Writing: text → record → signed on this phone → in the outbox. Nothing here needs a node, once one was met.

import { encodeMap } from "tntn/core/cbor.js";
import { encodeSigned, compose, KIND, LIFETIME, recordId, sign } from "tntn/core/record.js";
import { fromHex, hex, utf8 } from "tntn/core/bytes.js";
import { InputError } from "tntn/core/errors.js";
import { minutesOf, MINUTES_MAX } from "tntn/core/minutes.js";
import { ask, lastMeeting, meetingOfPage } from "tntn/outbox/contact.js";
import { makeDevice, nextSequence, thisDevice } from "tntn/outbox/device.js";
import { add, COPIES_MAX, entries, isFinished } from "tntn/outbox/entries.js";

/** Makes this phone's key, if there is none, and introduces it to the community. */
export async function introduce(name) {
  const meeting = await knownCommunity();
  const device = (await thisDevice()) ?? (await makeDevice(name));
  if (!device.sequences[meeting.space]) {
    const body = encodeMap(new Map([[1, device.publicKey], [2, device.name]]));
    const what = { kind: KIND.DEVICE, lifetime: LIFETIME.PERMANENT, body };
    await put(device, meeting, what, { introduces: true, title: device.name });
  }
  return device;
}

/** A notice on the board, signed and in the outbox. InputError says what to change. */
export async function post(name, title, text, lifetime = LIFETIME.NORMAL) {
  const body = postBody(title, text);
  const meeting = await knownCommunity();
  await checkRoom();
  minutesToSign(meeting); // before a key is made and introduced in vain
  const device = await introduce(name);
  return put(device, meeting, { kind: KIND.POST, lifetime, body }, { title: title.trim(), text: text.trim() });
}

/** What a post's record carries: its first line is the title. */
export function postBody(title, text) {
  const heading = title.trim().replace(/\s+/gu, " ");
  if (!heading) throw new InputError("Give it a headline, such as: Cider press at ours on Sunday.", "title");
  const whole = `${heading}\n${text.replace(/\r\n?/g, "\n")}`.trim().normalize("NFC");
  return utf8(whole.replace(/[^\P{Cc}\n\t]/gu, ""));
}

async function put(device, meeting, { kind, lifetime, body }, shown) {
  const minutes = minutesToSign(meeting);
  const sequence = await nextSequence(meeting.space, await highestSeen(device, meeting.space));
  const record = await compose({ lifetime, author: device.id, sequence, minutes, kind, body });
  const space = fromHex(meeting.space);
  const signed = await sign(record, device, space);
  const id = hex(await recordId(signed, device.publicKey, space));
  const entry = { id, space: meeting.space, sequence, record: encodeSigned(signed), createdMs: Date.now(), ...shown };
  await add(entry);
  return entry;
}

async function checkRoom() {
  const copies = (await entries()).filter((entry) => !isFinished(entry)).length;
  if (copies < COPIES_MAX) return;
  throw new InputError(`${copies} of your notices wait for a second node, and this phone keeps no more. Tell a keeper.`);
}

async function knownCommunity() {
  const meeting = (await lastMeeting()) ?? meetingOfPage();
  if (meeting) return meeting;
  throw new InputError("This phone has not met a node yet. Come near one once, then write from anywhere.");
}

/** The phone's clock, corrected by what a node last said; refused when it says a year that no record can carry. */
function minutesToSign({ behindMinutes }) {
  const minutes = minutesOf(Date.now()) + behindMinutes;
  if (minutes >= 0 && minutes <= MINUTES_MAX) return minutes;
  const year = new Date().getUTCFullYear();
  const fix = "Set its date in the phone's settings, then post again. Your words stay here.";
  throw new InputError(`Your phone's clock says ${year}. ${fix}`, "minutes");
}

/** What the node has seen of a device that wrote before; one that introduces itself just now is known to nobody. */
async function highestSeen(device, space) {
  if (!device.sequences[space] || !navigator.onLine) return 0;
  const { json } = await ask(`/api/v1/devices/${device.idHex}`).catch(() => ({}));
  return json?.highest_sequence ?? 0;
}
