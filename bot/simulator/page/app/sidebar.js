// The left column: the workspace, who I am, channels and direct messages.

import { avatar } from "./avatar.js";
import { ARROWS, fill, focusIndex, h, keepingFocus, queryAll } from "./dom.js";
import { icon } from "./icons.js";
import { become, openChannel } from "./navigate.js";
import { closeDrawer } from "./shell.js";
import { channelName, state, theApp, watch } from "./state.js";
import { themeButton } from "./theme.js";

/** @type {Record<string, number|undefined>} */
const SIDEWAYS = { ArrowRight: 1, ArrowLeft: -1 };

/** @import { Channel, Person } from "./types.js" */

/** @param {HTMLElement} nav */
export function startSidebar(nav) {
  const mark = h("span", { class: "workspace__mark", "aria-hidden": "true" });
  const name = h("p", { class: "workspace__name" });
  const people = h("div", { class: "people", role: "group", "aria-label": "Act as" });
  const me = h("p", { class: "me", dataset: { testid: "me" } });
  const lists = h("nav", { class: "channels", "aria-label": "Channels" });
  fill(
    nav,
    h(
      "header",
      { class: "workspace" },
      mark,
      h(
        "div",
        { class: "workspace__text" },
        name,
        h("p", { class: "workspace__line" }, "A local workspace, simulated by Countersign"),
      ),
      themeButton(),
    ),
    h("section", { class: "acting", "aria-label": "You" }, people, me),
    lists,
  );
  watch(["workspace"], () => {
    name.textContent = state.workspace?.name || "";
    mark.textContent = (state.workspace?.name || "?")[0];
    document.title = `${state.workspace?.name || "Workspace"} · Countersign`;
  });
  watch(["people", "as", "waiting"], () => keepingFocus(people, () => drawPeople(people)));
  watch(["me"], () =>
    fill(
      me,
      state.me
        ? [
            "You are ",
            h("strong", null, state.me.real_name),
            h("span", { class: "unseen" }, ", "),
            h("span", { class: "me__title" }, state.me.title || ""),
          ]
        : [],
    ),
  );
  watch(["channels", "channel", "people", "as"], () => keepingFocus(lists, () => drawChannels(lists)));
}

/** @param {HTMLElement} node */
function drawPeople(node) {
  const humans = state.people.filter((one) => !one.is_bot);
  fill(
    node,
    humans.map((one) => personButton(one)),
  );
  node.onkeydown = (event) => {
    const step = ARROWS[event.key] || SIDEWAYS[event.key];
    if (!step) return;
    event.preventDefault();
    const buttons = queryAll(node, ".person");
    const at = focusIndex(buttons);
    buttons[(at + step + buttons.length) % buttons.length].focus();
  };
}

/** @param {Person} one */
function personButton(one) {
  const on = one.id === state.as;
  const waits = !on && state.waiting.has(one.id);
  const label = `${one.real_name}${one.title ? `, ${one.title}` : ""}${waits ? ", has unread messages" : ""}`;
  return h(
    "button",
    {
      type: "button",
      class: "person",
      "aria-pressed": String(on),
      "aria-label": label,
      title: label,
      dataset: { testid: `person-${one.id}` },
      on: { click: () => become(one.id) },
    },
    h("span", { class: "person__face" }, avatar(one, 34), waits ? h("span", { class: "dot" }) : null),
    h("span", { class: "person__name", "aria-hidden": "true" }, one.real_name.split(" ")[0]),
  );
}

/** @param {HTMLElement} node */
function drawChannels(node) {
  const rooms = state.channels.filter((channel) => !channel.is_im);
  const direct = state.channels.filter((channel) => channel.is_im);
  fill(node, group("Channels", rooms), group("Direct messages", direct));
  node.onkeydown = (event) => {
    const step = ARROWS[event.key];
    const links = queryAll(node, ".channel");
    const at = focusIndex(links);
    if (!step || at < 0) return;
    event.preventDefault();
    links[(at + step + links.length) % links.length].focus();
  };
}

/**
 * @param {string} title
 * @param {Channel[]} channels
 */
function group(title, channels) {
  if (!channels.length) return null;
  const heading = title.toLowerCase().replace(/\W+/g, "-");
  return h(
    "section",
    { class: "channel-group", "aria-labelledby": heading },
    h("h2", { id: heading }, title),
    h(
      "ul",
      null,
      channels.map((channel) => h("li", null, channelButton(channel))),
    ),
  );
}

/** @param {Channel} channel */
function channelButton(channel) {
  const here = channel.id === state.channel;
  const unread = here ? 0 : channel.unread;
  const badge =
    unread && (channel.mention || channel.is_im)
      ? h("span", { class: "count", "aria-hidden": "true" }, unread)
      : null;
  return h(
    "button",
    {
      type: "button",
      class: `channel${unread ? " channel--unread" : ""}`,
      "aria-current": here ? "page" : null,
      dataset: { testid: `channel-${channel.id}` },
      on: {
        click: async () => {
          closeDrawer();
          await openChannel(channel.id, { tab: here ? state.tab : "messages" });
        },
      },
    },
    channel.is_im ? avatar(theApp(), 20) : icon("hash", 16),
    h("span", { class: "channel__name" }, channelName(channel)),
    unread ? h("span", { class: "unseen" }, `, ${unread} unread`) : null,
    badge,
  );
}
