// Square avatars drawn from a person's colour and initials; an app gets a rosette.

import { h } from "./dom.js";
import { appMark } from "./icons.js";
import { state } from "./state.js";

/** @import { Person } from "./types.js" */

/**
 * @param {Partial<Person>|null} who null draws a blank
 * @param {number} size in pixels
 */
export function avatar(who, size = 36) {
  const node = h("span", { class: `avatar${who?.is_bot ? " avatar--app" : ""}`, "aria-hidden": "true" });
  node.style.setProperty("--size", `${size}px`);
  if (who?.is_bot) node.append(appMark(size));
  else {
    const color = hex(who?.color);
    node.style.backgroundColor = color;
    node.style.color = luminance(color) > 0.18 ? "#14201d" : "#ffffff";
    // Drawn by the style sheet: as text they would be a second name of the button that they are on.
    node.dataset.letters = letters(who?.real_name || who?.name || "?");
  }
  return node;
}

/** @param {string} [color] */
function hex(color) {
  const text = String(color || "").replace(/^#/, "");
  return /^[0-9a-f]{6}$/i.test(text) ? `#${text}` : "#7a8288";
}

/**
 * Initials, or the first two letters where two people would have the same initials.
 * @param {string} name
 */
function letters(name) {
  const own = initials(name);
  const shared = state.people.some(
    (one) => one.real_name !== name && !one.is_bot && initials(one.real_name) === own,
  );
  return shared ? name.slice(0, 2) : own;
}

/** @param {string} name */
function initials(name) {
  const words = name.trim().split(/\s+/);
  return (words[0][0] + (words.length > 1 ? words[words.length - 1][0] : "")).toUpperCase();
}

/** @param {string} color "#" and six hexadecimal digits */
function luminance(color) {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = parseInt(color.slice(at, at + 2), 16) / 255;
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
