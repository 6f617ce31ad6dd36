// Instants in a person's own zone, and Slack's date tokens. An instant is epoch seconds everywhere.

const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];
const WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const DAY = 86400;
const NEAR_DAYS = new Map([
  [-1, "yesterday"],
  [0, "today"],
  [1, "tomorrow"],
]);
const ENDINGS = ["th", "st", "nd", "rd"];
/** @type {[seconds: number, name: string][]} */
const UNITS = [
  [DAY, "day"],
  [3600, "hour"],
  [60, "minute"],
];

/** @typedef {{tz?: string, now: number}} Here the zone and the moment of whoever reads */

/** @type {Map<string, Intl.DateTimeFormat>} */
const formatters = new Map();

/** @type {Intl.DateTimeFormatOptions} */
const PARTS = {
  hourCycle: "h23",
  year: "numeric",
  month: "2-digit",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
};

/** @param {string} tz */
function formatter(tz) {
  const made = formatters.get(tz) ?? newFormatter(tz);
  formatters.set(tz, made);
  return made;
}

/**
 * A zone that the browser does not know is read as UTC.
 * @param {string} tz
 */
function newFormatter(tz) {
  try {
    return new Intl.DateTimeFormat("en-CA", { ...PARTS, timeZone: tz });
  } catch {
    return new Intl.DateTimeFormat("en-CA", { ...PARTS, timeZone: "UTC" });
  }
}

/** @typedef {Record<"year"|"month"|"day"|"hour"|"minute"|"second"|"days"|"weekday", number>} Wall a clock on the wall */

/**
 * The wall clock of `tz` at `epoch`; `days` counts days since 1970 there, `weekday` is 0 on a Sunday.
 * @param {number} epoch
 * @param {string} [tz]
 * @returns {Wall}
 */
export function wall(epoch, tz) {
  /** @type {Record<string, number>} */
  const found = {};
  for (const { type, value } of formatter(tz || "UTC").formatToParts(new Date(epoch * 1000)))
    found[type] = Number(value);
  const days = Date.UTC(found.year, found.month - 1, found.day) / (DAY * 1000);
  return /** @type {Wall} */ ({ ...found, days, weekday: (((days + 4) % 7) + 7) % 7 });
}

/** @param {number} number */
export const two = (number) => String(number).padStart(2, "0");

/**
 * @param {number} epoch
 * @param {string} [tz]
 */
export function clockTime(epoch, tz) {
  const at = wall(epoch, tz);
  return `${two(at.hour)}:${two(at.minute)}`;
}

/**
 * "2026-11-21T09:30" in `tz`: what a datetime-local input holds.
 * @param {number} epoch
 * @param {string} [tz]
 */
export function toLocalInput(epoch, tz) {
  const at = wall(epoch, tz);
  return `${at.year}-${two(at.month)}-${two(at.day)}T${two(at.hour)}:${two(at.minute)}`;
}

/**
 * The instant a datetime-local value means in `tz`; null when it is not one.
 * @param {string} text
 * @param {string} [tz]
 */
export function fromLocalInput(text, tz) {
  const found = /^(\d{4,6})-(\d\d)-(\d\d)T(\d\d):(\d\d)/.exec(text);
  if (!found) return null;
  const [year, month, day, hour, minute] = found.slice(1).map(Number);
  const utc = Date.UTC(year, month - 1, day, hour, minute) / 1000;
  // The first offset is that of a guess. The second round corrects it near a change of the clocks.
  let epoch = utc;
  for (let round = 0; round < 2; round += 1) epoch = utc - offset(epoch, tz);
  return epoch;
}

/**
 * @param {number} epoch
 * @param {string} [tz]
 */
function offset(epoch, tz) {
  const at = wall(epoch, tz);
  return Date.UTC(at.year, at.month - 1, at.day, at.hour, at.minute, at.second) / 1000 - Math.floor(epoch);
}

/**
 * "Today", "Yesterday", "Thursday, 19 November": the divider between two days of a conversation.
 * @param {number} epoch
 * @param {Here} here
 */
export function dayLabel(epoch, { tz, now }) {
  const at = wall(epoch, tz);
  const relative = relativeDay(at.days - wall(now, tz).days);
  if (relative) return relative[0].toUpperCase() + relative.slice(1);
  const year = at.year === wall(now, tz).year ? "" : ` ${at.year}`;
  return `${WEEKDAYS[at.weekday]}, ${at.day} ${MONTHS[at.month - 1]}${year}`;
}

