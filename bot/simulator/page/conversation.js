// The middle of the page: the open channel's header, its messages or the app's Home, and the thread beside it.

import { createComposer } from "./composer.js";
import { fill, h, keepingFocus } from "./dom.js";
import { drawHome } from "./home.js";
import { icon } from "./icons.js";
import { drawMessages, spokenMessage } from "./messages.js";
import { openTab, openThread } from "./navigate.js";
import { togglePanel, toggleSidebar } from "./shell.js";
import { channelById, channelName, state, watch } from "./state.js";
import { announce } from "./toast.js";

const NEAR_END = 80; // pixels from the end that still count as reading the newest message

/** Builds the conversation into `main` and the thread pane into `aside`, and keeps them up to date. */
export function startConversation(main, aside) {
  const { header, draw } = channelBar();
  const banner = h("div", { class: "banner", role: "status", hidden: true }, "The simulator cannot be reached. Trying again…");
  const list = h("ol", { class: "messages", "aria-label": "Messages" });
  const scroller = h("div", { class: "scroller" }, list);
  const home = h("div", { class: "scroller home", role: "tabpanel", "aria-label": "Home", hidden: true });
  const composer = createComposer({ testid: "composer", place: () => ({ channel: state.channel, thread: null }) });
  fill(main, header, banner, scroller, home, composer.node);

  watch(["channel", "channels", "people", "as", "tab"], draw);
  watch(["online"], () => (banner.hidden = state.online));
  watch(["channel", "channels", "as", "tab"], () => {
    const onHome = state.tab === "home";
    scroller.hidden = onHome;
    home.hidden = !onHome;
    composer.node.hidden = onHome || !state.channel;
    composer.retarget();
  });
  watch(["home", "tab", "people", "today"], () => state.tab === "home" && drawHome(home));
  watchMessages(list, scroller);
  startThread(aside);
}

function watchMessages(list, scroller) {
  let shown = { channel: null, as: null, last: null };
  const end = stickToEnd(scroller, list);
  watch(["messages", "people", "channels", "today"], () => {
    const { messages, channel, as } = state;
    standBy(list, messages);
    if (!messages) return;
    const moved = shown.channel !== channel || shown.as !== as;
    drawMessages(list, messages, { newFrom: state.newFrom });
    drawEmpty(list, messages);
    const last = messages[messages.length - 1];
    const news = !moved && last && (!shown.last || Number(last.ts) > Number(shown.last));
    if (moved || (news && last.user === as)) end();
    if (news && last.user !== as) announce(spokenMessage(last));
    shown = { channel, as, last: last?.ts ?? null };
  });
}

// What still shows the previous place or person must not be acted on.
function standBy(list, messages) {
  list.classList.toggle("messages--loading", messages === null);
  list.inert = messages === null;
}

/**
 * Keeps the end in sight whenever the list or the room for it changes size, for as long as the reader is there.
 * Returns a function that goes to the end.
 */
function stickToEnd(scroller, list) {
  let atEnd = true;
  const end = () => {
    atEnd = true;
    scroller.scrollTop = scroller.scrollHeight;
  };
  scroller.addEventListener("scroll", () => {
    atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_END;
  });
  const observer = new ResizeObserver(() => atEnd && end());
  observer.observe(scroller);
  observer.observe(list);
  return end;
}

function drawEmpty(list, messages) {
  list.querySelector(".empty")?.remove();
  if (messages.length) return;
  const channel = channelById(state.channel);
  if (!channel) return;
  const title = channel.is_im ? `This is between you and ${channelName(channel)}` : `This is the beginning of #${channel.name}`;
  list.append(h("li", { class: "empty" }, h("h2", null, title), h("p", null, "Write something, or type / to see what the app can do.")));
}

function channelBar() {
  const text = h("div", { class: "bar__text" });
  const tablist = h("div");
  const header = h(
    "header",
    { class: "bar" },
    h("button", { type: "button", class: "iconbtn bar__menu", "aria-label": "People and channels", dataset: { testid: "open-sidebar" }, on: { click: toggleSidebar } }, icon("menu")),
    text,
    tablist,
    h("button", { type: "button", class: "iconbtn bar__panel", "aria-label": "Clock and app", title: "Clock and app", dataset: { testid: "toggle-panel" }, on: { click: togglePanel } }, icon("panel")),
  );
  const draw = () => {
    const channel = channelById(state.channel);
    if (!channel) return;
    const title = h("h1", { class: "bar__title" }, channel.is_im ? null : icon("hash", 18), h("span", null, channelName(channel)));
    fill(text, title, channel.topic ? h("p", { class: "bar__topic" }, channel.topic) : null);
    keepingFocus(tablist, () => fill(tablist, channel.is_im ? tabs() : null));
  };
  return { header, draw };
}

function tabs() {
  const names = [["home", "Home"], ["messages", "Messages"]];
  const row = h("div", { class: "tabs", role: "tablist", "aria-label": "App" });
  for (const [tab, label] of names) {
    const on = state.tab === tab;
    row.append(
      h(
        "button",
        {
          type: "button", class: "tab", role: "tab", "aria-selected": String(on), tabindex: on ? 0 : -1, dataset: { testid: `tab-${tab}` },
          on: {
            click: () => openTab(tab),
            keydown: (event) => {
              if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
              const other = tab === "home" ? "messages" : "home";
              openTab(other);
              document.querySelector(`[data-testid="tab-${other}"]`).focus();
            },
          },
        },
        label,
      ),
    );
  }
  return row;
}

function startThread(aside) {
  const list = h("ol", { class: "messages messages--thread", "aria-label": "Thread" });
  const scroller = h("div", { class: "scroller" }, list);
  const where = h("p", { class: "bar__topic" });
  const close = h("button", { type: "button", class: "iconbtn", "aria-label": "Close thread", dataset: { testid: "close-thread" }, on: { click: () => openThread(null) } }, icon("close"));
  const composer = createComposer({ testid: "thread-composer", place: () => ({ channel: state.channel, thread: state.thread }) });
  fill(aside, h("header", { class: "bar" }, h("div", { class: "bar__text" }, h("h2", { class: "bar__title" }, "Thread"), where), close), scroller, composer.node);
  const end = stickToEnd(scroller, list);
  let opener = null;
  let shown = null;
  let last = null;
  aside.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented) openThread(null);
  });
  watch(["thread"], () => {
    aside.hidden = !state.thread;
    document.body.classList.toggle("has-thread", Boolean(state.thread));
    if (state.thread && state.thread !== shown) {
      if (!shown) opener = document.activeElement;
      composer.focus();
    } else if (!state.thread && shown) opener?.focus?.();
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
