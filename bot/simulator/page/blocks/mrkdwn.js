// Slack's mrkdwn, as DOM nodes. Text is unescaped only where it becomes a text node. A link keeps its destination only
// when it is a web, mail or telephone address.

import { h } from "../app/dom.js";
import { drawn } from "../app/icons.js";
import { formatDate, fullMoment } from "../panel/time.js";
import { emoji } from "./emoji.js";

/** @import { Child, Names, TextObject } from "../app/types.js" */

/** @typedef {Node|string} Run a piece of text as it is drawn */

/** @type {Record<string, "strong"|"em"|"s">} */
const STYLES = { "*": "strong", _: "em", "~": "s" };
/** @type {Record<string, string|undefined>} */
const PAIRS = { "<": ">", "`": "`" };
const WORD = /[\p{L}\p{N}]/u;
const BARE_URL = /^https?:\/\/[^\s<>|]*[^\s<>|.,;:!?)'"\]]/;
const PERMALINK = new RegExp(`^${location.origin}/archives/(\\w+)/p(\\d+)(\\d{6})$`);
const SHORTCODE = /^:([a-z0-9_+'-]+):(?::skin-tone-[2-6]:)?/;

/**
 * A Block Kit text object as nodes; plain_text keeps its characters, apart from shortcodes.
 * @param {TextObject|null|undefined} text
 * @param {Names} names
 * @returns {Run[]}
 */
export function textObject(text, names) {
  if (!text) return [];
  if (text.type === "mrkdwn") return mrkdwn(text.text, names, { verbatim: text.verbatim });
  return plain(text.text ?? "", text.emoji !== false);
}

/**
 * Plain text with its shortcodes turned to characters and its line breaks kept.
 * @param {string} text
 * @param {boolean} withEmoji
 */
export function plain(text, withEmoji = true) {
  const out = new Leaves();
  for (let at = 0; at < text.length; ) {
    const code = withEmoji && text[at] === ":" && SHORTCODE.exec(text.slice(at, at + 60));
    if (code && emoji(code[1])) {
      out.push(glyph(code[1]));
      at += code[0].length;
    } else {
      out.text(text[at]);
      at += 1;
    }
  }
  return out.done((leaf) => leaf);
}

/**
 * A message's mrkdwn text as nodes.
 * @param {string|null|undefined} text
 * @param {Names} names
 * @param {{verbatim?: boolean}} options
 * @returns {Run[]}
 */
export function mrkdwn(text, names, { verbatim = false } = {}) {
  /** @type {Run[]} */
  const nodes = [];
  const pieces = String(text ?? "").split("```");
  if (pieces.length % 2 === 0) {
    // With an odd number of fences the last one is open, and is text, as in Slack.
    const open = pieces.pop();
    pieces[pieces.length - 1] += `\`\`\`${open}`;
  }
  pieces.forEach((piece, index) => {
    if (index % 2) nodes.push(h("pre", { class: "code-block" }, unescapeText(piece.replace(/^\n|\n$/g, ""))));
    else if (piece) nodes.push(...quoted(trimAround(piece, index, pieces.length), names, verbatim));
  });
  return nodes;
}

/**
 * A code block is on lines of its own, so the line breaks around it are not drawn as well.
 * @param {string} piece
 * @param {number} index
 * @param {number} count
 */
function trimAround(piece, index, count) {
  const head = index > 0 ? piece.replace(/^\n/, "") : piece;
  return index < count - 1 ? head.replace(/\n$/, "") : head;
}

/**
 * @param {string} text
 * @param {Names} names
 * @param {boolean} verbatim
 * @returns {Run[]}
 */
function quoted(text, names, verbatim) {
  /** @type {Run[]} */
  const nodes = [];
  /** @type {string[]|null} */
  let quote = null;
  let rest = false;
  /** @type {string[]} */
  let plainLines = [];
  const flush = () => {
    if (quote) nodes.push(h("blockquote", null, inline(quote.join("\n"), names, verbatim)));
    else if (plainLines.length) nodes.push(...inline(plainLines.join("\n"), names, verbatim));
    quote = null;
    plainLines = [];
  };
  for (const line of text.split("\n")) {
    const mark = /^(?:>|&gt;)(>>|&gt;&gt;)? ?/.exec(line);
    if (!rest && !mark) {
      if (quote) flush();
      plainLines.push(line);
      continue;
    }
    if (!quote) {
      if (plainLines.length) flush();
      quote = [];
    }
    quote.push(rest || !mark ? line : line.slice(mark[0].length));
    rest = rest || Boolean(mark?.[1]);
  }
  flush();
  return nodes;
}

/**
 * @param {string} text
 * @param {Names} names
 * @param {boolean} verbatim
 * @returns {Run[]}
 */
function inline(text, names, verbatim) {
  const out = new Leaves();
  for (let at = 0; at < text.length; ) {
    const [node, length] = match(text, at, names, verbatim);
    if (node) {
      out.push(node);
      at += length;
    } else {
      out.text(text[at]);
      at += 1;
    }
  }
  return out.done(unescapeText);
}

/**
 * The construct that starts at `at`: its node and how many characters it takes; length 0 when there is none.
 * @param {string} text
 * @param {number} at
 * @param {Names} names
 * @param {boolean} verbatim
 * @returns {[node: Run|null, length: number]}
 */
function match(text, at, names, verbatim) {
  const char = text[at];
  const before = text[at - 1] || " ";
  if (char === "<") {
    const end = text.indexOf(">", at);
    const node = end > at + 1 && reference(text.slice(at + 1, end), names);
    return node ? [node, end - at + 1] : [null, 0];
  }
  if (char === "`") {
    const end = text.indexOf("`", at + 1);
    const body = end > at + 1 ? text.slice(at + 1, end) : "";
    return body && !body.includes("\n") ? [h("code", null, unescapeText(body)), end - at + 1] : [null, 0];
  }
  if (STYLES[char] && !WORD.test(before)) {
    const end = closing(text, at);
    if (end > 0)
      return [h(STYLES[char], null, inline(text.slice(at + 1, end), names, verbatim)), end - at + 1];
  }
  if (char === ":") {
    const code = SHORTCODE.exec(text.slice(at, at + 60));
    return code && emoji(code[1]) ? [glyph(code[1]), code[0].length] : [null, 0];
  }
  if (char === "h" && !verbatim && !WORD.test(before)) {
    const url = BARE_URL.exec(text.slice(at));
    return url ? [link(unescapeText(url[0]), [unescapeText(url[0])]), url[0].length] : [null, 0];
  }
  return [null, 0];
}

/**
 * Where the style opened at `start` closes on its line, stepping over code and <references>; -1 if nowhere.
 * @param {string} text
 * @param {number} start
 */
function closing(text, start) {
  const mark = text[start];
  if (/\s/.test(text[start + 1] ?? " ") || text[start + 1] === mark) return -1;
  for (let at = start + 1; at < text.length && text[at] !== "\n"; at += 1) {
    const skipTo = PAIRS[text[at]];
    if (skipTo) {
      const end = text.indexOf(skipTo, at + 1);
      if (end > 0) at = end;
    } else if (text[at] === mark && !/\s/.test(text[at - 1]) && !WORD.test(text[at + 1] ?? " ")) return at;
  }
  return -1;
}

/**
 * @param {string} body
 * @param {Names} names
 * @returns {HTMLElement|null}
 */
function reference(body, names) {
  const [target, label] = cut(body, "|");
  if (/^@[UWB]/.test(target)) return mention(target.slice(1), label, names);
  if (/^#[CG]/.test(target)) return channelLink(target.slice(1), label, names);
  if (target.startsWith("!")) return special(target.slice(1), label, names);
  const href = safeUrl(unescapeText(target));
  if (!href) return null;
  return link(href, label ? inline(label, names, true) : [unescapeText(target).replace(/^mailto:/, "")]);
}

/**
 * @param {string} id
 * @param {string} label
 * @param {Names} names
 */
function mention(id, label, names) {
  const person = names.person(id);
  const name = person?.real_name || person?.name || label || id;
  return h(
    "span",
    { class: `mention${id === names.me ? " mention--me" : ""}`, dataset: { user: id } },
    `@${unescapeText(name)}`,
  );
}

/**
 * @param {string} id
 * @param {string} label
 * @param {Names} names
 */
function channelLink(id, label, names) {
  const channel = names.channel(id);
  const name = `#${unescapeText(channel?.name || label || id)}`;
  if (!channel) return h("span", { class: "mention" }, name);
  return h(
    "button",
    { type: "button", class: "mention mention--link", on: { click: () => names.open?.(id) } },
    name,
  );
}

/**
 * @param {string} body
 * @param {string} label
 * @param {Names} names
 */
function special(body, label, names) {
  const [kind, ...rest] = body.split("^");
  if (kind === "date") return date(rest, label, names);
  if (kind === "subteam") {
    const handle = names.group(rest[0])?.handle;
    return h(
      "span",
      { class: "mention", dataset: { group: rest[0] } },
      handle ? `@${handle}` : unescapeText(label || `@${rest[0]}`),
    );
  }
  if (["here", "channel", "everyone"].includes(kind))
    return h("span", { class: "mention mention--me" }, `@${kind}`);
  return h("span", { class: "mention" }, unescapeText(label || kind));
}

/**
 * @param {string[]} parts
 * @param {string} fallback
 * @param {Names} names
 */
function date([seconds, format, url], fallback, names) {
  const epoch = Number(seconds);
  if (!Number.isFinite(epoch) || !format) return h("span", null, unescapeText(fallback || ""));
  const stamp = h(
    "time",
    { datetime: new Date(epoch * 1000).toISOString(), title: fullMoment(epoch, names.tz) },
    unescapeText(formatDate(epoch, format, names)),
  );
  const href = url && safeUrl(unescapeText(url));
  return href ? link(href, [stamp]) : stamp;
}

/**
 * An address that may be followed, or null: never a script.
 * @param {string} url
 */
export function safeUrl(url) {
  return /^(https?:\/\/|mailto:|tel:)/i.test(url) ? url : null;
}

/**
 * A link. One to a message of this workspace opens it in this page, any other opens a new tab.
 * @param {string} href
 * @param {Child} children
 */
export function link(href, children) {
  const [, channel, seconds, fraction] = PERMALINK.exec(href) || [];
  if (channel) return h("a", { href: `#channel=${channel}&ts=${seconds}.${fraction}` }, children);
  return h("a", { href, target: "_blank", rel: "noopener noreferrer" }, children);
}

/**
 * An emoji as an image with its name; an unknown one as its shortcode.
 * @param {string} name
 */
export function glyph(name) {
  const character = emoji(name);
  if (!character) return document.createTextNode(`:${name}:`);
  return h(
    "span",
    { class: "emoji", role: "img", "aria-label": name.replaceAll("_", " "), title: `:${name}:` },
    drawn(name) || character,
  );
}

/** @param {string} text */
function unescapeText(text) {
  return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}

/**
 * The opposite, for what a person types: &, < and > cannot open a reference.
 * @param {string} text
 */
export function escapeText(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/**
 * What a screen reader or a notification says of a text: no marks, no nodes.
 * @param {string} text
 * @param {Names} names
 */
export function spoken(text, names) {
  return (h("div", null, mrkdwn(text, names)).textContent || "").replace(/\s+/g, " ").trim();
}

/**
 * @param {string} text
 * @param {string} mark
 */
function cut(text, mark) {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

// Collects runs of characters into text nodes, with a <br> for each line break.
class Leaves {
  constructor() {
    /** @type {Run[]} */
    this.items = [];
  }

  /** @param {Run} node */
  push(node) {
    this.items.push(node);
  }

  /** @param {string} char */
  text(char) {
    const last = this.items.at(-1);
    if (typeof last === "string") this.items[this.items.length - 1] = last + char;
    else this.items.push(char);
  }

  /**
   * @param {(run: string) => string} clean
   * @returns {Run[]}
   */
  done(clean) {
    /** @type {(item: Run) => Run[]} */
    const lines = (item) => {
      if (typeof item !== "string") return [item];
      return item
        .split("\n")
        .flatMap((line, index) => (index ? [h("br", null), clean(line)] : [clean(line)]));
    };
    return this.items.flatMap(lines);
  }
}
