// Where the column is short, a phone without texts is folded, to leave space for the story.

import { fill, h } from "../app/dom.js";
import { icon } from "../app/icons.js";
import { state, watch } from "../app/state.js";

const SHORT = matchMedia("(max-height: 1239px)");

/**
 * Gives the button that folds `phone`. The phone unfolds by itself when there is a text.
 * @param {HTMLElement} phone
 * @param {() => string} label
 */
export function foldButton(phone, label) {
  /** Whether they want it open, by person. @type {Map<string, boolean>} */
  const byHand = new Map();
  const node = h("button", {
    type: "button",
    class: "iconbtn iconbtn--small phone__fold",
    dataset: { testid: "phone-fold" },
    on: { click: () => turn() },
  });
  const open = () => byHand.get(state.as) ?? Boolean(state.phone?.messages.length);
  const draw = () => {
    const foldable = SHORT.matches && state.hasStories;
    node.hidden = !foldable;
    phone.classList.toggle("phone--folded", foldable && !open());
    node.setAttribute("aria-expanded", String(open()));
    node.setAttribute("aria-label", `Show ${label()}`);
    fill(node, icon("chevron", 16));
  };
  const turn = () => {
    byHand.set(state.as, !open());
    draw();
  };
  let count = 0;
  watch(["phone", "hasStories", "me"], () => {
    const arrived = state.phone?.messages.length ?? 0;
    if (arrived > count) byHand.delete(state.as);
    count = arrived;
    draw();
  });
  SHORT.addEventListener("change", draw);
  return node;
}
