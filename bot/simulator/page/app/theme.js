// The theme: light, dark, or as the system says. Loaded before anything is drawn, so that the page does not flash.

import { fill, h } from "./dom.js";
import { icon } from "./icons.js";

const KEY = "countersign.theme";
/** @type {Record<string, string>} */
const NEXT = { auto: "light", light: "dark", dark: "auto" };
/** @type {Record<string, [icon: string, label: string]>} */
const LOOK = {
  auto: ["auto", "Theme: as the system"],
  light: ["sun", "Theme: light"],
  dark: ["moon", "Theme: dark"],
};

function current() {
  const kept = localStorage.getItem(KEY);
  return kept && NEXT[kept] ? kept : "auto";
}

/** @param {string} theme */
function apply(theme) {
  document.documentElement.dataset.theme = theme;
}

export function themeButton() {
  const draw = () => {
    const [picture, label] = LOOK[current()];
    node.setAttribute("aria-label", label);
    node.title = label;
    fill(node, icon(picture, 18));
  };
  const turn = () => {
    const theme = NEXT[current()];
    localStorage.setItem(KEY, theme);
    apply(theme);
    draw();
  };
  const node = h("button", {
    type: "button",
    class: "iconbtn iconbtn--nav",
    dataset: { testid: "theme" },
    on: { click: turn },
  });
  draw();
  return node;
}

apply(current());
