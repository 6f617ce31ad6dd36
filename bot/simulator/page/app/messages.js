// Draws messages, and lists of them.

import { renderBlocks } from "../blocks/blocks.js";
import { ask, showText } from "../blocks/confirm.js";
import { openMenu } from "../blocks/menu.js";
import { mrkdwn, spoken } from "../blocks/mrkdwn.js";
import { moveFocus } from "../blocks/popover.js";
import { messageSurface } from "../blocks/surfaces.js";
import { clockTime, dayLabel, fullMoment, moment, wall } from "../panel/time.js";
import { remove } from "./api.js";
import { avatar } from "./avatar.js";
import { h, query, queryAll, reconcile } from "./dom.js";
import { icon } from "./icons.js";
import { openChannel, openThread } from "./navigate.js";
import { showPanel } from "./shell.js";
import { names, now, person, state } from "./state.js";
import { toastError } from "./toast.js";
import { linkWork } from "./work.js";

/** @import { Item, Message } from "./types.js" */

const TOGETHER = 300; // seconds within which messages of one author share a heading
// Where nothing hovers, the tools of a message are always shown: beside its heading, which a card keeps for that.
const TOUCH = matchMedia("(hover: none)");

/**
 * The author: the person, with the name that the app chose for this message, if any.
 * @param {Message} message
 */
export function authorOf(message) {
  // Slack's own messages come from Slackbot, which is no app.
  const known = (message.user && person(message.user)) || { real_name: "Slackbot", is_bot: false };
  return { ...known, real_name: message.username || known.real_name };
}

/**
 * Draws messages into `list`. Only those that changed are drawn anew.
 * @param {HTMLElement} list
 * @param {Message[]} messages
 * @param {{inThread?: boolean, newFrom?: string|null}} options `inThread`: replies are not offered a thread of their
 *     own; `newFrom`: the ts of the message that the line "New" stands above
 */
export function drawMessages(list, messages, { inThread = false, newFrom = null } = {}) {
  const tz = state.me?.tz;
  const { today } = state;
  const setting = `${state.as} ${today} ${tz} ${state.people.length} ${state.channels.length} ${inThread}`;
  /** @type {Item[]} */
  const items = [];
  /** @type {Message|null} */
  let before = null;
  for (const message of messages) {
    const day = wall(Number(message.ts), tz).days;
    const newDay = !before || wall(Number(before.ts), tz).days !== day;
    if (newDay && !inThread) items.push(dayItem(message.ts, day, today));
    if (message.ts === newFrom)
      items.push({
        key: "new",
        sig: "new",
        build: () => h("li", { class: "new-line" }, h("span", null, "New")),
      });
    const follows = before !== null && !newDay && message.ts !== newFrom && joins(before, message);
    items.push({
      key: `${message.ts}`,
      sig: `${setting} ${follows} ${JSON.stringify(message)}`,
      build: () => drawMessage(message, { follows, inThread }),
    });
    if (inThread && message === messages[0] && messages.length > 1)
      items.push(repliesLine(messages.length - 1));
    before = message;
  }
  reconcile(list, items);
  const rows = queryAll(list, ".message");
  for (const [at, row] of rows.entries()) row.tabIndex = at === rows.length - 1 ? 0 : -1;
}

/**
 * @param {string} ts
 * @param {number} day days since 1970
 * @param {number} today
 */
function dayItem(ts, day, today) {
  const label = dayLabel(Number(ts), { tz: state.me?.tz, now: now() });
  return {
    key: `day ${day}`,
    sig: `${label} ${today}`,
    build: () => h("li", { class: "day" }, h("span", null, label)),
  };
}

/** @param {number} count */
function repliesLine(count) {
  const label = `${count} ${count === 1 ? "reply" : "replies"}`;
  return {
    key: "replies",
    sig: label,
    build: () => h("li", { class: "day day--replies" }, h("span", null, label)),
  };
}

/**
 * @param {Message} before
 * @param {Message} message
 */
function joins(before, message) {
  const sameAuthor = before.user === message.user && before.username === message.username;
  return (
    sameAuthor &&
    !before.ephemeral &&
    !message.ephemeral &&
    !before.reply_count &&
    !(TOUCH.matches && message.blocks?.length) &&
    Number(message.ts) - Number(before.ts) < TOGETHER
  );
}

/**
 * @param {Message} message
 * @param {{follows: boolean, inThread: boolean}} options
 * @returns {HTMLElement}
 */
function drawMessage(message, { follows, inThread }) {
  const author = authorOf(message);
  const tz = state.me?.tz;
  const time = h(
    "time",
    {
      class: "message__time",
      datetime: new Date(Number(message.ts) * 1000).toISOString(),
      title: fullMoment(Number(message.ts), tz),
    },
    clockTime(Number(message.ts), tz),
  );
  const head = h(
    "div",
    { class: "message__head" },
    h("span", { class: "message__author" }, author.real_name),
    author.is_bot ? h("span", { class: "badge" }, "APP") : null,
    time,
  );
  const classes = [
    "message",
    follows && "message--follows",
    message.ephemeral && "message--ephemeral",
    message.blocks?.length && "message--blocks",
  ];
  /** @type {HTMLElement} */
  const node = h(
    "li",
    {
      class: classes.filter(Boolean).join(" "),
      tabindex: -1,
      "aria-label": `${spokenMessage(message)} (${clockTime(Number(message.ts), tz)})`,
      dataset: {
        testid: `message-${message.ts}`,
        ts: message.ts,
        ephemeral: message.ephemeral ? "true" : null,
      },
      on: { keydown: (event) => onKey(event, node) },
    },
    h("div", { class: "message__gutter" }, follows ? time.cloneNode(true) : avatar(author, 36)),
    h(
      "div",
      { class: "message__main" },
      message.ephemeral ? h("div", { class: "only-you" }, icon("eye", 14), "Only visible to you") : null,
      head,
      body(message),
      filesOf(message),
      reactions(message),
      inThread ? null : threadLink(message),
    ),
    message.ephemeral ? null : toolbar(message, inThread),
  );
  return node;
}

