// Times in the reader's own zone and words: "6 min ago" within a day, the date beyond. The server's UTC stays where
// there are no scripts.

const MINUTE_MS = 60_000;
const STEPS = [
  ["minute", MINUTE_MS, 60],
  ["hour", 60 * MINUTE_MS, 24],
];
const { lang } = document.documentElement;
const relative = new Intl.RelativeTimeFormat(lang, { style: "short", numeric: "auto" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short" });
const dayOfYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });

export default function times(element) {
  const at = new Date(element.dateTime);
  if (Number.isNaN(at.getTime())) return;
  element.title = exact.format(at);
  element.textContent = element.dataset.form === "day" ? dateWords(at) : words(at);
}

/** A time element that keeps telling how long ago it was. */
export function timeElement(unixMs) {
  const element = document.createElement("time");
  element.dateTime = new Date(unixMs).toISOString();
  times(element);
  return element;
}

function words(at) {
  const ago = Date.now() - at;
  if (Math.abs(ago) < MINUTE_MS) return "just now";
  for (const [unit, unitMs, limit] of STEPS) {
    if (Math.abs(ago) < unitMs * limit) return relative.format(-Math.trunc(ago / unitMs), unit);
  }
  return dateWords(at);
}

const dateWords = (at) => (at.getFullYear() === new Date().getFullYear() ? day : dayOfYear).format(at);

setInterval(() => {
  if (document.visibilityState === "visible") document.querySelectorAll("time[datetime]").forEach(times);
}, MINUTE_MS);
