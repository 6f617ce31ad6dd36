// The app's process: whether it runs, and the buttons that kill and start it.

import { post } from "../app/api.js";
import { fill, h, keepingFocus } from "../app/dom.js";
import { state, theApp, watch } from "../app/state.js";
import { control } from "./controls.js";

/** @import { App } from "../app/types.js" */

/**
 * Appends the section to `card`.
 * @param {HTMLElement} card
 */
export function startProcess(card) {
  const section = h("section", { class: "process", "aria-labelledby": "app-title" });
  card.append(section);
  watch(["app", "controls", "people", "online"], () => keepingFocus(section, () => draw(section)));
}

/** @param {HTMLElement} section */
function draw(section) {
  const { app } = state;
  if (!app) return;
  const can = new Set(state.controls);
  const stopped = app.running === false;
  const [tone, words] = standing(app, stopped);
  fill(
    section,
    h(
      "div",
      { class: "process__text" },
      h("h3", { class: "card__title", id: "app-title" }, app.name || theApp()?.real_name || "The app"),
      h(
        "p",
        { class: `status status--${tone}`, role: "status", dataset: { testid: "app-status" } },
        h("span", { class: "status__light", "aria-hidden": "true" }),
        words,
      ),
    ),
    can.has("kill") && !stopped
      ? control("kill", "Kill -9", "bolt", () => post("app/kill", {}), "control--danger")
      : null,
    can.has("start") && stopped
      ? control("start", "Start again", "power", () => post("app/start", {}), "control--go")
      : null,
    can.has("kill")
      ? h(
          "p",
          { class: "card__note" },
          stopped
            ? "Everything that waits is on disk. Start it and carry on."
            : "Stops the app without a goodbye. Nothing it acknowledged is lost.",
        )
      : null,
  );
}

/**
 * @param {App} app
 * @param {boolean} stopped
 * @returns {[tone: string, words: string]}
 */
function standing(app, stopped) {
  if (!state.online) return ["wait", "Unknown: no simulator to ask"];
  if (stopped) return ["down", "Stopped"];
  if (app.connected)
    return ["up", app.connected === "socket" ? "Connected by Socket Mode" : "Connected by HTTP"];
  return app.running ? ["wait", "Running, not connected yet"] : ["down", "Not connected"];
}
