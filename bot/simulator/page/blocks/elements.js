// Block Kit's interactive elements. Every interactive node carries data-action-id and data-block-id.

import { avatar } from "../app/avatar.js";
import { h, uid } from "../app/dom.js";
import { icon } from "../app/icons.js";
import { fromLocalInput, toLocalInput } from "../panel/time.js";
import { combobox } from "./combobox.js";
import { confirmed } from "./confirm.js";
import { image, textInput } from "./inputs.js";
import { openMenu } from "./menu.js";
import { safeUrl, textObject } from "./mrkdwn.js";
import { fieldOf, isTextInput } from "./values.js";

/** @import { Choice } from "./combobox.js" */
/** @import { Block, BlockElement, ButtonElement, Entry, Interactive, Surface } from "../app/types.js" */
/** @import { Channel, Option, OptionsElement, Person, SelectElement } from "../app/types.js" */

/**
 * Renders an element; `label` is the id of its visible label in an input block.
 * @param {BlockElement} element
 * @param {Block} block
 * @param {Surface} surface
 * @param {string|null} label
 * @returns {HTMLElement}
 */
export function renderElement(element, block, surface, label = null) {
  if (element.type === "image") return image(element);
  if (isTextInput(element)) return textInput(element, block, surface, label);
  const render = RENDERERS[element.type];
  return render ? render(element, block, surface, label) : unsupported("element", element.type);
}

/**
 * Says that something is not drawn, instead of leaving it out.
 * @param {string} what
 * @param {string} type
 */
export function unsupported(what, type) {
  return h("div", { class: "unsupported" }, `This simulator does not draw the ${what} type “${type}”.`);
}

/**
 * By the type of the element, so that each is given its own kind.
 * @type {Record<string, (element: any, block: Block, surface: Surface, label: string|null) => HTMLElement>}
 */
const RENDERERS = {
  button,
  overflow,
  radio_buttons: choiceList,
  checkboxes: choiceList,
  datepicker: dateInput,
  timepicker: dateInput,
  datetimepicker: dateInput,
  static_select: select,
  multi_static_select: select,
  users_select: select,
  multi_users_select: select,
  conversations_select: select,
  multi_conversations_select: select,
  channels_select: select,
  multi_channels_select: select,
};

/**
 * @param {Interactive} element
 * @param {Block} block
 */
function hooks(element, block) {
  return { actionId: element.action_id, blockId: block.block_id, type: element.type };
}

/**
 * Asks the element's confirm question, if any, then acts. Meanwhile `node` is shown as busy.
 * @param {Interactive} element
 * @param {Block} block
 * @param {Surface} surface
 * @param {Entry} entry
 * @param {HTMLElement} node
 * @returns {Promise<boolean>} whether the app was told
 */
async function fire(element, block, surface, entry, node) {
  if (node.getAttribute("aria-busy") === "true") return false;
  if (element.confirm && !(await confirmed(element.confirm, surface.names))) return false;
  node.setAttribute("aria-busy", "true");
  try {
    await surface.act(block, element, entry);
  } finally {
    node.removeAttribute("aria-busy");
  }
  return true;
}

/**
 * Keeps a new value, and tells the app where it wants to know at once.
 * @param {Interactive} element
 * @param {Block} block
 * @param {Surface} surface
 * @param {unknown} value
 * @param {HTMLElement} node
 */
async function changed(element, block, surface, value, node) {
  const entry = { type: element.type, [fieldOf(element)]: value };
  if (block.type === "input" && !block.dispatch_action) return surface.set(block, element, entry);
  const before = surface.value(block, element);
  surface.set(block, element, entry);
  if (await fire(element, block, surface, entry, node)) return undefined;
  return surface.set(block, element, before);
}

/** @type {Record<string, string>} */
const STYLES = { primary: " btn--primary", danger: " btn--danger" };

/**
 * @param {ButtonElement} element
 * @param {Block} block
 * @param {Surface} surface
 */
function button(element, block, surface) {
  const style = STYLES[element.style ?? ""] || "";
  const href = element.url && safeUrl(element.url);
  const entry = { type: "button", value: element.value ?? null };
  const click = () => fire(element, block, surface, entry, node);
  const props = {
    class: `btn${style}`,
    "aria-label": element.accessibility_label,
    dataset: hooks(element, block),
    on: { click },
  };
  const text = h("span", { class: "btn__text" }, textObject(element.text, surface.names));
  /** @type {HTMLElement} */
  const node = href
    ? h("a", { ...props, href, target: "_blank", rel: "noopener noreferrer" }, text)
    : h("button", { ...props, type: "button" }, text);
  return node;
}

/**
 * @param {OptionsElement} element
 * @param {Block} block
 * @param {Surface} surface
 */
function overflow(element, block, surface) {
  /** @type {HTMLElement} */
  const node = h(
    "button",
    {
      type: "button",
      class: "btn btn--icon",
      "aria-label": "More actions",
      "aria-haspopup": "menu",
      "aria-expanded": "false",
      dataset: hooks(element, block),
      on: { click: () => openMenu(node, element.options.map(item), "More actions") },
    },
    icon("more"),
  );
  /** @param {Option} option */
  const item = (option) => ({
    label: textObject(option.text, surface.names),
    hint: textObject(option.description, surface.names),
    act: () => {
      const href = option.url && safeUrl(option.url);
      if (href) window.open(href, "_blank", "noopener");
      fire(element, block, surface, { type: "overflow", selected_option: option }, node);
    },
  });
  return node;
}

