// Block Kit's layout blocks.

import { h, queryAll, uid } from "../app/dom.js";
import { renderElement, unsupported } from "./elements.js";
import { image } from "./inputs.js";
import { plain, textObject } from "./mrkdwn.js";
import { richText } from "./richtext.js";

/** @import { Block, Surface } from "../app/types.js" */

/**
 * Renders a list of blocks for a surface (see elements.js).
 * @param {Block[]|null|undefined} blocks
 * @param {Surface} surface
 */
export function renderBlocks(blocks, surface) {
  return h(
    "div",
    { class: "blocks" },
    (blocks || []).map((block) => renderBlock(block, surface)),
  );
}

/**
 * @param {Block} block
 * @param {Surface} surface
 */
function renderBlock(block, surface) {
  const render = RENDERERS[block.type];
  const node = render ? render(block, surface) : unsupported("block", block.type);
  node.classList.add("block");
  if (block.block_id) node.dataset.blockId = block.block_id;
  return node;
}

/** @type {Record<string, (block: Block, surface: Surface) => HTMLElement>} */
const RENDERERS = {
  section,
  header,
  divider: () => h("hr", { class: "divider" }),
  context,
  actions,
  input,
  image: imageBlock,
  rich_text: (block, surface) => richText(block, surface.names),
};

/**
 * @param {Block} block
 * @param {Surface} surface
 */
function section(block, surface) {
  const text = block.text
    ? h("div", { class: "section__text" }, textObject(block.text, surface.names))
    : null;
  const fields = block.fields?.length
    ? h(
        "div",
        { class: "fields" },
        block.fields.map((field) => h("div", { class: "field" }, textObject(field, surface.names))),
      )
    : null;
  const accessory = block.accessory
    ? h("div", { class: "section__accessory" }, renderElement(block.accessory, block, surface))
    : null;
  return h("div", { class: "section" }, h("div", { class: "section__main" }, text, fields), accessory);
}

/**
 * @param {Block} block
 * @param {Surface} surface
 */
function header(block, surface) {
  return h(
    "div",
    { class: "header", role: "heading", "aria-level": surface.headingLevel },
    textObject(block.text, surface.names),
  );
}

/**
 * @param {Block} block
 * @param {Surface} surface
 */
function context(block, surface) {
  const parts = (block.elements || []).map((element) =>
    element.type === "image"
      ? image(element)
      : h("span", { class: "context__text" }, textObject(element, surface.names)),
  );
  return h("div", { class: "context" }, parts);
}

/**
 * @param {Block} block
 * @param {Surface} surface
 */
function actions(block, surface) {
  return h(
    "div",
    { class: "actions" },
    (block.elements || []).map((element) => renderElement(element, block, surface)),
  );
}

/** @param {Block} block */
function imageBlock(block) {
  const title = block.title ? h("figcaption", null, plain(block.title.text)) : null;
  return h("figure", { class: "figure" }, title, image(block, true));
}

/**
 * @param {Block} block
 * @param {Surface} surface
 */
function input(block, surface) {
  const labelId = uid("label");
  const label = h(
    "div",
    { class: "label", id: labelId },
    textObject(block.label, surface.names),
    block.optional ? h("span", { class: "label__optional" }, " (optional)") : null,
  );
  const hint = block.hint
    ? h("div", { class: "hint", id: uid("hint") }, textObject(block.hint, surface.names))
    : null;
  const control = block.element
    ? renderElement(block.element, block, surface, labelId)
    : unsupported("element", "none");
  if (hint) control.setAttribute("aria-describedby", hint.id);
  label.addEventListener("click", () => control.focus());
  return h("div", { class: "field-block" }, label, control, hint);
}

/**
 * Shows or clears an input block's error, and ties it to its control for screen readers.
 * @param {HTMLElement} root
 * @param {string} blockId
 * @param {string} [sentence] none clears it
 * @returns {boolean} whether the block is there
 */
export function showError(root, blockId, sentence) {
  const block = queryAll(root, ".field-block").find((node) => node.dataset.blockId === blockId);
  if (!block) return false;
  const control = block.querySelector("[data-action-id]");
  block.querySelector(".error")?.remove();
  block.classList.toggle("field-block--wrong", Boolean(sentence));
  const described = [block.querySelector(".hint")?.id];
  if (sentence) {
    const error = h("div", { class: "error", id: uid("error"), role: "alert" }, sentence);
    block.append(error);
    described.push(error.id);
    control?.setAttribute("aria-invalid", "true");
  } else control?.removeAttribute("aria-invalid");
  const ids = described.filter(Boolean).join(" ");
  if (ids) control?.setAttribute("aria-describedby", ids);
  else control?.removeAttribute("aria-describedby");
  return true;
}
