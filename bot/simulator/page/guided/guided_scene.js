// Goes to the place of a step, and marks what is used there.

import { query, queryAll } from "../app/dom.js";
import { become, openChannel } from "../app/navigate.js";
import { closeDrawer, showPanel } from "../app/shell.js";
import { state } from "../app/state.js";

/** @import { Play, Scene } from "../app/types.js" */

/** @typedef {HTMLInputElement|HTMLTextAreaElement} Field */

const IN_PANEL = ["phone", "clock", "app"];

/**
 * Becomes the person who acts, and opens the channel. On a narrow page the panel opens when it is needed.
 * @param {Scene} scene
 */
export async function goTo(scene) {
  unpoint();
  await become(scene.as);
  if (state.channel !== scene.channel || state.tab !== "messages" || state.thread)
    await openChannel(scene.channel);
  if (IN_PANEL.includes(scene.spot)) showPanel();
  else closeDrawer();
}

/**
 * Marks the control that is used next, and gives it. With `typed`, a command is also put into the composer.
 * @param {Scene} scene
 * @param {{typed: boolean}} options
 */
export function point({ spot, text }, { typed }) {
  const found = spot && place(spot);
  if (!found) return null;
  const [marked, control] = found;
  marked.classList.add("spot");
  marked.scrollIntoView({ block: "nearest" });
  // The marked part may be taller than its space, as a phone over the bar, so the control is scrolled to as well.
  control.scrollIntoView({ block: "nearest" });
  if (typed && text && isField(control)) write(control, text);
  return control;
}

/**
 * Scrolls to a phone that is to be answered by hand, when the bar covers a part of it.
 * @param {Play|null} play
 */
export function bringUp(play) {
  if (!play?.by_hand || play.phase !== "waiting") return;
  const { spot, as } = play.script[play.step].scene;
  const [, reply] = (spot === "phone" && as === state.as && place(spot)) || [];
  if (reply?.checkVisibility({ checkVisibilityCSS: true, visibilityProperty: true }))
    reply.closest(".phone")?.scrollIntoView({ block: "nearest" });
}

/** Removes the mark, and the command that was put into the composer with it. */
export function unpoint() {
  for (const node of document.querySelectorAll(".spot")) node.classList.remove("spot");
  if (written && written.field.value === written.text) write(written.field, written.before);
  written = null;
}

/** What was put into a field, and what was there before. @type {{field: Field, text: string, before: string}|null} */
let written = null;

/**
 * @param {Element} node
 * @returns {node is Field}
 */
function isField(node) {
  return node instanceof HTMLInputElement || node instanceof HTMLTextAreaElement;
}

/**
 * @param {Field} field
 * @param {string} text
 */
function write(field, text) {
  written = { field, text, before: field.value };
  field.value = text;
  // So that the composer keeps it as a draft, and grows.
  field.dispatchEvent(new Event("input"));
}

/**
 * What is marked for a spot, and the control in it; null where it is not in the page.
 * @param {string} spot
 * @returns {[marked: Element, control: HTMLElement]|null}
 */
function place(spot) {
  switch (spot) {
    case "composer":
      return whole(byTestId("composer"), ".composer__box");
    case "phone":
      return whole(byTestId("phone-reply"), ".phone");
    case "clock":
      return whole(byTestId("next-deadline"), ".card");
    case "app":
      return whole(byTestId("kill") || byTestId("start"), ".process");
    default: {
      const control = queryAll(document, `.main [data-action-id="${CSS.escape(spot)}"]`).at(-1);
      return control ? [control, control] : null;
    }
  }
}

/** @param {string} id */
const byTestId = (id) => query(document, `[data-testid="${id}"]`);

/**
 * @param {HTMLElement|null} control
 * @param {string} part the selector of what is marked around it
 * @returns {[marked: Element, control: HTMLElement]|null}
 */
function whole(control, part) {
  const marked = control?.closest(part);
  return control && marked ? [marked, control] : null;
}
