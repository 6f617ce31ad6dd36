// Where blocks live: a message, a modal, App Home. Each gives elements.js what it needs (see there), and each
// remembers what was put into its inputs until the surface itself is gone.

import { post } from "../app/api.js";
import { openChannel } from "../app/navigate.js";
import { names, state, update } from "../app/state.js";
import { toast } from "../app/toast.js";
import { collect, initialState } from "./values.js";

const remembered = new Map(); // surface key -> Map of "block/action" -> entry

/** The surface of a message: under the channel's heading, or a level below that of the thread it is in. */
export function messageSurface(message) {
  const place = { channel: message.channel, ts: message.ts };
  return surface(
    `${state.as} ${message.channel} ${message.ts}`,
    message,
    place,
    message.thread_ts && message.thread_ts !== message.ts ? 3 : 2,
  );
}

/** The surface of a modal or of App Home. */
export function viewSurface(view) {
  return surface(`${state.as} ${view.id}`, view, { view_id: view.id }, view.type === "home" ? 2 : 3);
}

/** Forgets what was put into a view that is closed. */
export function forgetView(view) {
  remembered.delete(`${state.as} ${view.id}`);
}

function surface(key, { blocks, state: known }, place, headingLevel) {
  const as = state.as;
  if (!remembered.has(key)) remembered.set(key, new Map());
  const entries = remembered.get(key);
  const at = (block, element) => `${block.block_id}/${element.action_id}`;
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
      try {
        await post("action", { ...body, twice });
        if (twice) toast("That press was sent twice.");
      } catch (error) {
        toast(error.message, "error");
      }
    },
  };
}
