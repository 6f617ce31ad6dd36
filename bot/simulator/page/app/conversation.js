// The middle of the page: the open channel's header, and its messages or the app's Home.

import { guidedButton } from "../guided/guided.js";
import { createComposer } from "./composer.js";
import { fill, h, keepingFocus, query } from "./dom.js";
import { drawHome } from "./home.js";
import { icon } from "./icons.js";
import { drawMessages, spokenMessage } from "./messages.js";
import { openTab } from "./navigate.js";
import { standBy, stickToEnd } from "./scrolling.js";
import { togglePanel, toggleSidebar } from "./shell.js";
import { channelById, channelName, state, watch } from "./state.js";
import { announce } from "./toast.js";

/** @import { Composer } from "./composer.js" */
/** @import { Message } from "./types.js" */

/**
 * Builds the conversation into `main` and keeps it up to date.
 * @param {HTMLElement} main
 */
export function startConversation(main) {
  const { header, draw } = channelBar();
  const banner = h(
    "div",
    { class: "banner", role: "status", hidden: true },
    "The simulator cannot be reached. Trying again…",
  );
  const list = h("ol", { class: "messages", "aria-label": "Messages" });
  const scroller = h("div", { class: "scroller" }, list);
  const home = h("div", { class: "scroller home", role: "tabpanel", "aria-label": "Home", hidden: true });
  const composer = createComposer({
    testid: "composer",
    place: () => ({ channel: state.channel, thread: null }),
  });
  const turnedOff = h(
    "p",
    { class: "turned-off", hidden: true },
    "Sending messages to this app has been turned off.",
  );
  fill(main, header, banner, scroller, home, composer.node, turnedOff);

  watch(["channel", "channels", "people", "as", "tab"], draw);
  watch(["online"], () => {
    banner.hidden = state.online;
  });
  watch(["channel", "channels", "as", "tab", "app"], () => {
    const onHome = state.tab === "home";
    scroller.hidden = onHome;
    home.hidden = !onHome;
    const closed = channelById(state.channel)?.is_im && state.app?.takes_messages === false;
    composer.node.hidden = onHome || closed || !state.channel;
    turnedOff.hidden = onHome || !closed;
    composer.retarget();
  });
  watch(["home", "tab", "people", "today"], () => state.tab === "home" && drawHome(home));
  watchMessages(list, scroller, composer);
}

/**
 * @param {HTMLElement} list
 * @param {HTMLElement} scroller
 * @param {Composer} composer
 */
function watchMessages(list, scroller, composer) {
  /** @type {{channel: string|null, as: string|null, last: string|null}} */
  let shown = { channel: null, as: null, last: null };
  const end = stickToEnd(scroller, list);
  watch(["messages", "people", "channels", "today"], () => {
    const { messages, channel, as } = state;
    standBy(list, messages);
    if (!messages) return;
    const moved = shown.channel !== channel || shown.as !== as;
    drawMessages(list, messages, { newFrom: state.newFrom });
    drawEmpty(list, messages, composer);
    const last = messages[messages.length - 1];
    const news = !moved && last && (!shown.last || Number(last.ts) > Number(shown.last));
    if (moved || (news && last.user === as)) end();
    if (news && last.user !== as) announce(spokenMessage(last));
    shown = { channel, as, last: last?.ts ?? null };
  });
}

/**
 * @param {HTMLElement} list
 * @param {Message[]} messages
 * @param {Composer} composer
 */
function drawEmpty(list, messages, composer) {
  list.querySelector(".empty")?.remove();
  if (messages.length) return;
  const channel = channelById(state.channel);
  if (!channel) return;
  const title = channel.is_im
    ? `This is between you and ${channelName(channel)}`
    : `This is the beginning of #${channel.name}`;
  list.append(
    h(
      "li",
      { class: "empty" },
      h("h2", null, title),
      channel.is_im && state.app?.takes_messages === false
        ? h("p", null, "What concerns you arrives here.")
        : [h("p", null, "Write something, or type / to see what the app can do."), tries(composer)],
    ),
  );
}

/** @param {Composer} composer */
function tries(composer) {
  const lines = state.app?.tries || [];
  if (!lines.length) return null;
  /** @param {string} text */
  const line = (text) =>
    h(
      "li",
      null,
      h("button", { type: "button", class: "try", on: { click: () => composer.put(text) } }, text),
    );
  return [h("p", { class: "tries__lead" }, "For example:"), h("ul", { class: "tries" }, lines.map(line))];
}

function channelBar() {
  const text = h("div", { class: "bar__text" });
  const tablist = h("div", { class: "bar__tabs" });
  const header = h(
    "header",
    { class: "bar" },
    h(
      "button",
      {
        type: "button",
        class: "iconbtn bar__menu",
        "aria-label": "People and channels",
        dataset: { testid: "open-sidebar" },
        on: { click: toggleSidebar },
      },
      icon("menu"),
    ),
    text,
    tablist,
    guidedButton(),
    h(
      "button",
      {
        type: "button",
        class: "iconbtn bar__panel",
        id: "panel-toggle",
        title: "Clock, app and phone",
        dataset: { testid: "toggle-panel" },
        on: { click: togglePanel },
      },
      icon("panel"),
    ),
  );
  const draw = () => {
    const channel = channelById(state.channel);
    if (!channel) return;
    const title = h(
      "h1",
      { class: "bar__title" },
      channel.is_im ? null : icon("hash", 18),
      h("span", null, channelName(channel)),
    );
    fill(text, title, channel.topic ? h("p", { class: "bar__topic" }, channel.topic) : null);
    keepingFocus(tablist, () => fill(tablist, channel.is_im ? tabs() : null));
  };
  return { header, draw };
}

function tabs() {
  const labels = [
    ["home", "Home"],
    ["messages", "Messages"],
  ];
  const row = h("div", { class: "tabs", role: "tablist", "aria-label": "App" });
  for (const [tab, label] of labels) {
    const on = state.tab === tab;
    row.append(
      h(
        "button",
        {
          type: "button",
          class: "tab",
          role: "tab",
          "aria-selected": String(on),
          tabindex: on ? 0 : -1,
          dataset: { testid: `tab-${tab}` },
          on: {
            click: () => openTab(tab),
            keydown: (event) => {
              if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
              const other = tab === "home" ? "messages" : "home";
              openTab(other);
              query(document, `[data-testid="tab-${other}"]`)?.focus();
            },
          },
        },
        label,
      ),
    );
  }
  return row;
}
