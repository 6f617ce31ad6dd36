// Keeps the story of the work in view fresh: fetches it after a change, until it stops changing.

import { get, Refused, Unreachable } from "../app/api.js";
import { now, state, update, watch } from "../app/state.js";

/** @import { Story } from "../app/types.js" */

// Milliseconds to the first fetch after a change, and between further ones while nothing is new. The history is a little
// behind the screen, so one fetch is not enough. After the last there is none until the next change, unless what is waited
// for is overdue: after a skip the app catches up, which takes a while.
const PAUSES = [120, 450, 1200];
const CLOSEST = 300; // milliseconds at least between two fetches

const REASSURED = 30_000; // milliseconds for which the page says that nothing was lost

/** @type {number|undefined} */
let timer;
/** @type {number|undefined} */
let reassurance;
let still = 0;
let lastLook = 0;

/** Something changed, so fetch soon. */
export function nudge() {
  still = 0;
  clearTimeout(timer);
  const wait = Math.max(PAUSES[0], lastLook + CLOSEST - performance.now());
  timer = setTimeout(look, wait);
}

/** Fetches whenever other work comes into view, or the app's process starts or stops. */
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
  const late = Boolean(fresh?.waiting?.until && fresh.waiting.until <= now());
  if (late || still < PAUSES.length) timer = setTimeout(look, PAUSES[still] ?? PAUSES.at(-1));
}

/**
 * @param {Story} before
 * @param {Story} fresh
 */
function regain(before, fresh) {
  const regained = kept(before, fresh);
  update({ before: null, regained });
  clearTimeout(reassurance);
  reassurance = setTimeout(() => update({ regained: null }), REASSURED);
}

/**
 * How many steps were known before the app was killed; null when one of them is not there any more.
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
    // The app or the simulator is stopped. The page says so elsewhere, and keeps the story it has.
    if (error instanceof Refused || error instanceof Unreachable) return null;
    throw error;
  }
}
