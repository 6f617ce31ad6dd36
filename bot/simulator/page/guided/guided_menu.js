// The menu of guided scenarios: what each is about, and two ways to play it.

import { h, query } from "../app/dom.js";
import { icon } from "../app/icons.js";

/** @import { Scenario } from "../app/types.js" */

/** @typedef {{name: string, byHand: boolean}} Chosen */

/**
 * Shows the scenarios.
 * @param {Scenario[]} scenarios
 * @returns {Promise<Chosen|null>}
 */
export function chooseScenario(scenarios) {
  return new Promise((resolve) => {
    /** @type {Chosen|null} */
    let chosen = null;
    /** @type {(name: string, byHand: boolean) => void} */
    const choose = (name, byHand) => {
      chosen = { name, byHand };
      dialog.close();
    };
    /** @type {HTMLDialogElement} */
    const dialog = h(
      "dialog",
      { class: "dialog scenarios", "aria-labelledby": "scenarios-title", dataset: { testid: "scenarios" } },
      h(
        "div",
        { class: "dialog__head" },
        h("h2", { class: "dialog__title", id: "scenarios-title" }, "Guided scenarios"),
        h(
          "button",
          { type: "button", class: "iconbtn", "aria-label": "Close", on: { click: () => dialog.close() } },
          icon("close"),
        ),
      ),
      h(
        "div",
        { class: "dialog__body" },
        h(
          "p",
          { class: "scenarios__lead" },
          "Each takes about a minute. The bot is the real one, and a scenario does only what you could do.",
        ),
        h(
          "ul",
          null,
          scenarios.map((one) => row(one, choose)),
        ),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(chosen);
    });
    document.body.append(dialog);
    dialog.showModal();
    query(dialog, ".scenario button")?.focus();
  });
}

/**
 * @param {Scenario} scenario
 * @param {(name: string, byHand: boolean) => void} choose
 */
function row({ name, title, why, steps }, choose) {
  const id = `scenario-${name}`;
  /** @type {(byHand: boolean, label: string, tone: string) => HTMLElement} */
  const way = (byHand, label, tone) =>
    h(
      "button",
      {
        type: "button",
        class: `btn${tone}`,
        "aria-describedby": id,
        dataset: { testid: `${byHand ? "hand" : "play"}-${name}` },
        on: { click: () => choose(name, byHand) },
      },
      label,
    );
  return h(
    "li",
    { class: "scenario" },
    h(
      "div",
      { class: "scenario__text" },
      h(
        "h3",
        { class: "scenario__title", id },
        title,
        h("span", { class: "scenario__steps" }, `${steps} steps`),
      ),
      h("p", null, why),
    ),
    h(
      "div",
      { class: "scenario__ways" },
      way(false, "Play it for me", " btn--primary"),
      way(true, "Let me do it", ""),
    ),
  );
}
