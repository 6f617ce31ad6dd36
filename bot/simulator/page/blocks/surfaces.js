// Where blocks live: a message, a modal, App Home. Each gives elements.js what it needs (see there), and each
// remembers what was put into its inputs until the surface itself is gone.

import { post } from "../app/api.js";
import { openChannel } from "../app/navigate.js";
import { names, state, update } from "../app/state.js";
import { toast, toastError } from "../app/toast.js";
import { workOf } from "../app/work.js";
import { collect, initialState } from "./values.js";

/** @import { Block, Entry, Interactive, Message, Surface, Values, View } from "../app/types.js" */

/** By the surface's key, entries by "block/action". @type {Map<string, Map<string, Entry>>} */
const remembered = new Map();

/**
 * The surface of a message: under the channel's heading, or a level below that of the thread it is in.
 * @param {Message} message
 */
export function messageSurface(message) {
  const place = { channel: message.channel, ts: message.ts };
  return surface(
    `${state.as} ${message.channel} ${message.ts}`,
    message,
    place,
    message.thread_ts && message.thread_ts !== message.ts ? 3 : 2,
    workOf(message),
  );
}

/**
 * The surface of a modal or of App Home.
 * @param {View} view
 */
export function viewSurface(view) {
  return surface(`${state.as} ${view.id}`, view, { view_id: view.id }, view.type === "home" ? 2 : 3);
}

/**
 * Forgets what was put into a view that is closed.
 * @param {View} view
 */
export function forgetView(view) {
  remembered.delete(`${state.as} ${view.id}`);
}

/**
 * @param {string} key
 * @param {{blocks: Block[]|null, state?: {values: Values}|null}} shown
 * @param {Record<string, string>} place how the app is told where it is
 * @param {2|3} headingLevel
 * @param {string|null} work what the app's work is called that it belongs to; a press brings it into view
 * @returns {Surface}
 */
function surface(key, { blocks, state: known }, place, headingLevel, work = null) {
  const as = state.as;
  const entries = remembered.get(key) ?? new Map();
  remembered.set(key, entries);
  /** @type {(block: Block, element: Interactive) => string} */
  const at = (block, element) => `${block.block_id}/${element.action_id}`;
  /** @type {Surface["value"]} */
  const value = (block, element) => {
    const entry = entries.get(at(block, element)) || known?.values?.[block.block_id]?.[element.action_id];
    return entry?.type === element.type ? entry : initialState(element);
  };
  return {
    headingLevel,
    names: names(openChannel),
    people: () => state.people.filter((person) => !person.is_bot),
    conversations: () => state.channels,
    value,
    set: (block, element, entry) => entries.set(at(block, element), entry),
    state: () => collect(blocks, value),
    act: async (block, element, entry) => {
      const { type, ...chosen } = entry;
      const body = {
        as,
        ...place,
        block_id: block.block_id,
        action_id: element.action_id,
        ...chosen,
        state: collect(blocks, value),
      };
      // A press that is sent twice, as by an impatient finger or a network that repeats.
      const twice = state.twice && type === "button";
      if (twice) update({ twice: false });
      if (work) update({ picked: work });
      try {
        await post("action", { ...body, twice });
        if (twice) toast("That press was sent twice.");
      } catch (error) {
        toastError(error);
      }
    },
  };
}
