// Modal dialogs that ask one question or show one thing. The browser's own <dialog> keeps the focus inside, closes on
// Esc and gives the focus back.

import { frontmost, h, uid } from "../app/dom.js";
import { icon } from "../app/icons.js";
import { textObject } from "./mrkdwn.js";

/** @import { Child, Confirmation, Names } from "../app/types.js" */

/**
 * Shows a Block Kit confirmation object.
 * @param {Confirmation} question
 * @param {Names} names
 * @returns {Promise<boolean>} whether the person confirmed.
 */
export function confirmed(question, names) {
  return ask({
    title: textObject(question.title, names),
    body: textObject(question.text, names),
    confirm: textObject(question.confirm, names),
    deny: textObject(question.deny, names),
    danger: question.style === "danger",
  });
}

/**
 * @typedef {object} Question each text as a string or as nodes; missing ones have a default
 * @property {string|Child[]} [title]
 * @property {Child} body
 * @property {string|Child[]} [confirm]
 * @property {string|Child[]} [deny]
 * @property {boolean} [danger]
 */

/**
 * Asks a yes-or-no question.
 * @param {Question} question
 * @returns {Promise<boolean>}
 */
export function ask({ title, body, confirm, deny, danger }) {
  return new Promise((resolve) => {
    const titleId = uid("confirm");
    const bodyId = uid("confirm");
    let answer = false;
    /** @param {boolean} value */
    const close = (value) => {
      answer = value;
      dialog.close();
    };
    const no = h(
      "button",
      { type: "button", class: "btn", on: { click: () => close(false) } },
      deny?.length ? deny : "Cancel",
    );
    const yes = h(
      "button",
      {
        type: "button",
        class: `btn ${danger ? "btn--danger" : "btn--primary"}`,
        dataset: { testid: "confirm" },
        on: { click: () => close(true) },
      },
      confirm?.length ? confirm : "Yes",
    );
    const dialog = h(
      "dialog",
      { class: "dialog dialog--small", "aria-labelledby": titleId, "aria-describedby": bodyId },
      h(
        "div",
        { class: "dialog__head" },
        h("h2", { class: "dialog__title", id: titleId }, title?.length ? title : "Are you sure?"),
      ),
      h("div", { class: "dialog__body", id: bodyId }, body),
      h("div", { class: "dialog__foot" }, no, yes),
    );
    show(dialog, () => resolve(answer));
    // The focus is on "no" for a destructive action, so that a stray Enter does not confirm it.
    (danger ? no : yes).focus();
  });
}

/**
 * Shows a text as it was received, such as a message's JSON.
 * @param {string} title
 * @param {string} text
 */
export function showText(title, text) {
  const titleId = uid("dialog");
  /** @type {HTMLDialogElement} */
  const dialog = h(
    "dialog",
    { class: "dialog dialog--wide", "aria-labelledby": titleId },
    h(
      "div",
      { class: "dialog__head" },
      h("h2", { class: "dialog__title", id: titleId }, title),
      h(
        "button",
        { type: "button", class: "iconbtn", "aria-label": "Close", on: { click: () => dialog.close() } },
        icon("close"),
      ),
    ),
    h(
      "div",
      { class: "dialog__body" },
      h("pre", { class: "code-block code-block--tall", tabindex: 0 }, text),
    ),
  );
  show(dialog);
}

/**
 * @param {HTMLDialogElement} dialog
 * @param {() => void} [onClose]
 */
function show(dialog, onClose) {
  const parent = frontmost();
  dialog.addEventListener("close", () => {
    dialog.remove();
    onClose?.();
  });
  // The dialog below must not take this event for its own.
  dialog.addEventListener("cancel", (event) => event.stopPropagation());
  parent.append(dialog);
  dialog.showModal();
}
