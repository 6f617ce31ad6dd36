// The top of the right column: the simulated clock. Also the button that the whole column uses.

import { post } from "../app/api.js";
import { fill, h, keepingFocus } from "../app/dom.js";
import { icon } from "../app/icons.js";
import { now, state, update, watch } from "../app/state.js";
import { toast, toastError } from "../app/toast.js";
import { moment, two, wall } from "./time.js";

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
const ARRIVED = 2; // seconds around a deadline that count as having come to it
const WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/** @param {HTMLElement} panel */
export function startClock(panel) {
  const clock = h("section", { class: "card", "aria-labelledby": "clock-title" });
  fill(panel, h("h2", { class: "unseen" }, "Clock, app and phone"), clock);
  watch(["clock", "me"], tick);
  setInterval(tick, 1000);
  watch(["controls"], () => keepingFocus(clock, () => drawClock(clock)));
}

/** @param {HTMLElement} card */
function drawClock(card) {
  const can = new Set(state.controls);
  const skips = [
    can.has("advance") && control("advance-hour", "+1 hour", "clock", () => advance({ seconds: 3600 })),
    can.has("advance") && control("advance-day", "+1 day", "skip", () => advance({ seconds: 86400 })),
    can.has("next_deadline") &&
      control("next-deadline", "Next deadline", "alarm", toNextDeadline, "control--wide"),
  ].filter(Boolean);
  fill(
    card,
    h("h3", { class: "card__title", id: "clock-title" }, "Time here"),
    h("div", { class: "clock" }, face.time, face.day),
    skips.length ? h("div", { class: "control-row" }, skips) : null,
    skips.length
      ? h(
          "p",
          { class: "card__note" },
          "Skip ahead: reminders, escalations and time-outs happen as if you had waited.",
        )
      : null,
  );
}

const face = {
  time: h("p", { class: "clock__time", dataset: { testid: "clock" } }),
  day: h("p", { class: "clock__day" }),
};

function tick() {
  if (!state.clock || !state.me) return;
  const { tz } = state.me;
  const at = wall(now(), tz);
  fill(
    face.time,
    `${two(at.hour)}:${two(at.minute)}`,
    h("span", { class: "clock__seconds" }, `:${two(at.second)}`),
  );
  fill(
    face.day,
    `${WEEKDAYS[at.weekday]}, ${at.day} ${MONTHS[at.month - 1]} ${at.year}`,
    h("span", { class: "clock__zone" }, tz.slice(tz.lastIndexOf("/") + 1).replaceAll("_", " ")),
  );
  update({ today: at.days, minute: at.hour * 60 + at.minute });
}

/** @param {{seconds: number}|{to: "next_deadline"}} body */
function advance(body) {
  return post("clock/advance", body);
}

// What is due next may belong to other work than the one in view, so the notice says which, and what it is.
async function toNextDeadline() {
  const { story } = state;
  const before = now();
  const { now: at } = await advance({ to: "next_deadline" });
  const when = `It is ${moment(at, { tz: state.me?.tz, now: before })}`;
  if (!story) return toast(`${when}: the next deadline.`);
  const own = [...story.steps, story.waiting].find(
    (wait) => wait?.timer && wait.until && Math.abs(wait.until - at) < ARRIVED,
  );
  const what = own?.timer === "reminder" ? "a reminder" : "the deadline";
  return toast(
    own ? `${when}: ${what} of “${story.title}”.` : `${when}: something other than “${story.title}” was due.`,
  );
}

/**
 * A button that is busy until `act` is done, and says why it failed.
 * @param {string} testid
 * @param {string} label
 * @param {string} picture
 * @param {() => Promise<unknown>} act
 * @param {string} extra another class
 */
export function control(testid, label, picture, act, extra = "") {
  const press = async () => {
    if (node.getAttribute("aria-busy") === "true") return;
    node.setAttribute("aria-busy", "true");
    try {
      await act();
    } catch (error) {
      toastError(error);
    } finally {
      node.removeAttribute("aria-busy");
    }
  };
  /** @type {HTMLButtonElement} */
  const node = h(
    "button",
    { type: "button", class: `control ${extra}`, dataset: { testid }, on: { click: press } },
    icon(picture, 16),
    label,
  );
  return node;
}
