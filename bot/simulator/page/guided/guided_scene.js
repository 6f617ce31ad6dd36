// Going where a step of a scenario happens, and pointing at what is used there.

import { query, queryAll } from "../app/dom.js";
import { become, openChannel } from "../app/navigate.js";
import { closeDrawer, showPanel } from "../app/shell.js";
import { state } from "../app/state.js";

/** @import { Play, Scene } from "../app/types.js" */

/** @typedef {HTMLInputElement|HTMLTextAreaElement} Field */

const IN_PANEL = ["phone", "clock", "app"];

/**
 * Becomes the person who acts, in the channel where they do; on a narrow page the panel opens where it is needed.
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
 * Marks what is used next and gives it; `typed` also puts a command where it is written.
 * @param {Scene} scene
 * @param {{typed: boolean}} options
 */
export function point({ spot, text }, { typed }) {
  const found = spot && place(spot);
  if (!found) return null;
  const [marked, control] = found;
  marked.classList.add("spot");
  marked.scrollIntoView({ block: "nearest" });
  // Where the whole is taller than its room, as a phone over the bar, what is used comes into it.
  control.scrollIntoView({ block: "nearest" });
  if (typed && text && isField(control)) write(control, text);
  return control;
}

/**
 * Scrolls to a phone that is to be answered by hand and stands half below the bar; nobody is moved elsewhere for it.
 * @param {Play|null} play
 */
export function bringUp(play) {
  if (!play?.by_hand || play.phase !== "waiting") return;
  const { spot, as } = play.script[play.step].scene;
  const [, reply] = (spot === "phone" && as === state.as && place(spot)) || [];
  if (reply?.checkVisibility({ checkVisibilityCSS: true, visibilityProperty: true }))
    reply.closest(".phone")?.scrollIntoView({ block: "nearest" });
}

/** Takes the mark away, and what was put into the composer for it. */
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
  // The composer keeps a draft, and grows.
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
