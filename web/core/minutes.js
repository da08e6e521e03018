// Minutes since 2025-01-01T00:00Z, as records carry them. A phone's clock is a claim: it is corrected by what a
// node last said, and refused when the year is beyond what the field can say.

import { InputError } from "tntn/core/errors.js";

const EPOCH_2025_MS = Date.UTC(2025, 0, 1);
const MINUTE_MS = 60_000;
/** Three bytes: the field ends in November 2056. */
export const MINUTES_MAX = 2 ** 24 - 1;

export const minutesOf = (unixMs) => Math.floor((unixMs - EPOCH_2025_MS) / MINUTE_MS);

export const unixMsOf = (minutes) => EPOCH_2025_MS + minutes * MINUTE_MS;

/** The minute to sign, given how far the phone's clock runs behind the node's (in minutes, may be negative). */
export function minutesToSign(unixMs, behindMinutes = 0) {
  const minutes = minutesOf(unixMs) + behindMinutes;
  if (minutes < 0 || minutes > MINUTES_MAX) {
    const year = new Date(unixMs).getUTCFullYear();
    throw new InputError(
      `Your phone's clock says ${year}. Set its date in the phone's settings, then post again. Your words stay here.`,
      "minutes",
    );
  }
  return minutes;
}