/**
 * "today at 10:42": an instant inside a sentence.
 * @param {number} epoch
 * @param {Here} here
 */
export function moment(epoch, { tz, now }) {
  const at = wall(epoch, tz);
  const relative = relativeDay(at.days - wall(now, tz).days);
  return `${relative || `${at.day} ${MONTHS[at.month - 1].slice(0, 3)}`} at ${clockTime(epoch, tz)}`;
}

/**
 * "Sat 21 November 2026, 10:42:07".
 * @param {number} epoch
 * @param {string} [tz]
 */
export function fullMoment(epoch, tz) {
  const at = wall(epoch, tz);
  return `${WEEKDAYS[at.weekday].slice(0, 3)} ${at.day} ${MONTHS[at.month - 1]} ${at.year}, ${two(at.hour)}:${two(at.minute)}:${two(at.second)}`;
}

/** @param {number} difference in days */
function relativeDay(difference) {
  return NEAR_DAYS.get(difference) ?? null;
}

/** @param {number} day */
function ordinal(day) {
  const teen = day % 100 > 10 && day % 100 < 14;
  return `${day}${(!teen && ENDINGS[day % 10]) || "th"}`;
}

/**
 * "3 hours ago", "in 2 days".
 * @param {number} epoch
 * @param {number} now
 */
export function ago(epoch, now) {
  const seconds = Math.abs(now - epoch);
  const [size, unit] = UNITS.find(([length]) => seconds >= length) ?? [1, "second"];
  const count = Math.floor(seconds / size);
  if (unit === "second" && count < 10) return "just now";
  const words = `${count} ${unit}${count === 1 ? "" : "s"}`;
  return epoch > now ? `in ${words}` : `${words} ago`;
}

/**
 * Replaces Slack's date tokens in `format`.
 * The year is left out within six months of now, and a relative day that opens the format is capitalised, as
 * Slack does. Unknown tokens stay as they are.
 * @param {number} epoch
 * @param {string} format
 * @param {Here} here
 */
export function formatDate(epoch, format, { tz, now }) {
  const at = wall(epoch, tz);
  const year = Math.abs(epoch - now) > 182 * DAY ? `, ${at.year}` : "";
  const month = MONTHS[at.month - 1];
  const long = `${WEEKDAYS[at.weekday]}, ${month} ${ordinal(at.day)}`;
  /** @type {Record<string, string|undefined>} */
  const plain = {
    date_num: `${at.year}-${two(at.month)}-${two(at.day)}`,
    date_slash: `${two(at.day)}/${two(at.month)}/${at.year}`,
    date: `${month} ${ordinal(at.day)}${year}`,
    date_short: `${month.slice(0, 3)} ${at.day}${year}`,
    date_long: `${long}${year}`,
    date_long_full: `${month} ${at.day}, ${at.year}`,
    day_divider: at.year === wall(now, tz).year ? long : `${long}, ${at.year}`,
    time: `${two(at.hour)}:${two(at.minute)}`,
    time_secs: `${two(at.hour)}:${two(at.minute)}:${two(at.second)}`,
    ago: ago(epoch, now),
  };
  const relative = relativeDay(at.days - wall(now, tz).days);
  return format.replace(/\{(\w+)\}/g, (token, /** @type {string} */ name, /** @type {number} */ position) => {
    if (!name.endsWith("_pretty")) return plain[name] ?? token;
    const otherwise = plain[name.slice(0, -"_pretty".length)];
    if (!otherwise) return token;
    if (!relative) return otherwise;
    return position === 0 ? relative[0].toUpperCase() + relative.slice(1) : relative;
  });
}

/**
 * "1 day 23 h left", "59 min 10 s left": the time that is left.
 * @param {number} seconds
 */
export function remaining(seconds) {
  if (seconds <= 0) return "Due now";
  const whole = Math.ceil(seconds);
  const days = Math.floor(whole / DAY);
  const [hours, minutes, rest] = [Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60, whole % 60];
  const parts = days
    ? [`${days} ${days === 1 ? "day" : "days"}`, `${hours} h`, `${minutes} min`]
    : hours
      ? [`${hours} h`, `${minutes} min`, `${rest} s`]
      : minutes
        ? [`${minutes} min`, `${rest} s`]
        : [`${rest} s`];
  return `${parts.join(" ")} left`;
}
