// Going where a step of a scenario happens, and pointing at what is used there.

import { become, openChannel } from "../app/navigate.js";
import { closeDrawer, showPanel } from "../app/shell.js";
import { state } from "../app/state.js";

const IN_PANEL = ["phone", "clock", "app"];

/** Becomes the person who acts, in the channel where they do; on a narrow page the panel opens where it is needed. */
export async function goTo(scene) {
  unpoint();
  await become(scene.as);
  if (state.channel !== scene.channel || state.tab !== "messages" || state.thread)
    await openChannel(scene.channel);
  if (IN_PANEL.includes(scene.spot)) showPanel();
  else closeDrawer();
}

/** Marks what is used next and gives it; `typed` also puts a command where it is written. */
export function point({ spot, text }, { typed }) {
  const found = spot && place(spot);
  if (!found) return null;
  const [marked, control] = found;
  marked.classList.add("spot");
  marked.scrollIntoView({ block: "nearest" });
  // Where the whole is taller than its room, as a phone over the bar, what is used comes into it.
  control.scrollIntoView({ block: "nearest" });
  if (typed && text) write(control, text);
  return control;
}

/** Scrolls to a phone that is to be answered by hand and stands half below the bar; nobody is moved elsewhere for it. */
export function bringUp(play) {
  if (!play?.by_hand || play.phase !== "waiting") return;
  const { spot, as } = play.script[play.step].scene;
  const [, reply] = (spot === "phone" && as === state.as && place(spot)) || [];
  if (reply?.checkVisibility({ checkVisibilityCSS: true, visibilityProperty: true }))
    reply.closest(".phone").scrollIntoView({ block: "nearest" });
}

/** Takes the mark away, and what was put into the composer for it. */
export function unpoint() {
  for (const node of document.querySelectorAll(".spot")) node.classList.remove("spot");
  if (written && written.field.value === written.text) write(written.field, written.before);
  written = null;
}

let written = null;

function write(field, text) {
  written = { field, text, before: field.value };
  field.value = text;
  // The composer keeps a draft, and grows.
  field.dispatchEvent(new Event("input"));
}

// What is marked, and the control in it.
function place(spot) {
  const testid = (id) => document.querySelector(`[data-testid="${id}"]`);
  const whole = (control, part) => control && [control.closest(part), control];
  switch (spot) {
    case "composer":
      return whole(testid("composer"), ".composer__box");
    case "phone":
      return whole(testid("phone-reply"), ".phone");
    case "clock":
      return whole(testid("next-deadline"), ".card");
    case "app":
      return whole(testid("kill") || testid("start"), ".process");
    default: {
      const control = [...document.querySelectorAll(`.main [data-action-id="${CSS.escape(spot)}"]`)].pop();
      return control && [control, control];
    }
  }
}
