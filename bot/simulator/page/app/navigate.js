// Who is acting and what is on screen, kept in the address so that it can be shared and restored.

import { post } from "./api.js";
import { query } from "./dom.js";
import { listen } from "./live.js";
import { state, update } from "./state.js";
import { loadHome, loadMessages, loadPhone, loadState, loadThread, readOpen } from "./sync.js";
import { toastError } from "./toast.js";

const KEY = "countersign.as";

/** Reads #as=U0ADA&channel=C0PURCHASES&thread=…&tab=home&ts=…; `as` defaults to who acted here last. */
export function fromHash() {
  const given = new URLSearchParams(location.hash.slice(1));
  return {
    as: given.get("as") || localStorage.getItem(KEY),
    channel: given.get("channel"),
    thread: given.get("thread"),
    tab: given.get("tab") === "home" ? "home" : "messages",
    ts: given.get("ts"),
  };
}

/** Writes the place into the address, without an entry in the history for each change. */
export function writeHash() {
  const { as, channel, thread, tab } = state;
  localStorage.setItem(KEY, as);
  const parts = { as, channel, thread, tab: tab === "home" ? "home" : null };
  const given = Object.entries(parts).flatMap(([name, value]) => (value ? [[name, value]] : []));
  const hash = new URLSearchParams(given).toString();
  if (location.hash.slice(1) !== hash) history.replaceState(null, "", `#${hash}`);
}

/**
 * Becomes another person. Stays in the channel if they may see it.
 * @param {string} id
 */
export async function become(id) {
  if (id === state.as) return;
  const wasIm = state.channels.find((channel) => channel.id === state.channel)?.is_im;
  update({ as: id, thread: null, replies: null, views: [], home: undefined, messages: null });
  await Promise.all([loadState(), loadPhone()]);
  const mine = state.channels.find((channel) => (wasIm ? channel.is_im : channel.id === state.channel));
  await openChannel((mine || state.channels[0])?.id, { tab: mine ? state.tab : "messages" });
  listen();
}

/**
 * Shows a channel, and in it the message `ts` if one is named.
 * @param {string|null|undefined} id
 * @param {{tab?: string, thread?: string|null, ts?: string|null}} options
 */
export async function openChannel(id, { tab = "messages", thread = null, ts = null } = {}) {
  const channel = state.channels.find((one) => one.id === id);
  if (!channel) return;
  update({
    channel: channel.id,
    tab: channel.is_im ? tab : "messages",
    thread,
    replies: null,
    messages: null,
    unreadAtOpening: channel.unread,
    newFrom: null,
  });
  writeHash();
  if (state.tab === "home") await openHome();
  await Promise.all([loadMessages(), loadThread()]);
  await readOpen();
  if (ts) query(document, `.main .message[data-ts="${CSS.escape(ts)}"]`)?.focus();
}

/**
 * Shows a tab of the app's direct message; opening Home tells the app, as Slack does.
 * @param {string} tab
 */
export async function openTab(tab) {
  update({ tab, thread: null, replies: null });
  writeHash();
  if (tab === "home") await openHome();
  else await Promise.all([loadMessages(), readOpen()]);
}

async function openHome() {
  await loadHome();
  try {
    await post("home/open", { as: state.as });
  } catch (error) {
    toastError(error);
  }
  await loadHome();
}

/**
 * Shows a thread beside the conversation; null closes it.
 * @param {string|null} ts
 */
export async function openThread(ts) {
  update({ thread: ts, replies: null });
  writeHash();
  await loadThread();
}

/** Follows an address that was edited or clicked. */
export async function followHash() {
  const wanted = fromHash();
  if (wanted.as && wanted.as !== state.as) await become(wanted.as);
  if (wanted.channel && (wanted.channel !== state.channel || wanted.tab !== state.tab || wanted.ts))
    await openChannel(wanted.channel, wanted);
  if (wanted.channel && wanted.thread !== state.thread) await openThread(wanted.thread);
}
