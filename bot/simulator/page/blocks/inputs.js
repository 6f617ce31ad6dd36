// Text fields and pictures: the elements with no list to choose from.

import { h, query, queryAll } from "../app/dom.js";
import { isTextInput } from "./values.js";

/** @import { Block, Picture, Surface, TextElement } from "../app/types.js" */

/** @type {Record<string, string>} */
const MODES = {
  number_input: "decimal",
  email_text_input: "email",
  url_text_input: "url",
  plain_text_input: "text",
};

/**
 * A text field of one or several lines. Keeps what is typed, and tells the app when its block asks for it.
 * @param {TextElement} element
 * @param {Block} block
 * @param {Surface} surface
 * @param {string|null} label
 */
export function textInput(element, block, surface, label) {
  const held = surface.value(block, element).value;
  const multiline = Boolean(element.multiline);
  const triggers = element.dispatch_action_config?.trigger_actions_on || ["on_enter_pressed"];
  const entry = () => ({ type: element.type, value: node.value === "" ? null : node.value });
  const tell = () => surface.act(block, element, entry());
  const node = h(multiline ? "textarea" : "input", {
    class: `input${multiline ? " input--area" : ""}`,
    type: multiline ? null : "text",
    rows: multiline ? 4 : null,
    inputmode: MODES[element.type],
    autocomplete: "off",
    maxlength: element.max_length,
    placeholder: element.placeholder?.text,
    "aria-labelledby": label,
    "aria-required": block.optional ? null : "true",
    value: held ?? "",
    dataset: {
      actionId: element.action_id,
      blockId: block.block_id,
      type: element.type,
      autofocus: element.focus_on_load ? "yes" : null,
    },
    on: {
      input: () => {
        surface.set(block, element, entry());
        if (block.dispatch_action && triggers.includes("on_character_entered")) tell();
      },
      keydown: (event) => {
        if (event.key !== "Enter" || multiline || event.isComposing || event.metaKey || event.ctrlKey) return;
        if (!block.dispatch_action || !triggers.includes("on_enter_pressed")) return;
        event.preventDefault();
        event.stopPropagation();
        tell();
      },
    },
  });
  return node;
}

/**
 * An image element or block; only web addresses are loaded.
 * @param {Picture} picture
 * @param {boolean} big
 */
export function image({ image_url: url, alt_text: alt }, big = false) {
  if (!/^https?:\/\//i.test(url || "")) return h("span", { class: "unsupported" }, alt || "image");
  return h("img", {
    class: big ? "picture" : "thumb",
    src: url,
    alt: alt || "",
    loading: "lazy",
    referrerpolicy: "no-referrer",
  });
}

/**
 * The field to focus first: the one that asks for it, else the first that can be typed in.
 * @param {HTMLElement} root
 */
export function firstField(root) {
  return (
    query(root, "[data-autofocus]") ||
    queryAll(root, "[data-action-id]").find((node) => isTextInput({ type: node.dataset.type ?? "" }))
  );
}
