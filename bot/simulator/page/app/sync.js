// Keeps the state equal to the simulator's. Fetches only what a change concerns.

import { nudge } from "../panel/story_sync.js";
import { get, post, Refused, Unreachable } from "./api.js";
import { state, update } from "./state.js";

/** @import { Fault, Guide, Message, Person, Phone, State, View } from "./types.js" */

const SOON = 250; // milliseconds

/**
 * @typedef {Pick<State, "me"|"groups"|"channels"|"views"|"clock"|"app"|"controls"|"workspace">
 *     & {people: (Person & {unread: number})[], phones: boolean, stories: boolean}} StateAnswer
 */

/** Fetches who I am, the channels, my modals, the clock and the app. */
export const loadState = single(async () => {
  const as = state.as;
  /** @type {StateAnswer} */
  const fresh = await get("state", { as });
  if (as !== state.as) return;
  // Unread marks are kept apart, so that a new mark alone does not redraw messages.
  const waiting = new Set(fresh.people.filter((one) => one.unread).map((one) => one.id));
  update({
    me: fresh.me,
    people: same(
      state.people,
      fresh.people.map(({ unread: _unread, ...one }) => one),
    ),
    groups: same(state.groups, fresh.groups),
    channels: same(state.channels, fresh.channels),
    views: same(state.views, fresh.views),
    clock: fresh.clock,
    clockRead: performance.now() / 1000,
    app: same(state.app, fresh.app),
    controls: same(state.controls, fresh.controls),
    workspace: same(state.workspace, fresh.workspace),
    hasPhones: fresh.phones,
    hasStories: fresh.stories,
    waiting: same(state.waiting, waiting, (set) => [...set].sort().join()),
  });
});

/** Fetches the open channel's messages. */
export const loadMessages = single(async () => {
  const { as, channel } = state;
  if (!channel) return;
  /** @type {{messages: Message[]}} */
  const { messages } = await get("messages", { as, channel });
  if (as !== state.as || channel !== state.channel) return;
  const newFrom = state.messages ? state.newFrom : firstUnread(messages, as, state.unreadAtOpening);
  update({ messages: same(state.messages, messages), newFrom });
});

/**
 * Where the line "New" stands: above the oldest of the last `count` messages by others.
 * @param {Message[]} messages
 * @param {string} as
 * @param {number} count
 */
function firstUnread(messages, as, count) {
  if (!count) return null;
  const others = messages.filter((message) => message.user !== as);
  return others[Math.max(0, others.length - count)]?.ts ?? null;
}

/** Fetches the open thread. */
export const loadThread = single(async () => {
  const { as, channel, thread } = state;
  if (!thread) return;
  /** @type {{messages: Message[]}} */
  const { messages } = await get("messages", { as, channel, thread_ts: thread });
  if (as === state.as && channel === state.channel && thread === state.thread)
    update({ replies: same(state.replies, messages) });
});

/** Fetches my App Home, when it is on screen. */
export const loadHome = single(async () => {
  if (state.tab !== "home") return;
  const as = state.as;
  /** @type {{view: View|null}} */
  const { view } = await get("home", { as });
  if (as === state.as) update({ home: same(state.home, view) });
});

/** Fetches the faults that are on. */
export const loadFaults = single(async () => {
  /** @type {{faults: (Fault & {left: number|null})[]}} */
  const { faults } = await get("faults");
  const read = performance.now();
  update({
    faults: faults.map((one) => ({ ...one, until: one.left === null ? null : read + one.left * 1000 })),
  });
});

/** Fetches my phone, where there are phones. */
export const loadPhone = single(async () => {
  const as = state.as;
  /** @type {Phone|null} */
  const phone = state.hasPhones ? await get("phone", { as }).catch(noneIfRefused) : null;
  if (as === state.as) update({ phone: same(state.phone, phone) });
});

/** Fetches the guided scenarios and the current play. */
export const loadGuide = single(async () => {
  /** @type {Guide} */
  const { scenarios, play } = await get("scenarios");
  update({ guide: same(state.guide, { scenarios, play }) });
});

export async function loadAll() {
  await loadState();
  await Promise.all([loadMessages(), loadThread(), loadHome(), loadPhone(), loadFaults(), loadGuide()]);
  nudge();
  await readOpen();
}

/** Marks the open channel as read, if someone is looking at it. */
export const readOpen = single(async () => {
  const { as, channel, channels, tab } = state;
  const unread = channels.find((one) => one.id === channel)?.unread;
  if (!unread || document.hidden || tab !== "messages") return;
  await post("read", { as, channel });
});

/**
 * Fetches what one change of the event stream concerns.
 * @param {{kind: string, channel?: string}} change
 */
export async function follow(change) {
  const here = change.channel === state.channel;
  /** @type {Record<string, (here: boolean) => unknown>} */
  const jobs = {
    message: conversation,
    ephemeral: conversation,
    view: loadState,
    read: loadState,
    clock: loadState,
    app: loadState,
    home: loadHome,
    phone: loadPhone,
    guide: loadGuide,
    people: soonState,
    fault: loadFaults,
  };
  nudge();
  const job = jobs[change.kind] || loadAll;
  await job(here);
}

/**
 * The state comes first, because it says whether the open channel has unread messages to mark as read.
 * @param {boolean} here whether it is the open one that changed
 */
async function conversation(here) {
  if (!here) return loadState();
  await Promise.all([loadState(), loadThread(), loadMessages()]);
  return readOpen();
}

/** @type {number|null} */
let timer = null;

/**
 * The simulator refuses the phone of a person who has none.
 * @param {unknown} error
 */
function noneIfRefused(error) {
  if (error instanceof Refused) return null;
  throw error;
}

// Changes that only others see set or clear unread dots. They may wait, and one fetch serves many.
function soonState() {
  if (timer !== null) return;
  timer = setTimeout(() => {
    timer = null;
    loadState();
  }, SOON);
}

/**
 * Keeps the old value when the new one is equal, so that nothing is drawn again.
 * @template Value
 * @param {Value|undefined} old
 * @param {Value} fresh
 * @param {(value: Value) => string} print
 */
function same(old, fresh, print = (value) => JSON.stringify(value)) {
  return old !== undefined && print(old) === print(fresh) ? old : fresh;
}

/**
 * Makes a loader that runs once at a time. A call during a run asks for one more run after it, because the current one
 * may have read too early; the promise covers both. When the simulator cannot be reached, nothing is raised: the event
 * stream notices that too, and the page says so.
 * @param {() => Promise<void>} load
 */
function single(load) {
  /** @type {Promise<void>|null} */
  let running = null;
  let again = false;
  const run = async () => {
    do {
      again = false;
      try {
        await load();
      } catch (error) {
        if (error instanceof Refused) console.warn(error.message);
        else if (!(error instanceof Unreachable)) throw error;
      }
    } while (again);
  };
  return () => {
    again = true;
    running ??= run().finally(() => {
      running = null;
    });
    return running;
  };
}
