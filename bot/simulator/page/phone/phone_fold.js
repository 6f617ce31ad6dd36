// Where the column is short, a phone that nobody needs now is folded, to leave space for the story.

import { fill, h } from "../app/dom.js";
import { icon } from "../app/icons.js";
import { state, watch } from "../app/state.js";

const SHORT = matchMedia("(max-height: 1239px)");

/**
 * Gives the button that folds `phone`, and a line with its last text, which is shown while it is folded.
 *
 * The phone unfolds by itself when a text arrives, and folds again once the work in view waits for no reply from it.
 * @param {HTMLElement} phone
 * @param {() => string} label
 */
export function folding(phone, label) {
  /** Whether it is to be open, by person; until then it is where there is a text. @type {Map<string, boolean>} */
  const wanted = new Map();
  const node = h("button", {
    type: "button",
    class: "iconbtn iconbtn--small phone__fold",
    dataset: { testid: "phone-fold" },
    on: { click: () => turn() },
  });
  const last = h("p", { class: "phone__last", dataset: { testid: "phone-last" } });
  const open = () => wanted.get(state.as) ?? Boolean(state.phone?.messages.length);
  const draw = () => {
    const foldable = SHORT.matches && state.hasStories;
    const folded = foldable && !open();
    node.hidden = !foldable;
    const inside = phone.contains(document.activeElement);
    phone.classList.toggle("phone--folded", folded);
    if (folded && inside) node.focus();
    last.textContent = (folded && state.phone?.messages.at(-1)?.body) || "";
    node.setAttribute("aria-expanded", String(open()));
    node.setAttribute("aria-label", `Show ${label()}`);
    fill(node, icon("chevron", 16));
  };
  const turn = () => {
    wanted.set(state.as, !open());
    draw();
  };
  /** How many texts each had. @type {Map<string, number>} */
  const counts = new Map();
  let awaited = "";
  /** Whose phone is to be folded with the next text: the app's answer to the reply. @type {string|null} */
  let used = null;
  watch(["hasStories", "me"], draw);
  // Not with `me`: for a moment the phone is still that of the person before.
  watch(["phone"], () => {
    const { as, phone: held } = state;
    if (held) {
      if (held.messages.length > (counts.get(as) ?? held.messages.length)) wanted.delete(as);
      counts.set(as, held.messages.length);
    }
    fold();
  });
  watch(["story"], () => {
    const { story } = state;
    if (awaited && awaited === story?.id && !story.waiting?.by_phone) used = state.as;
    awaited = (story?.waiting?.by_phone && story.id) || "";
    if (awaited) used = null;
    fold();
  });
  /** Folds it where its use is over and answered. */
  function fold() {
    const text = state.phone?.messages.at(-1);
    if (used === state.as && text?.direction === "in") {
      used = null;
      wanted.set(state.as, false);
    }
    draw();
  }
  SHORT.addEventListener("change", draw);
  return { button: node, last };
}
