// Block Kit's interactive elements. Each renderer takes (element, block, surface) and returns a node.
//
// A surface is where the blocks are shown (a message, a modal, App Home) and knows what acting means there:
//   names                            for text, see mrkdwn.js
//   people(), conversations()        lists to choose from
//   value(block, element)            the element's state entry
//   set(block, element, entry)       remembers a state entry
//   act(block, element, entry)       tells the app; resolves when it has answered
// Every interactive node carries data-action-id and data-block-id.

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

/** Renders an element; `label` is the id of its visible label in an input block. */
export function renderElement(element, block, surface, label = null) {
  if (element.type === "image") return image(element);
  if (isTextInput(element)) return textInput(element, block, surface, label);
  const render = RENDERERS[element.type];
  return render ? render(element, block, surface, label) : unsupported("element", element.type);
}

/** Says plainly that something is not drawn, instead of leaving a hole. */
export function unsupported(what, type) {
  return h("div", { class: "unsupported" }, `This simulator does not draw the ${what} type “${type}”.`);
}

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

function hooks(element, block) {
  return { actionId: element.action_id, blockId: block.block_id, type: element.type };
}

/** Asks the element's confirm question, if any, then acts; `node` shows that something is under way. */
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

/** Remembers a new value and, where the app wants to know at once, tells it. */
async function changed(element, block, surface, value, node) {
  const entry = { type: element.type, [fieldOf(element)]: value };
  if (block.type === "input" && !block.dispatch_action) return surface.set(block, element, entry);
  const before = surface.value(block, element);
  surface.set(block, element, entry);
  if (await fire(element, block, surface, entry, node)) return undefined;
  return surface.set(block, element, before);
}

function button(element, block, surface) {
  const style = { primary: " btn--primary", danger: " btn--danger" }[element.style] || "";
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
  const node = href
    ? h("a", { ...props, href, target: "_blank", rel: "noopener noreferrer" }, text)
    : h("button", { ...props, type: "button" }, text);
  return node;
}

function overflow(element, block, surface) {
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

function choiceList(element, block, surface, label) {
  const many = element.type === "checkboxes";
  const field = fieldOf(element);
  const current = surface.value(block, element)[field];
  const on = new Set((many ? current || [] : [current]).filter(Boolean).map((option) => option.value));
  const group = uid("choice");
  const node = h("div", {
    class: "choices",
    role: many ? "group" : "radiogroup",
    "aria-labelledby": label,
    "aria-label": label ? null : "Choices",
    dataset: hooks(element, block),
  });
  const pick = () => {
    const ticked = [...node.querySelectorAll("input")]
      .map((box, at) => (box.checked ? element.options[at] : null))
      .filter(Boolean);
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

const NATIVE = { datepicker: "date", timepicker: "time", datetimepicker: "datetime-local" };
const WORDS = { datepicker: "Date", timepicker: "Time", datetimepicker: "Date and time" };

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
        // A year is typed digit by digit, and each digit is a change: 0002 is on its way to 2026.
        if (/^0/.test(node.value) && element.type !== "timepicker") return;
        const value = moments ? fromLocalInput(node.value, tz) : node.value || null;
        changed(element, block, surface, value, node);
      },
    },
  });
  return node;
}

function select(element, block, surface, label) {
  const field = fieldOf(element);
  const multi = field.endsWith("s");
  const objects = field.startsWith("selected_option");
  const choices = choicesOf(element, surface);
  const held = surface.value(block, element)[field];
  const selected = (multi ? held || [] : [held]).filter(Boolean).map((item) => (objects ? item.value : item));
  const node = combobox({
    choices: choices.map(({ choice }) => choice),
    selected,
    multi,
    max: element.max_selected_items,
    clearable: Boolean(block.optional),
    label: (label ? block.label.text : element.placeholder?.text) || "Select",
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

function choicesOf(element, surface) {
  if (element.type.includes("users"))
    return surface.people().map((person) => ({ choice: personChoice(person) }));
  if (/conversations|channels/.test(element.type)) {
    const wanted = element.type.includes("channels") ? ["public"] : element.filter?.include;
    const fits = (channel) => !wanted || wanted.includes(channel.is_im ? "im" : "public");
    return surface
      .conversations()
      .filter(fits)
      .map((channel) => ({ choice: channelChoice(channel) }));
  }
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

function personChoice(person) {
  return {
    value: person.id,
    label: person.real_name,
    text: [person.real_name],
    hint: person.title ? [person.title] : [],
    picture: () => avatar(person, 20),
  };
}

function channelChoice(channel) {
  return {
    value: channel.id,
    label: channel.name,
    text: [channel.is_im ? channel.name : `#${channel.name}`],
  };
}
