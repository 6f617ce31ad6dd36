// Lists that open beside a control, in the browser's top layer so that no dialog or scroller clips them.
// The browser closes them on Esc and on a click elsewhere.

import { focusIndex } from "../app/dom.js";

const GAP = 4;
const EDGE = 8;

/**
 * Anchors pressed while their list is open: the press closes it, and the click that follows must not reopen it.
 * @type {WeakSet<HTMLElement>}
 */
const pressed = new WeakSet();

/**
 * Opens `pop` under `anchor`, or above it where there is more room, and gives the focus back when it closes.
 * `pop` is removed when it closes; `onClose` runs then.
 * @param {HTMLElement} pop
 * @param {HTMLElement} anchor
 * @param {{align?: "start"|"end", matchWidth?: boolean, onClose?: () => void}} options
 */
export function openPopover(pop, anchor, { align = "start", matchWidth = false, onClose } = {}) {
  if (pressed.has(anchor)) return;
  pop.popover = "auto";
  pop.classList.add("popover");
  // In the anchor's own region; outside an open dialog all is inert.
  (anchor.closest("dialog, main, aside") || document.body).append(pop);
  const position = () => place(pop, anchor, align, matchWidth);
  /** @param {Event} event */
  const away = (event) => {
    if (!(event.target instanceof Node && pop.contains(event.target))) position();
  };
  const press = () => {
    pressed.add(anchor);
    window.addEventListener("pointerup", () => setTimeout(() => pressed.delete(anchor)), { once: true });
  };
  anchor.addEventListener("pointerdown", press);
  let hadFocus = false;
  pop.addEventListener("beforetoggle", (event) => {
    if (event.newState === "closed") hadFocus = pop.contains(document.activeElement);
  });
  pop.addEventListener("toggle", (event) => {
    if (event.newState !== "closed") return;
    window.removeEventListener("scroll", away, true);
    window.removeEventListener("resize", position);
    anchor.removeEventListener("pointerdown", press);
    anchor.setAttribute("aria-expanded", "false");
    pop.remove();
    if (hadFocus) anchor.focus({ preventScroll: true });
    onClose?.();
  });
  anchor.setAttribute("aria-expanded", "true");
  pop.showPopover();
  position();
  window.addEventListener("scroll", away, true);
  window.addEventListener("resize", position);
}

/**
 * @param {HTMLElement} pop
 * @param {HTMLElement} anchor
 * @param {"start"|"end"} align
 * @param {boolean} matchWidth
 */
function place(pop, anchor, align, matchWidth) {
  const box = anchor.getBoundingClientRect();
  if (matchWidth) pop.style.minWidth = `${box.width}px`;
  pop.style.maxHeight = "";
  const { width, height } = pop.getBoundingClientRect();
  const below = window.innerHeight - box.bottom - GAP - EDGE;
  const above = box.top - GAP - EDGE;
  const up = height > below && above > below;
  pop.style.maxHeight = `${Math.max(120, up ? above : below)}px`;
  const drawn = Math.min(height, up ? above : below);
  pop.style.top = `${up ? box.top - GAP - drawn : box.bottom + GAP}px`;
  const left = align === "end" ? box.right - width : box.left;
  pop.style.left = `${Math.max(EDGE, Math.min(left, window.innerWidth - width - EDGE))}px`;
}

/**
 * Moves the focus among `items` with the arrow keys, Home and End. Returns whether the key was one of these.
 * @param {KeyboardEvent} event
 * @param {HTMLElement[]} items
 */
export function moveFocus(event, items) {
  const at = focusIndex(items);
  /** @type {Record<string, number|undefined>} */
  const targets = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 };
  const target = targets[event.key];
  if (target === undefined || !items.length) return false;
  event.preventDefault();
  items[(target + items.length) % items.length].focus();
  return true;
}