/**
 * @param {OptionsElement} element
 * @param {Block} block
 * @param {Surface} surface
 * @param {string|null} label
 */
function choiceList(element, block, surface, label) {
  const many = element.type === "checkboxes";
  const field = fieldOf(element);
  const current = surface.value(block, element)[field];
  const on = new Set(optionsIn(current).map((option) => option.value));
  const group = uid("choice");
  const node = h("div", {
    class: "choices",
    role: many ? "group" : "radiogroup",
    "aria-labelledby": label,
    "aria-label": label ? null : "Choices",
    dataset: hooks(element, block),
  });
  const pick = () => {
    const boxes = node.querySelectorAll("input");
    const ticked = element.options.filter((_, at) => boxes[at].checked);
    changed(element, block, surface, many ? ticked : ticked[0] || null, node);
  };
  for (const option of element.options) {
    const box = h("input", {
      type: many ? "checkbox" : "radio",
      name: group,
      checked: on.has(option.value),
      value: option.value,
      on: { change: pick },
    });
    const hint = option.description
      ? h("span", { class: "choice__hint" }, textObject(option.description, surface.names))
      : null;
    node.append(
      h(
        "label",
        { class: "choice" },
        box,
        h("span", null, h("span", { class: "choice__text" }, textObject(option.text, surface.names)), hint),
      ),
    );
  }
  return node;
}

/** @type {Record<string, string>} */
const NATIVE = { datepicker: "date", timepicker: "time", datetimepicker: "datetime-local" };
/** @type {Record<string, string>} */
const WORDS = { datepicker: "Date", timepicker: "Time", datetimepicker: "Date and time" };

/**
 * @param {Interactive} element
 * @param {Block} block
 * @param {Surface} surface
 * @param {string|null} label
 */
function dateInput(element, block, surface, label) {
  const { tz } = surface.names;
  const moments = element.type === "datetimepicker";
  const held = surface.value(block, element)[fieldOf(element)];
  const node = h("input", {
    type: NATIVE[element.type],
    class: "input input--date",
    value: moments && held ? toLocalInput(held, tz) : (held ?? ""),
    "aria-labelledby": label,
    "aria-label": label ? null : element.placeholder?.text || WORDS[element.type],
    dataset: hooks(element, block),
    on: {
      change: () => {
        // Each digit of a year is a change: 0002 comes before 2026.
        if (/^0/.test(node.value) && element.type !== "timepicker") return;
        const value = moments ? fromLocalInput(node.value, tz) : node.value || null;
        changed(element, block, surface, value, node);
      },
    },
  });
  return node;
}

/**
 * @param {SelectElement} element
 * @param {Block} block
 * @param {Surface} surface
 * @param {string|null} label
 */
function select(element, block, surface, label) {
  const field = fieldOf(element);
  const multi = field.endsWith("s");
  const objects = field.startsWith("selected_option");
  const choices = choicesOf(element, surface);
  const held = surface.value(block, element)[field];
  const selected = objects ? optionsIn(held).map((option) => option.value) : listed(held);
  /** @type {HTMLElement} */
  const node = combobox({
    choices: choices.map(({ choice }) => choice),
    selected,
    multi,
    max: element.max_selected_items,
    clearable: Boolean(block.optional),
    label: (label ? block.label?.text : element.placeholder?.text) || "Select",
    placeholder: element.placeholder
      ? textObject(element.placeholder, surface.names)
      : [multi ? "Select options" : "Select an option"],
    attributes: { dataset: hooks(element, block) },
    onChange: (values) => {
      const picked = values.map((value) =>
        objects ? choices.find(({ choice }) => choice.value === value)?.option : value,
      );
      changed(element, block, surface, multi ? picked : (picked[0] ?? null), node);
    },
  });
  return node;
}

/**
 * @param {SelectElement} element
 * @param {Surface} surface
 * @returns {{option?: Option, choice: Choice}[]}
 */
function choicesOf(element, surface) {
  if (element.type.includes("users"))
    return surface.people().map((person) => ({ choice: personChoice(person) }));
  if (/conversations|channels/.test(element.type)) {
    const wanted = element.type.includes("channels") ? ["public"] : element.filter?.include;
    /** @param {Channel} channel */
    const fits = (channel) => !wanted || wanted.includes(channel.is_im ? "im" : "public");
    return surface
      .conversations()
      .filter(fits)
      .map((channel) => ({ choice: channelChoice(channel) }));
  }
  /** @type {{label?: {text: string}, options: Option[]}[]} */
  const groups = element.option_groups || [{ options: element.options || [] }];
  return groups.flatMap((group) =>
    group.options.map((option) => ({
      option,
      choice: {
        value: option.value,
        label: option.text.text,
        text: textObject(option.text, surface.names),
        hint: textObject(option.description, surface.names),
        group: group.label?.text,
      },
    })),
  );
}

/**
 * What an entry holds, as a list.
 * @template Held
 * @param {Held|Held[]|null} held
 * @returns {Held[]}
 */
function listed(held) {
  return (Array.isArray(held) ? held : [held]).flatMap((one) => one || []);
}

/** @type {(held: Option|Option[]|null) => Option[]} */
const optionsIn = listed;

/** @param {Person} person */
function personChoice(person) {
  return {
    value: person.id,
    label: person.real_name,
    text: [person.real_name],
    hint: person.title ? [person.title] : [],
    picture: () => avatar(person, 20),
  };
}

/** @param {Channel} channel */
function channelChoice(channel) {
  return {
    value: channel.id,
    label: channel.name,
    text: [channel.is_im ? channel.name : `#${channel.name}`],
  };
}
