// The menu of guided scenarios: what each is about, and two ways to go through it.

import { h } from "../app/dom.js";
import { icon } from "../app/icons.js";

/**
 * Shows the scenarios.
 * @param {{name: string, title: string, why: string, steps: number}[]} scenarios
 * @returns {Promise<{name: string, byHand: boolean}|null>} what was chosen, if anything was.
 */
export function chooseScenario(scenarios) {
  return new Promise((resolve) => {
    let chosen = null;
    const choose = (name, byHand) => {
      chosen = { name, byHand };
      dialog.close();
    };
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
          "Each takes about a minute. Nothing is staged: it is the bot itself, at the doors that you use too.",
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
    dialog.querySelector(".scenario button")?.focus();
  });
}

function row({ name, title, why, steps }, choose) {
  const id = `scenario-${name}`;
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
