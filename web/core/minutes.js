// Minutes since 2025-01-01T00:00Z, as records carry them.

const EPOCH_2025_MS = Date.UTC(2025, 0, 1);
const MINUTE_MS = 60_000;
/** Three bytes: the field ends in November 2056. */
export const MINUTES_MAX = 2 ** 24 - 1;

export const minutesOf = (unixMs) => Math.floor((unixMs - EPOCH_2025_MS) / MINUTE_MS);
