// A menu button's list: the overflow element and the page's own menus.

import { h } from "../app/dom.js";
import { moveFocus, openPopover } from "./popover.js";

/** @import { Child } from "../app/types.js" */

/**
 * Opens a menu under `anchor`.
 * @param {HTMLElement} anchor
 * @param {{label: Child, hint?: Child[], danger?: boolean, act: () => void}[]} items
 * @param {string} label what a screen reader calls it
 */
export function openMenu(anchor, items, label) {
  const rows = items.map(({ label: text, hint, danger, act }) =>
    h(
      "button",
      {
        type: "button",
        role: "menuitem",
        tabindex: -1,
        class: `menu__item${danger ? " menu__item--danger" : ""}`,
        on: {
          click: () => {
            menu.hidePopover();
            act();
          },
        },
      },
      h("span", { class: "menu__text" }, text),
      hint?.length ? h("span", { class: "menu__hint" }, hint) : null,
    ),
  );
  const menu = h("div", { class: "menu", role: "menu", "aria-label": label }, rows);
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Tab") menu.hidePopover();
    else moveFocus(event, rows);
  });
  openPopover(menu, anchor, { align: "end" });
  rows[0]?.focus();
}
