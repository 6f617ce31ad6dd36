// The page's state and its watchers. Nothing here touches the document.

/** @import { Channel, Names, State } from "./types.js" */

/** @type {State} */
export const state = {
  as: "",
  channel: null,
  tab: "messages",
  thread: null,
  me: null,
  people: [],
  groups: [],
  channels: [],
  views: [],
  clock: null,
  today: 0,
  minute: 0,
  clockRead: 0,
  app: null,
  controls: [],
  workspace: null,
  messages: null,
  replies: null,
  home: undefined,
  unreadAtOpening: 0,
  newFrom: null,
  waiting: new Set(),
  hasPhones: false,
  phone: null,
  guide: { scenarios: [], play: null },
  hasStories: false,
  work: null,
  picked: null,
  story: null,
  before: null,
  regained: null,
  faults: [],
  twice: false,
  online: true,
};

/** @type {Set<{keys: (keyof State)[], listener: () => void}>} */
const watchers = new Set();

/**
 * Calls `listener` now and whenever one of `keys` changes.
 * @param {(keyof State)[]} keys
 * @param {() => unknown} listener
 */
export function watch(keys, listener) {
  watchers.add({ keys, listener });
  listener();
}

/**
 * Changes some of the state, and calls each watcher of it once.
 * @param {Partial<State>} patch
 */
export function update(patch) {
  const names = /** @type {(keyof State)[]} */ (Object.keys(patch));
  const changed = names.filter((key) => patch[key] !== state[key]);
  if (!changed.length) return;
  Object.assign(state, patch);
  for (const { keys, listener } of watchers) if (keys.some((key) => changed.includes(key))) listener();
}

/** The simulated time in epoch seconds. It goes on between two readings. */
export function now() {
  if (!state.clock) return Date.now() / 1000;
  return state.clock.now + performance.now() / 1000 - state.clockRead;
}

/** @param {string} id */
export function person(id) {
  return state.people.find((one) => one.id === id) || null;
}

/** @param {string} id */
function group(id) {
  return state.groups.find((one) => one.id === id) || null;
}

/** @param {string|null} id */
export function channelById(id) {
  return state.channels.find((one) => one.id === id) || null;
}

/** The app: the one person who is a bot. */
export function theApp() {
  return state.people.find((one) => one.is_bot) || null;
}

/**
 * A channel's name for people. A direct message has the name of the other person.
 * @param {Channel} channel
 */
export function channelName(channel) {
  if (!channel.is_im) return channel.name;
  const other = channel.with && channel.with !== state.as ? person(channel.with) : null;
  return (other || theApp())?.real_name || channel.name;
}

/**
 * What text needs to know of the workspace.
 * @param {(channel: string) => void} [open] shows a channel
 * @returns {Names}
 */
export function names(open) {
  return { person, group, channel: channelById, me: state.as, tz: state.me?.tz || "UTC", now: now(), open };
}
