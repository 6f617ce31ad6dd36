// Short notices at the foot of the page, and announcements for screen readers.

import { reason } from "./api.js";
import { frontmost, h } from "./dom.js";
import { icon } from "./icons.js";

const STAYS = 7000; // milliseconds

/**
 * Says a sentence on screen; `kind` is "error" or "info".
 * @param {string} sentence
 * @param {string} kind
 */
export function toast(sentence, kind = "info") {
  /** @type {HTMLElement} */
  const node = h(
    "div",
    {
      class: `toast toast--${kind}`,
      role: kind === "error" ? "alert" : "status",
      dataset: { testid: "toast" },
    },
    icon(kind === "error" ? "warning" : "check", 18),
    h("span", null, sentence),
    h(
      "button",
      {
        type: "button",
        class: "iconbtn iconbtn--small",
        "aria-label": "Dismiss",
        on: { click: () => node.remove() },
      },
      icon("close", 14),
    ),
  );
  stack().append(node);
  setTimeout(() => node.remove(), STAYS);
}

/**
 * Says on screen why something did not work.
 * @param {unknown} error
 */
export function toastError(error) {
  toast(reason(error), "error");
}

// In the open dialog, if there is one: everything outside it is inert and hidden.
function stack() {
  const parent = frontmost();
  let region = [...parent.children].find((child) => child.classList.contains("toasts"));
  if (!region) {
    region = h("div", { class: "toasts" });
    parent.append(region);
  }
  return region;
}

const voice = h("div", { class: "unseen", "aria-live": "polite", dataset: { testid: "announcer" } });
document.body.append(voice);

/**
 * Says a sentence to screen readers only, politely.
 * @param {string} sentence
 */
export function announce(sentence) {
  voice.append(h("p", null, sentence));
  while (voice.children.length > 5) voice.children[0].remove();
}
