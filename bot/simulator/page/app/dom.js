// Builds DOM nodes. Nothing in the page ever parses markup from data: text becomes text nodes, so a
// message cannot become script.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Creates an element.
 * @param {string} tag
 * @param {object|null} [props] `class`, `dataset` (object), `on` (event name -> listener), otherwise an
 *     attribute; `true` sets it bare, `false`, `null` and `undefined` leave it out.
 * @param {...(Node|string|number|null|false|Array)} children flattened; nothing is made of null and false.
 */
export function h(tag, props, ...children) {
  const node = document.createElement(tag);
  assign(node, props || {});
  node.append(...flat(children));
  return node;
}

function assign(node, props) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "dataset") setData(node, value);
    else if (name === "on")
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
}

function setData(node, data) {
  for (const [key, value] of Object.entries(data))
    if (value !== null && value !== undefined) node.dataset[key] = value;
}

function flat(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

/** An inline SVG element; `shapes` are [tag, attributes] pairs. Decorative: hidden from screen readers. */
export function svg(attributes, shapes) {
  const node = document.createElementNS(SVG, "svg");
  for (const [name, value] of Object.entries({ "aria-hidden": "true", focusable: "false", ...attributes })) {
    node.setAttribute(name, value);
  }
  for (const [tag, own] of shapes) {
    const shape = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(own)) shape.setAttribute(name, value);
    node.append(shape);
  }
  return node;
}

/** Replaces what `node` holds. */
export function fill(node, ...children) {
  node.replaceChildren(...flat(children));
  return node;
}

/**
 * Redraws `node` and gives the focus back to the entry that had it, by its test id; where that entry is gone, to the
 * first button.
 */
export function keepingFocus(node, draw) {
  const held = node.contains(document.activeElement) ? document.activeElement.dataset.testid : null;
  draw();
  if (held)
    (node.querySelector(`[data-testid="${held}"]`) || node.querySelector("button"))?.focus({
      preventScroll: true,
    });
}

let serial = 0;

/** A document-unique id, for labels and descriptions. */
export function uid(prefix) {
  serial += 1;
  return `${prefix}-${serial}`;
}

/**
 * Makes `container` hold one child per item, rebuilding only those whose signature changed, so that focus,
 * selection and half-typed values elsewhere survive a refresh.
 * @param {Element} container
 * @param {{key: string, sig: string, build: () => Element}[]} items in order; keys are unique.
 */
export function reconcile(container, items) {
  const existing = new Map();
  for (const child of container.children) existing.set(child.dataset.key, child);
  let cursor = container.firstElementChild;
  for (const { key, sig, build } of items) {
    const old = existing.get(key);
    existing.delete(key);
    let node = old;
    if (!old || signatures.get(old) !== sig) {
      node = build();
      node.dataset.key = key;
      signatures.set(node, sig);
      if (old) {
        if (old === cursor) cursor = node;
        swap(old, node);
      }
    }
    if (node === cursor) cursor = cursor.nextElementSibling;
    else container.insertBefore(node, cursor);
  }
  for (const gone of existing.values()) gone.remove();
}

const signatures = new WeakMap();

function swap(old, fresh) {
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const wasRoot = focused === old;
  const action = focused?.closest("[data-action-id]")?.dataset.actionId;
  old.replaceWith(fresh);
  if (!focused) return;
  const twin =
    action &&
    [...fresh.querySelectorAll("[data-action-id]")].find((node) => node.dataset.actionId === action);
  if (wasRoot || !twin) {
    if (!fresh.hasAttribute("tabindex")) fresh.tabIndex = -1;
    fresh.focus({ preventScroll: true });
  } else twin.focus({ preventScroll: true });
}
