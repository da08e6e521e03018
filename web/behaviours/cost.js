// What the notice costs on the radio, shown while it is written: its frame's bytes and their time on air.

import { PROFILE, radioCost } from "tntn/core/airtime.js";
import { pack } from "tntn/core/compression.js";
import { BODY_BYTES_MAX } from "tntn/core/record.js";
import { lastMeeting } from "tntn/outbox/contact.js";
import { postBody } from "tntn/outbox/writing.js";

/** Version and class, author, a sequence of two bytes, minutes, kind, signature. */
const SIGNED_OVERHEAD_BYTES = 1 + 4 + 2 + 3 + 1 + 64;
const METER_MARKS = 12;
/** Above this share of a frame the meter turns: a few words more and it no longer fits. */
const NEARLY_FULL = 0.9;

export async function showCost(form) {
  const { title, text } = form.elements;
  if (!title.value.trim()) return;
  const body = postBody(title.value, text.value);
  const { wireBody } = await pack(body);
  const profile = (await lastMeeting())?.radio ?? PROFILE;
  const cost = radioCost(SIGNED_OVERHEAD_BYTES + wireBody.length, profile);
  const box = form.querySelector("[data-cost]");
  box.querySelector("[data-frames]").textContent = cost.frames === 1 ? "1 radio frame" : `${cost.frames} radio frames`;
  box.querySelector("[data-size]").textContent = size(cost);
  box.querySelector("[data-advice]").textContent = advice(cost.frames, body.length);
  showMeter(box.querySelector("[data-meter]"), cost.bytes / profile.frameBytesMax);
}

function size({ bytes, ms, repeats }) {
  const seconds = (times) => `${((times * ms) / 1000).toFixed(1)} s`;
  const own = `${bytes} bytes, ${seconds(1)} on the air`;
  return repeats ? `${own}, ${seconds(1 + repeats)} with ${repeats === 1 ? "the repeat" : `${repeats} repeats`}` : own;
}

function advice(frames, plainBytes) {
  if (plainBytes > BODY_BYTES_MAX) return "This is more than one notice can hold. Split it in two.";
  if (frames === 1) return "Goes to the other nodes by radio.";
  return "Goes to the other nodes by radio, frame by frame. A shorter notice arrives sooner.";
}

function showMeter(meter, share) {
  const marks = Math.ceil(Math.min(share, 1) * METER_MARKS);
  meter.hidden = false;
  meter.setAttribute("role", "img");
  meter.setAttribute("aria-label", `${Math.round(share * 100)}% of a radio frame`);
  meter.replaceChildren(
    ...Array.from({ length: METER_MARKS }, (_, index) => {
      const mark = document.createElement("i");
      if (index < marks) mark.className = share > NEARLY_FULL ? "on hot" : "on";
      return mark;
    }),
  );
}
