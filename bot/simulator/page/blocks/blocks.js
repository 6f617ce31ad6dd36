// Block Kit's layout blocks.

import { h, uid } from "../app/dom.js";
import { renderElement, unsupported } from "./elements.js";
import { image } from "./inputs.js";
import { plain, textObject } from "./mrkdwn.js";
import { richText } from "./richtext.js";

/** Renders a list of blocks for a surface (see elements.js). */
export function renderBlocks(blocks, surface) {
  return h(
    "div",
    { class: "blocks" },
    (blocks || []).map((block) => renderBlock(block, surface)),
  );
}

function renderBlock(block, surface) {
  const render = RENDERERS[block.type];
  const node = render ? render(block, surface) : unsupported("block", block.type);
  node.classList.add("block");
  if (block.block_id) node.dataset.blockId = block.block_id;
  return node;
}

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

function header(block, surface) {
  return h(
    "div",
    { class: "header", role: "heading", "aria-level": surface.headingLevel },
    textObject(block.text, surface.names),
  );
}

function context(block, surface) {
  const parts = (block.elements || []).map((element) =>
    element.type === "image"
      ? image(element)
      : h("span", { class: "context__text" }, textObject(element, surface.names)),
  );
  return h("div", { class: "context" }, parts);
}

function actions(block, surface) {
  return h(
    "div",
    { class: "actions" },
    (block.elements || []).map((element) => renderElement(element, block, surface)),
  );
}

function imageBlock(block) {
  const title = block.title ? h("figcaption", null, plain(block.title.text)) : null;
  return h("figure", { class: "figure" }, title, image(block, true));
}

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
  const control = renderElement(block.element, block, surface, labelId);
  if (hint) control.setAttribute("aria-describedby", hint.id);
  label.addEventListener("click", () => control.focus());
  return h("div", { class: "field-block" }, label, control, hint);
}

/** Shows or clears an input block's error, and ties it to its control for screen readers. */
export function showError(root, blockId, sentence) {
  const block = [...root.querySelectorAll(".field-block")].find((node) => node.dataset.blockId === blockId);
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
