// Which piece of the app's work is in view: the one that was picked, the open thread's, or the newest card's. One is
// picked by its ID or by a press on its card, until the card of newer work arrives or another place is opened.

import { h } from "./dom.js";
import { state, update, watch } from "./state.js";

/** @import { Message } from "./types.js" */

/**
 * The ID of the work that this message belongs to, as the app gave it; null when it belongs to none.
 * @param {Message|null|undefined} message
 * @returns {string|null}
 */
export function workOf(message) {
  return message?.metadata?.event_payload?.instance_id ?? null;
}

/** A message of the work in view that I can see: the open thread's first message, else the newest; null without one. */
export function cardInView() {
  const own = (state.messages || []).filter(
    (message) => !message.ephemeral && workOf(message) === state.work,
  );
  return (state.work && (own.find((message) => message.ts === state.thread) ?? own.at(-1))) || null;
}

/** Keeps `state.work` the ID of the work in view. Where there is none, the last ID stays, as while looking at a phone. */
export function startWork() {
  let place = "";
  /** @type {string|null} */
  let picked = null;
  /** What had a card here when that was picked. @type {Set<string|null>} */
  let known = new Set();
  watch(["messages", "channel", "thread", "picked"], () => {
    const here = `${state.channel} ${state.thread}`;
    if (here !== place) {
      place = here;
      update({ picked: null });
    }
    const parent = state.messages?.find((message) => message.ts === state.thread);
    const cards = (state.messages || []).filter((message) => workOf(message) && !message.ephemeral);
    const newest = workOf(cards.at(-1));
    if (state.picked !== picked) {
      picked = state.picked;
      known = new Set(cards.map(workOf));
    }
    if (picked && newest && !known.has(newest)) update({ picked: null });
    const work = state.picked || workOf(parent) || newest || state.work;
    update({ work });
  });
}

/**
 * Makes the work's ID in a drawn message a button that shows it; `show` opens the panel.
 * @param {Node} drawn
 * @param {Message} message
 * @param {() => void} show
 */
export function linkWork(drawn, message, show) {
  const id = state.hasStories ? workOf(message) : null;
  const text = id && lastText(drawn, id);
  if (!id || !text) return;
  const at = text.data.lastIndexOf(id);
  const after = text.splitText(at);
  after.splitText(id.length);
  const pick = () => {
    update({ picked: id });
    show();
  };
  after.replaceWith(
    h(
      "button",
      {
        type: "button",
        class: "work-id",
        title: "Show what is happening to it",
        dataset: { testid: `work-${id}` },
        on: { click: pick },
      },
      id,
    ),
  );
}

/**
 * @param {Node} root
 * @param {string} words
 * @returns {Text|null}
 */
function lastText(root, words) {
  const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  let found = null;
  while (texts.nextNode()) {
    const text = /** @type {Text} */ (texts.currentNode);
    if (text.data.includes(words)) found = text;
  }
  return found;
}
