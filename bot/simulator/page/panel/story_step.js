// Draws one step of a story: its mark, what happened, to whom, where and when.

import { h } from "../app/dom.js";
import { icon } from "../app/icons.js";
import { channelById, now, person, state } from "../app/state.js";
import { clockTime, fullMoment, moment, wall } from "./time.js";

/** @import { Step } from "../app/types.js" */

/** @type {Record<string, string|undefined>} */
const PICTURES = {
  start: "play",
  done: "check",
  wait: "clock",
  event: "inbox",
  timer: "alarm",
  trouble: "warning",
  end: "flag",
};

const PAUSE = 100; // seconds

/**
 * The name of a person, a group or a channel, for people.
 * @param {string} id
 */
export function named(id) {
  const channel = channelById(id);
  if (channel) return channel.is_im ? channel.name : `#${channel.name}`;
  return person(id)?.real_name || state.groups.find((group) => group.id === id)?.name || id;
}

/**
 * @param {Step} step
 * @param {string} [tz]
 */
export function drawStep(step, tz) {
  const picture = PICTURES[step.look];
  const names = [...step.where, ...step.who].map(named).join(", ");
  return h(
    "li",
    { class: `step step--${step.look}`, dataset: { look: step.look } },
    h("span", { class: "step__mark" }, picture ? icon(picture, 12) : null),
    h(
      "p",
      { class: "step__words" },
      step.words,
      step.look === "wait" && step.until ? ` for ${span(step.at, step.until, tz)}` : null,
      step.times > 1 ? h("span", { class: "step__times" }, ` ×\u2009${step.times}`) : null,
      names ? h("span", { class: "step__names" }, " · ", names) : null,
    ),
    h(
      "time",
      {
        class: "step__time",
        datetime: new Date(step.at * 1000).toISOString(),
        title: fullMoment(step.at, tz),
      },
      clockTime(step.at, tz),
    ),
    step.detail ? h("p", { class: "step__detail" }, step.detail) : null,
  );
}

/**
 * A short wait is given by its length, a deadline by its time. The day is given only when it is not today.
 * @param {number} at
 * @param {number} until
 * @param {string} [tz]
 */
function span(at, until, tz) {
  if (until - at < PAUSE) return `${Math.round(until - at)}\u00a0s`;
  return wall(until, tz).days === wall(now(), tz).days
    ? clockTime(until, tz)
    : moment(until, { tz, now: now() });
}

/**
 * What a screen reader says of a new step.
 * @param {Step} step
 */
export function stepSentence(step) {
  const names = [...step.where, ...step.who].map(named).join(", ");
  return [step.words, step.detail, names].filter(Boolean).join(", ");
}
