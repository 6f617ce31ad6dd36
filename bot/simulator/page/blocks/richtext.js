// The rich_text block: sections, lists, quotes and preformatted text, with styled runs inside.

import { h } from "../app/dom.js";
import { glyph, link, mrkdwn, plain, safeUrl } from "./mrkdwn.js";

/** @import { Block, Child, Names } from "../app/types.js" */

/** @type {[keyof Style, "strong"|"em"|"s"|"code"|"u"][]} */
const TAGS = [
  ["bold", "strong"],
  ["italic", "em"],
  ["strike", "s"],
  ["code", "code"],
  ["underline", "u"],
];

/** @typedef {{type: string, [field: string]: any}} Part one part of a rich text: Slack has a dozen kinds */

/** @typedef {Record<"bold"|"italic"|"strike"|"code"|"underline", boolean|undefined>} Style */

/**
 * @param {Block} block
 * @param {Names} names
 */
export function richText(block, names) {
  return h("div", { class: "rich-text" }, grouped(block.elements || [], names));
}

/**
 * Consecutive lists of one block are one list to the reader; deeper ones are only indented.
 * @param {Part[]} elements
 * @param {Names} names
 */
function grouped(elements, names) {
  return elements.map((element) => {
    if (element.type === "rich_text_list") return list(element, names);
    if (element.type === "rich_text_quote") return h("blockquote", null, runs(element, names));
    if (element.type === "rich_text_preformatted")
      return h("pre", { class: "code-block" }, runs(element, names));
    return h("p", null, runs(element, names));
  });
}

/**
 * @param {Part} element
 * @param {Names} names
 */
function list(element, names) {
  const items = (element.elements || []).map((/** @type {Part} */ item) => h("li", null, runs(item, names)));
  const node = h(
    element.style === "ordered" ? "ol" : "ul",
    { start: element.offset ? element.offset + 1 : null },
    items,
  );
  node.style.setProperty("--indent", String(element.indent || 0));
  return node;
}

/**
 * @param {Part} parent
 * @param {Names} names
 * @returns {Child[]}
 */
function runs(parent, names) {
  return (parent.elements || []).map((/** @type {Part} */ element) =>
    styled(leaf(element, names), element.style),
  );
}

/**
 * @param {Part} element
 * @param {Names} names
 * @returns {Child[]}
 */
function leaf(element, names) {
  switch (element.type) {
    case "text":
      return plain(element.text, false);
    case "link": {
      const href = safeUrl(element.url || "");
      return href ? [link(href, [element.text || element.url])] : [element.text || element.url || ""];
    }
    case "emoji":
      return [glyph(element.name)];
    case "user":
      return mrkdwn(`<@${element.user_id}>`, names);
    case "channel":
      return mrkdwn(`<#${element.channel_id}>`, names);
    case "usergroup":
      return mrkdwn(`<!subteam^${element.usergroup_id}>`, names);
    case "broadcast":
      return mrkdwn(`<!${element.range}>`, names);
    case "date":
      return mrkdwn(`<!date^${element.timestamp}^${element.format}|${element.fallback || ""}>`, names);
    case "color":
      return [h("code", null, element.value)];
    default:
      return [];
  }
}

/**
 * @param {Child[]} nodes
 * @param {Style} [style]
 * @returns {Child[]}
 */
function styled(nodes, style) {
  return TAGS.reduce((inner, [name, tag]) => (style?.[name] ? [h(tag, null, inner)] : inner), nodes);
}
