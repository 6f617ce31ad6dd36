// The thread pane, beside the conversation or over it.

import { createComposer } from "./composer.js";
import { fill, focusedIn, h, query } from "./dom.js";
import { icon } from "./icons.js";
import { drawMessages } from "./messages.js";
import { openThread } from "./navigate.js";
import { standBy, stickToEnd } from "./scrolling.js";
import { channelById, channelName, state, watch } from "./state.js";

/**
 * Builds the thread pane into `aside` and keeps it up to date; it is hidden while no thread is open.
 * @param {HTMLElement} aside
 */
export function startThread(aside) {
  const list = h("ol", { class: "messages messages--thread", "aria-label": "Thread" });
  const scroller = h("div", { class: "scroller" }, list);
  const where = h("p", { class: "bar__topic" });
  const close = h(
    "button",
    {
      type: "button",
      class: "iconbtn",
      "aria-label": "Close thread",
      dataset: { testid: "close-thread" },
      on: { click: () => openThread(null) },
    },
    icon("close"),
  );
  const composer = createComposer({
    testid: "thread-composer",
    place: () => ({ channel: state.channel, thread: state.thread }),
  });
  fill(
    aside,
    h(
      "header",
      { class: "bar" },
      h("div", { class: "bar__text" }, h("h2", { class: "bar__title" }, "Thread"), where),
      close,
    ),
    scroller,
    composer.node,
  );
  const end = stickToEnd(scroller, list);
  /** @type {HTMLElement|null} */
  let opener = null;
  /** @type {string|null} */
  let shown = null;
  /** @type {string|undefined} */
  let last;
  aside.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented) openThread(null);
  });
  watch(["thread"], () => {
    aside.hidden = !state.thread;
    document.body.classList.toggle("has-thread", Boolean(state.thread));
    if (state.thread && state.thread !== shown) {
      if (!shown) opener = focusedIn(document);
      composer.focus();
    } else if (!state.thread && shown) back(opener, shown);
    shown = state.thread;
    const channel = channelById(state.channel);
    where.textContent = channel ? (channel.is_im ? channelName(channel) : `#${channel.name}`) : "";
    composer.retarget();
  });
  watch(["replies", "people", "today"], () => {
    standBy(list, state.replies);
    if (!state.replies) return;
    drawMessages(list, state.replies, { inThread: true });
    const newest = state.replies[state.replies.length - 1]?.ts;
    if (newest !== last) end();
    last = newest;
  });
}

/**
 * The message may have been drawn anew since, and then its button is another one.
 * @param {HTMLElement|null} opener
 * @param {string} ts
 */
function back(opener, ts) {
  (opener?.isConnected ? opener : query(document, `#main [data-testid="thread-${ts}"]`))?.focus();
}