/** @param {Message} message */
function body(message) {
  const edited = message.edited
    ? h("span", { class: "edited", title: fullMoment(Number(message.edited.ts), state.me?.tz) }, "(edited)")
    : null;
  if (message.blocks?.length) {
    const blocks = renderBlocks(message.blocks, messageSurface(message));
    if (message.bot && message.blocks.length > 1) blocks.classList.add("blocks--card");
    linkWork(blocks, message, showPanel);
    return [blocks, edited && h("div", { class: "edited-line" }, edited)];
  }
  if (!message.text && message.files?.length) return null;
  return h(
    "div",
    { class: "message__text" },
    mrkdwn(message.text, names(openChannel)),
    edited && [" ", edited],
  );
}

/** @param {Message} message */
function filesOf(message) {
  if (!message.files?.length) return null;
  return h(
    "div",
    { class: "files" },
    message.files.map((file) => {
      const address = `/files/${encodeURIComponent(file.id)}`;
      const picture = /^image\/(png|jpeg|gif)$/.test(file.mimetype);
      return h(
        "a",
        { class: "file", href: address, download: file.name, dataset: { testid: `file-${file.id}` } },
        picture ? h("img", { class: "file__picture", src: address, alt: "" }) : null,
        h("span", { class: "file__name" }, file.title),
      );
    }),
  );
}

/** @param {Message} message */
function reactions(message) {
  const given = Object.entries(message.reactions || {});
  if (!given.length) return null;
  return h(
    "div",
    { class: "reactions" },
    given.map(([name, users]) =>
      h(
        "span",
        { class: "reaction", title: users.map((id) => person(id)?.real_name || id).join(", ") },
        mrkdwn(`:${name}:`, names(openChannel)),
        ` ${users.length}`,
      ),
    ),
  );
}

/** @param {Message} message */
function threadLink(message) {
  if (!message.reply_count) return null;
  const label = `${message.reply_count} ${message.reply_count === 1 ? "reply" : "replies"}`;
  return h(
    "button",
    {
      type: "button",
      class: "thread-link",
      dataset: { testid: `thread-${message.ts}` },
      on: { click: () => openThread(message.ts) },
    },
    h(
      "span",
      { class: "thread-link__faces" },
      (message.reply_users || []).slice(0, 3).map((id) => avatar(person(id), 22)),
    ),
    h("span", { class: "thread-link__count" }, label),
    message.latest_reply
      ? h("span", { class: "thread-link__last" }, `Last ${moment(Number(message.latest_reply), names())}`)
      : null,
  );
}

/**
 * @param {Message} message
 * @param {boolean} inThread
 */
function toolbar(message, inThread) {
  /** @type {HTMLElement} */
  const more = h(
    "button",
    {
      type: "button",
      class: "iconbtn iconbtn--small",
      "aria-label": "More about this message",
      "aria-haspopup": "menu",
      "aria-expanded": "false",
      on: { click: () => openMenu(more, menuItems(message), "Message") },
    },
    icon("more", 16),
  );
  const reply = h(
    "button",
    {
      type: "button",
      class: "iconbtn iconbtn--small",
      "aria-label": "Reply in thread",
      title: "Reply in thread",
      on: { click: () => openThread(message.thread_ts || message.ts) },
    },
    icon("reply", 16),
  );
  return h("div", { class: "message__tools" }, inThread ? null : reply, more);
}

/** @param {Message} message */
function menuItems(message) {
  return [
    {
      label: [icon("braces", 16), "Show its JSON"],
      act: () => showText("Message", JSON.stringify(message, null, 2)),
    },
    { label: [icon("trash", 16), "Delete message…"], danger: true, act: () => askDelete(message) },
  ];
}

/** @param {Message} message */
async function askDelete(message) {
  const sure = await ask({
    title: "Delete this message?",
    body: "It disappears for everyone. The app is not asked.",
    confirm: "Delete",
    danger: true,
  });
  if (!sure) return;
  try {
    await remove(`messages/${message.channel}/${message.ts}`);
  } catch (error) {
    toastError(error);
  }
}

/**
 * Only when the message itself has the focus. Inside it, the keys belong to its controls.
 * @param {KeyboardEvent} event
 * @param {HTMLElement} row
 */
function onKey(event, row) {
  if (event.target !== row) return;
  if (row.parentElement && moveFocus(event, queryAll(row.parentElement, ".message"))) return;
  if (event.key === "Enter" || event.key === "ArrowRight") {
    event.preventDefault();
    query(row, "button, a[href], input, textarea")?.focus();
  }
}

/**
 * What a screen reader says of a message that arrives.
 * @param {Message} message
 */
export function spokenMessage(message) {
  const shown = message.files?.length ? `the file ${message.files[0].title}` : "a message";
  const said = message.text ? spoken(message.text, names()) : shown;
  return `${authorOf(message).real_name}${message.ephemeral ? ", only to you" : ""}: ${said}`;
}
