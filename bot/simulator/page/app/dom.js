// Builds DOM nodes. The page never parses data as markup: text becomes text nodes, so a message cannot become script.

/** @import { Child, Item, Props, Shape } from "./types.js" */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Creates an element.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {(Props & Record<string, unknown>)|null} props `class`, `dataset` (object), `on` (event name -> listener),
 *     otherwise an attribute; `true` sets it bare, `false`, `null` and `undefined` leave it out.
 * @param {Child[]} children flattened; nothing is made of null and false.
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, props, ...children) {
  const node = document.createElement(tag);
  assign(node, props || {});
  node.append(...flat(children));
  return node;
}

/**
 * @param {HTMLElement} node
 * @param {Props & Record<string, unknown>} props
 */
function assign(node, props) {
  const { class: className, dataset, on, ...attributes } = props;
  if (className) node.className = className;
  if (dataset) setData(node, dataset);
  for (const [event, listener] of Object.entries(on || {}))
    node.addEventListener(event, /** @type {EventListener} */ (listener));
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "value" && "value" in node) node.value = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
}

/**
 * @param {HTMLElement} node
 * @param {Record<string, string|null|undefined>} data
 */
function setData(node, data) {
  for (const [key, value] of Object.entries(data))
    if (value !== null && value !== undefined) node.dataset[key] = value;
}

/**
 * @param {Child[]} children
 * @returns {(Node|string)[]}
 */
function flat(children) {
  return children.flatMap((child) => {
    if (Array.isArray(child)) return flat(child);
    if (child === null || child === undefined || child === false) return [];
    return [typeof child === "number" ? String(child) : child];
  });
}

/**
 * An inline SVG element; `shapes` are [tag, attributes] pairs. Decorative: hidden from screen readers.
 * @param {Record<string, string|number>} attributes
 * @param {Shape[]} shapes
 */
export function svg(attributes, shapes) {
  const node = document.createElementNS(SVG, "svg");
  for (const [name, value] of Object.entries({ "aria-hidden": "true", focusable: "false", ...attributes })) {
    node.setAttribute(name, String(value));
  }
  for (const [tag, own] of shapes) {
    const shape = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(own)) shape.setAttribute(name, String(value));
    node.append(shape);
  }
  return node;
}

/**
 * Replaces what `node` holds.
 * @template {Element} Container
 * @param {Container} node
 * @param {Child[]} children
 */
export function fill(node, ...children) {
  node.replaceChildren(...flat(children));
  return node;
}

/**
 * Redraws `node` and gives the focus back to the entry that had it, by its test ID. Where that entry is gone, the first
 * element that matches `otherwise` gets it.
 * @param {HTMLElement} node
 * @param {() => void} draw
 */
export function keepingFocus(node, draw, otherwise = "button") {
  const held = focusedIn(node)?.dataset.testid;
  draw();
  if (held)
    (query(node, `[data-testid="${held}"]`) || query(node, otherwise))?.focus({ preventScroll: true });
}

/**
 * The first element under `root` that matches.
 * @param {ParentNode} root
 * @param {string} selector
 * @returns {HTMLElement|null}
 */
export function query(root, selector) {
  return root.querySelector(selector);
}

/** How far an arrow key moves in a list. @type {Record<string, number|undefined>} */
export const ARROWS = { ArrowDown: 1, ArrowUp: -1 };

/**
 * An element that index.html has, or that was put into the page for good.
 * @param {string} id
 */
export function byId(id) {
  const node = document.getElementById(id);
  if (!node) throw new Error(`The page has no #${id}.`);
  return node;
}

/**
 * All elements under `root` that match, in the order of the document.
 * @param {ParentNode} root
 * @param {string} selector
 * @returns {HTMLElement[]}
 */
export function queryAll(root, selector) {
  return [...root.querySelectorAll(selector)].filter((node) => node instanceof HTMLElement);
}

/**
 * The element that has the focus, if it is `node` or inside it.
 * @param {Node} node
 */
export function focusedIn(node) {
  const focused = document.activeElement;
  return focused instanceof HTMLElement && node.contains(focused) ? focused : null;
}

/**
 * Which of `items` has the focus; -1 for none.
 * @param {HTMLElement[]} items
 */
export function focusIndex(items) {
  const focused = focusedIn(document);
  return focused ? items.indexOf(focused) : -1;
}

/** The dialog in front, or the body where none is open. What is outside an open dialog is inert. */
export function frontmost() {
  return queryAll(document, "dialog[open]").at(-1) ?? document.body;
}

let serial = 0;

/**
 * The action ID of the Block Kit element that `node` is part of.
 * @param {Element} node
 */
export function actionOf(node) {
  const element = node.closest("[data-action-id]");
  return element instanceof HTMLElement ? element.dataset.actionId : undefined;
}

/**
 * A document-unique id, for labels and descriptions.
 * @param {string} prefix
 */
export function uid(prefix) {
  serial += 1;
  return `${prefix}-${serial}`;
}

/**
 * Makes `container` hold one child per item, rebuilding only those whose signature changed, so that focus,
 * selection and half-typed values elsewhere survive a refresh.
 * @param {Element} container
 * @param {Item[]} items in order; keys are unique.
 */
export function reconcile(container, items) {
  /** @type {Map<string|undefined, HTMLElement>} */
  const existing = new Map();
  for (const child of container.children)
    if (child instanceof HTMLElement) existing.set(child.dataset.key, child);
  /** @type {Element|null} */
  let cursor = container.firstElementChild;
  for (const { key, sig, build } of items) {
    const old = existing.get(key);
    existing.delete(key);
    let node = old;
    if (!node || signatures.get(node) !== sig) {
      node = build();
      node.dataset.key = key;
      signatures.set(node, sig);
      if (old) {
        if (old === cursor) cursor = node;
        swap(old, node);
      }
    }
    if (node === cursor) cursor = node.nextElementSibling;
    else container.insertBefore(node, cursor);
  }
  for (const gone of existing.values()) gone.remove();
}

/** @type {WeakMap<Element, string>} */
const signatures = new WeakMap();

/**
 * @param {HTMLElement} old
 * @param {HTMLElement} fresh
 */
function swap(old, fresh) {
  const focused = focusedIn(old);
  const wasRoot = focused === old;
  const action = focused && actionOf(focused);
  old.replaceWith(fresh);
  if (!focused) return;
  const twin = action && queryAll(fresh, "[data-action-id]").find((node) => node.dataset.actionId === action);
  if (wasRoot || !twin) {
    if (!fresh.hasAttribute("tabindex")) fresh.tabIndex = -1;
    fresh.focus({ preventScroll: true });
  } else twin.focus({ preventScroll: true });
}
