// The select menus: a button that shows what is chosen and opens a list to search and choose from.

import { ARROWS, fill, h, uid } from "../app/dom.js";
import { icon } from "../app/icons.js";
import { openPopover } from "./popover.js";

/** @import { Child, Props } from "../app/types.js" */

const SEARCH_FROM = 7;

/**
 * @typedef {{value: string, label: string, text: Child, hint?: Child[], picture?: () => Node, group?: string}} Choice
 *     `label` is what typing matches; `text` what is drawn.
 */

/**
 * @typedef {object} Given
 * @property {Choice[]} choices
 * @property {string[]} selected values chosen at the start
 * @property {boolean} multi several may be chosen
 * @property {number} [max] how many at most
 * @property {boolean} clearable none may be chosen again
 * @property {string} label what a screen reader calls it
 * @property {Child[]} placeholder shown while nothing is chosen
 * @property {Props} attributes for the button
 * @property {(values: string[]) => void} onChange
 */

/** @param {Given} given */
export function combobox(given) {
  const chosen = new Set(given.selected);
  const summary = h("span", { class: "select__value" });
  /** @type {HTMLElement} */
  const button = h(
    "button",
    {
      type: "button",
      class: "select",
      "aria-haspopup": "listbox",
      "aria-expanded": "false",
      ...given.attributes,
      on: {
        click: () => open(),
        keydown: (event) => {
          if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
          event.preventDefault();
          open();
        },
      },
    },
    summary,
    icon("chevron", 16),
  );
  const byValue = new Map(given.choices.map((choice) => [choice.value, choice]));
  const draw = () => {
    const picked = [...chosen].flatMap((value) => byValue.get(value) ?? []);
    fill(summary, picked.length ? picked.map((choice) => chip(choice, given.multi)) : given.placeholder);
    summary.classList.toggle("select__value--empty", !picked.length);
    const words = picked.map((choice) => choice.label).join(", ") || given.placeholder;
    button.setAttribute("aria-label", words ? `${given.label}: ${words}` : given.label);
  };
  const open = () => openList({ ...given, chosen, button, changed });
  const changed = () => {
    draw();
    given.onChange([...chosen]);
  };
  draw();
  return button;
}

/**
 * @param {Choice} choice
 * @param {boolean} multi
 */
function chip(choice, multi) {
  return h(
    "span",
    { class: multi ? "chip" : "select__one" },
    choice.picture?.(),
    h("span", null, choice.text),
  );
}

/** @param {Given & {chosen: Set<string>, button: HTMLElement, changed: () => void}} given */
function openList({ choices, chosen, multi, max, clearable, label, button, changed }) {
  const listId = uid("list");
  const list = h("div", {
    class: "options",
    role: "listbox",
    id: listId,
    "aria-label": label,
    "aria-multiselectable": multi ? "true" : null,
  });
  const search =
    choices.length >= SEARCH_FROM
      ? h("input", {
          class: "options__search",
          type: "text",
          role: "combobox",
          "aria-label": `Search ${label}`,
          "aria-controls": listId,
          "aria-expanded": "true",
          "aria-autocomplete": "list",
          placeholder: "Search",
          autocomplete: "off",
          spellcheck: "false",
        })
      : null;
  // The element that has the focus and gets the keys.
  const driver = search ?? list;
  const pop = h("div", { class: "options-pop" }, search, list);
  // The field keeps the focus when a row is pressed.
  list.addEventListener("mousedown", (event) => event.preventDefault());
  /** @type {HTMLElement[]} */
  let rows = [];
  let active = 0;

  /** @param {number} index */
  const highlight = (index) => {
    active = Math.max(0, Math.min(index, rows.length - 1));
    for (const [at, row] of rows.entries()) row.classList.toggle("option--active", at === active);
    if (rows[active]) {
      driver.setAttribute("aria-activedescendant", rows[active].id);
      rows[active].scrollIntoView({ block: "nearest" });
    } else driver.removeAttribute("aria-activedescendant");
  };

  /** @param {string|null} value null for none, where one may be chosen */
  const choose = (value) => {
    if (!multi || value === null) {
      chosen.clear();
      if (value !== null) chosen.add(value);
      pop.hidePopover();
      changed();
      return;
    }
    if (chosen.has(value)) chosen.delete(value);
    else if (!max || chosen.size < max) chosen.add(value);
    for (const row of rows) row.setAttribute("aria-selected", String(chosen.has(row.dataset.value ?? "")));
    changed();
  };

  /** @param {string} query */
  const drawRows = (query) => {
    const found = choices.filter((choice) => choice.label.toLowerCase().includes(query.trim().toLowerCase()));
    /** @type {HTMLElement[]} */
    const nodes = [];
    rows = [];
    /** @type {string|undefined} */
    let group;
    if (clearable && !multi && chosen.size && !query) rows.push(clearRow(choose));
    nodes.push(...rows);
    for (const choice of found) {
      if (choice.group && choice.group !== group)
        nodes.push(h("div", { class: "options__group", role: "presentation" }, choice.group));
      group = choice.group;
      const row = optionRow(choice, chosen.has(choice.value), choose);
      rows.push(row);
      nodes.push(row);
    }
    fill(
      list,
      nodes.length ? nodes : h("div", { class: "options__none", role: "presentation" }, "Nothing found"),
    );
    for (const [at, row] of rows.entries())
      row.addEventListener("pointermove", () => at !== active && highlight(at));
    const first = rows.findIndex((row) => row.getAttribute("aria-selected") === "true");
    highlight(query || first < 0 ? 0 : first);
  };

  pop.addEventListener("keydown", (event) => {
    const step = ARROWS[event.key];
    if (step) highlight(active + step);
    else if (event.key === "Home" && !search) highlight(0);
    else if (event.key === "End" && !search) highlight(rows.length - 1);
    else if (event.key === "Enter" || (event.key === " " && !search)) rows[active]?.click();
    else if (event.key === "Tab") return pop.hidePopover();
    else return undefined;
    event.stopPropagation();
    return event.preventDefault();
  });
  if (search) search.addEventListener("input", () => drawRows(search.value));
  else list.tabIndex = 0;
  drawRows("");
  openPopover(pop, button, { matchWidth: true });
  driver.focus();
  highlight(active);
}

/**
 * @param {Choice} choice
 * @param {boolean} selected
 * @param {(value: string) => void} choose
 */
function optionRow(choice, selected, choose) {
  return h(
    "div",
    {
      class: "option",
      role: "option",
      id: uid("option"),
      "aria-selected": String(selected),
      dataset: { value: choice.value },
      on: { click: () => choose(choice.value) },
    },
    choice.picture?.(),
    h(
      "span",
      { class: "option__text" },
      h("span", null, choice.text),
      choice.hint?.length ? h("span", { class: "option__hint" }, choice.hint) : null,
    ),
    icon("check", 16),
  );
}

/** @param {(value: null) => void} choose */
function clearRow(choose) {
  return h(
    "div",
    {
      class: "option option--clear",
      role: "option",
      id: uid("option"),
      "aria-selected": "false",
      on: { click: () => choose(null) },
    },
    h("span", { class: "option__text" }, "No selection"),
  );
}
