// Where a person writes: messages and slash commands. Enter sends, Shift+Enter breaks the line.

import { escapeText } from "../blocks/mrkdwn.js";
import { suggestionList } from "../blocks/suggest.js";
import { post, Refused, reason } from "./api.js";
import { fill, h, uid } from "./dom.js";
import { icon } from "./icons.js";
import { channelById, channelName, state } from "./state.js";
import { loadMessages } from "./sync.js";

const TALLEST = 220; // pixels

/** @typedef {{channel: string|null, thread: string|null}} Place where a line goes */

/**
 * @typedef {object} Composer
 * @property {HTMLElement} node
 * @property {() => void} focus
 * @property {(text: string) => void} put puts a line in, for the person to send
 * @property {() => void} retarget to be called when the place or the person changed: each keeps its own draft
 */

/**
 * @param {{testid: string, place: () => Place}} given
 * @returns {Composer}
 */
export function createComposer({ testid, place }) {
  /** @type {Map<string, string>} */
  const drafts = new Map();
  /** @type {string|null} */
  let key = null;
  const errorId = uid("composer-error");
  const alert = h("p", {
    class: "composer__error",
    id: errorId,
    role: "alert",
    dataset: { testid: `${testid}-error` },
  });
  const field = h("textarea", {
    class: "composer__field",
    rows: 1,
    dataset: { testid },
    "aria-describedby": errorId,
    spellcheck: "true",
  });
  const send = h(
    "button",
    { type: "submit", class: "composer__send", "aria-label": "Send", title: "Send (Enter)", disabled: true },
    icon("send", 18),
  );

  const list = suggestionList(field, ({ insert }, from) => {
    field.setRangeText(insert, from, field.selectionStart, "end");
    field.focus();
    touched();
  });
  const touched = () => {
    if (key !== null) drafts.set(key, field.value);
    field.style.height = "auto";
    field.style.height = `${Math.min(field.scrollHeight, TALLEST)}px`;
    send.disabled = !field.value.trim();
    list.refresh();
  };
  /** @param {string} sentence empty for none */
  const say = (sentence) => fill(alert, sentence ? [icon("warning", 16), sentence] : []);

  const submit = async () => {
    const text = field.value.trim();
    if (!text) return;
    const from = key;
    if (from === null) return;
    say("");
    field.value = "";
    touched();
    node.setAttribute("aria-busy", "true");
    try {
      await deliver(text, place());
    } catch (error) {
      const problem = reason(error);
      // The text is put back, unless the person has typed something else since.
      if (!drafts.get(from)) drafts.set(from, text);
      if (from === key && !field.value) field.value = text;
      touched();
      list.hide();
      await loadMessages();
      // Slack's own sentence about a command is in the conversation already.
      const told = state.messages?.some((message) => message.ephemeral && message.text === problem);
      if (from === key && !told) say(problem);
    } finally {
      node.removeAttribute("aria-busy");
    }
  };

  field.addEventListener("input", () => {
    say("");
    touched();
  });
  field.addEventListener("blur", () => list.hide());
  field.addEventListener("keydown", (event) => {
    if (event.isComposing || list.key(event)) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      submit();
    }
  });
  /** @param {Event} event */
  const pressed = (event) => {
    event.preventDefault();
    submit();
  };
  const node = h(
    "form",
    { class: "composer", on: { submit: pressed } },
    list.node,
    alert,
    h("div", { class: "composer__box" }, field, send),
    h(
      "p",
      { class: "composer__help", "aria-hidden": "true" },
      h("kbd", null, "Enter"),
      " to send · ",
      h("kbd", null, "Shift"),
      " ",
      h("kbd", null, "Enter"),
      " for a new line · ",
      h("kbd", null, "/"),
      " for commands",
    ),
  );

  return {
    node,
    focus: () => field.focus(),
    put(text) {
      field.value = text;
      touched();
      list.hide();
      field.focus();
    },
    retarget() {
      const at = place();
      const fresh = `${state.as} ${at.channel} ${at.thread}`;
      const channel = channelById(at.channel);
      const where = channel ? (channel.is_im ? channelName(channel) : `#${channel.name}`) : "";
      field.placeholder = at.thread ? "Reply…" : `Message ${where}`;
      field.setAttribute("aria-label", at.thread ? `Reply in ${where}` : `Message ${where}`);
      if (fresh === key) return;
      key = fresh;
      field.value = drafts.get(key) || "";
      say("");
      touched();
      list.hide();
    },
  };
}

/**
 * Sends a line as the acting person: a command when it starts with a slash, else a message.
 * @param {string} text
 * @param {Place} place
 */
async function deliver(text, { channel, thread }) {
  const as = state.as;
  if (text.startsWith("/") && thread)
    throw new Refused(`${text.split(/\s/)[0]} is not supported in threads. Sorry!`);
  if (text.startsWith("/")) return post("command", { as, channel, text: text.replace(/^(\/\S+)\s+/, "$1 ") });
  return post("message", { as, channel, text: referenced(text), ...(thread ? { thread_ts: thread } : {}) });
}

/**
 * Names of people and channels become references. Typed markup is escaped, so it cannot become one.
 * @param {string} text
 */
function referenced(text) {
  return escapeText(text)
    .replace(
      /(^|[\s(])@([\p{L}\p{N}_.-]*[\p{L}\p{N}_])/gu,
      (/** @type {string} */ whole, /** @type {string} */ before, /** @type {string} */ name) => {
        if (["here", "channel", "everyone"].includes(name)) return `${before}<!${name}>`;
        const found = state.people.find((one) => one.name === name);
        return found ? `${before}<@${found.id}>` : whole;
      },
    )
    .replace(
      /(^|[\s(])#([\p{L}\p{N}_-]+)/gu,
      (/** @type {string} */ whole, /** @type {string} */ before, /** @type {string} */ name) => {
        const found = state.channels.find((one) => !one.is_im && one.name === name);
        return found ? `${before}<#${found.id}>` : whole;
      },
    );
}
