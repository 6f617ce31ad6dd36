// Keeps the story of the work in view fresh: looks when something changed, until it stands still; never in between.

import { get, Refused, Unreachable } from "../app/api.js";
import { state, update, watch } from "../app/state.js";

/** @import { Story } from "../app/types.js" */

// A change on screen is a little ahead of the history that tells of it. Milliseconds to the first look after a change,
// and to each further one while there was nothing new; then there is peace until the next change.
const PAUSES = [120, 450, 1200];
const CLOSEST = 300; // milliseconds between two looks, whatever happens

const PRAISED = 30_000; // milliseconds for which it is said that nothing was lost

/** @type {number|undefined} */
let timer;
/** @type {number|undefined} */
let praise;
let still = 0;
let lastLook = 0;

/** Something changed: look soon. */
export function nudge() {
  still = 0;
  clearTimeout(timer);
  const wait = Math.max(PAUSES[0], lastLook + CLOSEST - performance.now());
  timer = setTimeout(look, wait);
}

/** Looks whenever other work comes into view, or the app's process comes or goes. */
export function startStorySync() {
  watch(["work", "hasStories"], () => {
    if (state.story && state.story.id !== state.work) update({ story: null, regained: null });
    nudge();
  });
  let ran = true;
  watch(["app"], () => {
    const runs = state.app?.running !== false;
    if (ran && !runs) update({ regained: null, before: state.story });
    ran = runs;
    nudge();
  });
}

async function look() {
  timer = undefined;
  lastLook = performance.now();
  const id = state.work;
  if (!state.hasStories || !id || state.app?.running === false) return;
  const fresh = await fetched(id);
  if (id !== state.work || timer !== undefined) return;
  const news = fresh !== null && JSON.stringify(fresh) !== JSON.stringify(state.story);
  if (news) update({ story: fresh });
  if (fresh && state.before?.id === id) regain(state.before, fresh);
  still = news ? 1 : still + 1;
  if (still < PAUSES.length) timer = setTimeout(look, PAUSES[still]);
}

/**
 * @param {Story} before
 * @param {Story} fresh
 */
function regain(before, fresh) {
  const regained = kept(before, fresh);
  update({ before: null, regained });
  clearTimeout(praise);
  praise = setTimeout(() => update({ regained: null }), PRAISED);
}

/**
 * How many of the steps that were known before the app was killed are there again; null when one is missing.
 * @param {Story} before
 * @param {Story} fresh
 */
function kept(before, fresh) {
  const same = before.steps.every((step, at) => {
    const now = fresh.steps[at];
    return now && now.at === step.at && now.words === step.words && now.times >= step.times;
  });
  return same ? before.steps.length : null;
}

/**
 * @param {string} id
 * @returns {Promise<Story|null>}
 */
async function fetched(id) {
  try {
    return (await get(`story/${encodeURIComponent(id)}`)).story;
  } catch (error) {
    // The app is stopped, or the simulator: each is said elsewhere, and what was known stays.
    if (error instanceof Refused || error instanceof Unreachable) return null;
    throw error;
  }
}
