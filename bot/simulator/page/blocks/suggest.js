// The list above the composer: slash commands, people and channels that match what is being typed.

import { avatar } from "../app/avatar.js";
import { ARROWS, fill, h, uid } from "../app/dom.js";
import { state, theApp } from "../app/state.js";

const MOST = 8;

/**
 * @typedef {{insert: string, title: string, hint: string, detail: string, picture?: Node}} Suggestion
 */

/**
 * The suggestions at the caret, and where the word that they replace begins.
 * @param {string} text
 * @param {number} caret
 * @returns {{from: number, found: Suggestion[]}}
 */
export function suggestions(text, caret) {
  const before = text.slice(0, caret);
  if (/^\/\S*$/.test(before)) return { from: 0, found: commands(before.slice(1)) };
  const word = /(?:^|\s)([@#])([\p{L}\p{N}_.-]*)$/u.exec(before);
  if (!word) return { from: caret, found: [] };
  const from = caret - word[2].length - 1;
  return { from, found: word[1] === "@" ? people(word[2]) : channels(word[2]) };
}

/**
 * @param {string} typed
 * @returns {Suggestion[]}
 */
function commands(typed) {
  return (state.app?.commands || [])
    .filter((command) => command.command.slice(1).startsWith(typed))
    .map((command) => ({
      insert: `${command.command} `,
      title: command.command,
      hint: command.usage_hint,
      detail: command.description,
      picture: avatar(theApp(), 24),
    }));
}

/**
 * @param {string} typed
 * @returns {Suggestion[]}
 */
function people(typed) {
  const wanted = typed.toLowerCase();
  return state.people
    .filter(
      (one) =>
        one.name.toLowerCase().startsWith(wanted) ||
        one.real_name
          .toLowerCase()
          .split(/\s+/)
          .some((part) => part.startsWith(wanted)),
    )
    .slice(0, MOST)
    .map((one) => ({
      insert: `@${one.name} `,
      title: one.real_name,
      hint: `@${one.name}`,
      detail: one.title || "",
      picture: avatar(one, 24),
    }));
}

/**
 * @param {string} typed
 * @returns {Suggestion[]}
 */
function channels(typed) {
  return state.channels
    .filter((one) => !one.is_im && one.name.startsWith(typed.toLowerCase()))
    .slice(0, MOST)
    .map((one) => ({ insert: `#${one.name} `, title: `#${one.name}`, hint: "", detail: one.topic || "" }));
}

/**
 * The list itself. Keys in `field` drive it; it never takes the focus.
 * @param {HTMLTextAreaElement} field
 * @param {(suggestion: Suggestion, from: number) => void} pick
 */
export function suggestionList(field, pick) {
  const id = uid("suggestions");
  const node = h("div", { class: "suggest", role: "listbox", id, "aria-label": "Suggestions", hidden: true });
  /** @type {Suggestion[]} */
  let found = [];
  let from = 0;
  let active = 0;
  field.setAttribute("aria-controls", id);
  field.setAttribute("aria-autocomplete", "list");

  const draw = () => {
    node.hidden = !found.length;
    fill(
      node,
      found.map((one, at) => row(one, at === active, () => choose(at))),
    );
    const row_ = node.children[active];
    if (row_) {
      field.setAttribute("aria-activedescendant", row_.id);
      row_.scrollIntoView({ block: "nearest" });
    } else field.removeAttribute("aria-activedescendant");
  };
  /** @param {number} at */
  const choose = (at) => {
    const chosen = found[at];
    hide();
    pick(chosen, from);
  };
  const hide = () => {
    found = [];
    draw();
  };
  return {
    node,
    hide,
    refresh() {
      ({ from, found } = suggestions(field.value, field.selectionStart));
      // A complete word needs no suggestion, and Enter must send then.
      const typed = field.value.slice(from, field.selectionStart);
      if (found.length === 1 && found[0].insert.trim() === typed) found = [];
      active = 0;
      draw();
    },
    /**
     * Handles a key if the list is open; returns whether it did.
     * @param {KeyboardEvent} event
     */
    key(event) {
      if (!found.length) return false;
      const step = ARROWS[event.key];
      if (step) active = (active + step + found.length) % found.length;
      else if (event.key === "Tab" || event.key === "Enter") choose(active);
      else if (event.key === "Escape") hide();
      else return false;
      if (step) draw();
      event.preventDefault();
      return true;
    },
  };
}

/**
 * @param {Suggestion} one
 * @param {boolean} active
 * @param {() => void} choose
 */
function row(one, active, choose) {
  return h(
    "div",
    {
      class: `suggest__row${active ? " suggest__row--active" : ""}`,
      role: "option",
      id: uid("suggestion"),
      "aria-selected": String(active),
      // The field keeps the focus.
      on: { mousedown: (event) => event.preventDefault(), click: choose },
    },
    one.picture || null,
    h("span", { class: "suggest__title" }, one.title),
    one.hint ? h("span", { class: "suggest__hint" }, one.hint) : null,
    one.detail ? h("span", { class: "suggest__detail" }, one.detail) : null,
  );
}
