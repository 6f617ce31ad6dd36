// The select menus: a button that shows what is chosen and opens a list to search and choose from.

import { fill, h, uid } from "../app/dom.js";
import { icon } from "../app/icons.js";
import { openPopover } from "./popover.js";

const SEARCH_FROM = 7;

/**
 * @typedef {{value: string, label: string, text: Array, hint?: Array, picture?: () => Node, group?: string}} Choice
 *     `label` is what typing matches; `text` what is drawn.
 * @param {object} given
 * @param {Choice[]} given.choices
 * @param {string[]} given.selected values chosen at the start
 * @param {boolean} given.multi several may be chosen
 * @param {number} [given.max] how many at most
 * @param {boolean} [given.clearable] none may be chosen again
 * @param {string} given.label what a screen reader calls it
 * @param {Array} given.placeholder shown while nothing is chosen
 * @param {object} given.attributes for the button
 * @param {(values: string[]) => void} given.onChange
 */
export function combobox(given) {
  const chosen = new Set(given.selected);
  const summary = h("span", { class: "select__value" });
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
    const picked = [...chosen].map((value) => byValue.get(value)).filter(Boolean);
    fill(summary, picked.length ? picked.map((choice) => chip(choice, given.multi)) : given.placeholder);
    summary.classList.toggle("select__value--empty", !picked.length);
    const words = picked.map((choice) => choice.label).join(", ");
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

function chip(choice, multi) {
  return h(
    "span",
    { class: multi ? "chip" : "select__one" },
    choice.picture?.(),
    h("span", null, choice.text),
  );
}

function openList({ choices, chosen, multi, max, clearable, label, button, changed }) {
  const listId = uid("list");
  const list = h("div", {
    class: "options",
    role: "listbox",
    id: listId,
    "aria-label": label,
    "aria-multiselectable": multi ? "true" : null,
  });
  const searchable = choices.length >= SEARCH_FROM;
  const driver = searchable
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
    : list;
  const pop = h("div", { class: "options-pop" }, searchable ? driver : null, list);
  // The field keeps the focus, and with it the keys, when a row is pressed.
  list.addEventListener("mousedown", (event) => event.preventDefault());
  let rows = [];
  let active = 0;

  const highlight = (index) => {
    active = Math.max(0, Math.min(index, rows.length - 1));
    for (const [at, row] of rows.entries()) row.classList.toggle("option--active", at === active);
    if (rows[active]) {
      driver.setAttribute("aria-activedescendant", rows[active].id);
      rows[active].scrollIntoView({ block: "nearest" });
    } else driver.removeAttribute("aria-activedescendant");
  };

  const choose = (value) => {
    if (!multi) {
      chosen.clear();
      if (value !== null) chosen.add(value);
      pop.hidePopover();
      changed();
      return;
    }
    if (chosen.has(value)) chosen.delete(value);
    else if (!max || chosen.size < max) chosen.add(value);
    for (const row of rows) row.setAttribute("aria-selected", String(chosen.has(row.dataset.value)));
    changed();
  };

  const drawRows = (query) => {
    const found = choices.filter((choice) => choice.label.toLowerCase().includes(query.trim().toLowerCase()));
    const nodes = [];
    rows = [];
    let group = null;
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
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) highlight(active + step);
    else if (event.key === "Home" && !searchable) highlight(0);
    else if (event.key === "End" && !searchable) highlight(rows.length - 1);
    else if (event.key === "Enter" || (event.key === " " && !searchable)) rows[active]?.click();
    else if (event.key === "Tab") return pop.hidePopover();
    else return undefined;
    event.stopPropagation();
    return event.preventDefault();
  });
  if (searchable) driver.addEventListener("input", () => drawRows(driver.value));
  else list.tabIndex = 0;
  drawRows("");
  openPopover(pop, button, { matchWidth: true });
  driver.focus();
  highlight(active);
}

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
