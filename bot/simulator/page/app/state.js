// What the page knows, and who wants to be told when it changes. Nothing here touches the document.

export const state = {
  as: null, // the acting person's ID
  channel: null, // the open channel's ID
  tab: "messages", // of the app's direct message: "messages" or "home"
  thread: null, // ts of the parent in the thread pane
  me: null,
  people: [],
  groups: [],
  channels: [],
  views: [], // my open modals, the one in front last
  clock: null,
  today: 0, // the simulated day, as days since 1970 where I am
  minute: 0, // and its minute
  clockRead: 0, // performance.now() / 1000 when `clock` was read
  app: null,
  controls: [],
  workspace: null,
  messages: null, // of `channel`; null until they are loaded
  replies: null, // of `thread`, the parent first
  home: undefined, // undefined until loaded, null when the app has published none
  unreadAtOpening: 0, // how many messages were unread when the channel was opened,
  newFrom: null, // and the ts of the first of them
  waiting: new Set(), // people with something unread
  hasPhones: false,
  phone: null, // mine; null until it is loaded, and where there are none
  guide: { scenarios: [], play: null }, // the guided scenarios, and the one that is played
  hasStories: false,
  work: null, // the ID of the app's work in view,
  picked: null, // the same where someone asked for it,
  story: null, // what it did and waits for; null until it is loaded,
  before: null, // what it was when the app was killed,
  regained: null, // and how many of those steps were there again
  faults: [], // that are on, each with `until` by performance.now()
  twice: false, // whether my next press is sent twice
  online: true,
};

const watchers = new Set();

/** Calls `listener` now and whenever one of `keys` changes. */
export function watch(keys, listener) {
  watchers.add({ keys, listener });
  listener();
}

/** Changes some of the state and tells each watcher concerned once. */
export function update(patch) {
  const changed = Object.keys(patch).filter((key) => patch[key] !== state[key]);
  if (!changed.length) return;
  Object.assign(state, patch);
  for (const { keys, listener } of watchers) if (keys.some((key) => changed.includes(key))) listener();
}

/** The simulated time in epoch seconds; it runs on between two readings. */
export function now() {
  if (!state.clock) return Date.now() / 1000;
  return state.clock.now + performance.now() / 1000 - state.clockRead;
}

export function person(id) {
  return state.people.find((one) => one.id === id) || null;
}

function group(id) {
  return state.groups.find((one) => one.id === id) || null;
}

export function channelById(id) {
  return state.channels.find((one) => one.id === id) || null;
}

/** The app: the one person who is a bot. */
export function theApp() {
  return state.people.find((one) => one.is_bot) || null;
}

/** A channel's name as a person reads it: a direct message is called after whom it is with. */
export function channelName(channel) {
  if (!channel.is_im) return channel.name;
  const other = channel.with !== state.as ? person(channel.with) : null;
  return (other || theApp())?.real_name || channel.name;
}

/** What text needs to know of the workspace (see mrkdwn.js); `open` shows a channel. */
export function names(open) {
  return { person, group, channel: channelById, me: state.as, tz: state.me?.tz || "UTC", now: now(), open };
}
