// My open modals. The one in front is drawn in a <dialog>, which keeps the focus inside and gives it back at the end.

import { post, Refused } from "../app/api.js";
import { avatar } from "../app/avatar.js";
import { actionOf, fill, h, query, queryAll } from "../app/dom.js";
import { icon } from "../app/icons.js";
import { names, state, theApp, watch } from "../app/state.js";
import { loadState } from "../app/sync.js";
import { toast, toastError } from "../app/toast.js";
import { renderBlocks, showError } from "./blocks.js";
import { firstField } from "./inputs.js";
import { textObject } from "./mrkdwn.js";
import { forgetView, viewSurface } from "./surfaces.js";

/** @import { Names, Surface, View } from "../app/types.js" */

/** @type {HTMLDialogElement|null} */
let dialog = null;
/** @type {{id: string|null, sig: string|null}} */
let drawn = { id: null, sig: null };
/**
 * The view that is being closed.
 * @type {string|null}
 */
let closing = null;

export function startModals() {
  watch(["views"], () => {
    const top = state.views[state.views.length - 1];
    if (top) draw(top);
    else shut();
  });
}

function shut() {
  if (!dialog) return;
  const closing = dialog;
  dialog = null;
  drawn = { id: null, sig: null };
  closing.close();
  closing.remove();
}

/** @param {View} view */
function draw(view) {
  // A change of the state alone needs no redraw: the page knows those values already.
  const sig = JSON.stringify([state.as, { ...view, state: null }]);
  if (sig === drawn.sig) return;
  const same = view.id === drawn.id;
  const scroll = (same && dialog && query(dialog, ".dialog__body")?.scrollTop) || 0;
  const held = same && document.activeElement ? actionOf(document.activeElement) : null;
  drawn = { id: view.id, sig };
  dialog ??= open();
  const body = h("div", { class: "dialog__body" });
  contents(dialog, body, view);
  body.scrollTop = scroll;
  const again = held && queryAll(body, "[data-action-id]").find((node) => node.dataset.actionId === held);
  (
    again ||
    (same ? null : firstField(body)) ||
    query(dialog, '[data-testid="modal-submit"]') ||
    query(dialog, "button")
  )?.focus({ preventScroll: same });
}

function open() {
  const node = h("dialog", {
    class: "dialog modal",
    dataset: { testid: "modal" },
    "aria-labelledby": "modal-title",
  });
  // The simulator closes the view and tells the app. The dialog is removed when the view is gone.
  node.addEventListener("cancel", (event) => {
    if (event.target !== node) return;
    event.preventDefault();
    closeTop();
  });
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.metaKey || event.ctrlKey)) return;
    event.preventDefault();
    query(node, '[data-testid="modal-submit"]')?.click();
  });
  document.body.append(node);
  node.showModal();
  return node;
}

/**
 * @param {HTMLDialogElement} into
 * @param {HTMLElement} body
 * @param {View} view
 */
function contents(into, body, view) {
  const text = names();
  const depth = state.views.length;
  const surface = viewSurface(view);
  const close = h(
    "button",
    { type: "button", class: "iconbtn", "aria-label": depth > 1 ? "Back" : "Close", on: { click: closeTop } },
    icon(depth > 1 ? "back" : "close"),
  );
  /** @type {HTMLFormElement} */
  const form = h(
    "form",
    {
      class: "modal__form",
      novalidate: true,
      dataset: { viewId: view.id },
      on: {
        submit: (event) => {
          event.preventDefault();
          submit(view, surface, form);
        },
      },
    },
    h(
      "div",
      { class: "dialog__head" },
      depth > 1 ? close : null,
      avatar(theApp(), 28),
      h("h2", { class: "dialog__title", id: "modal-title" }, textObject(view.title, text)),
      depth > 1 ? null : close,
    ),
    fill(body, renderBlocks(view.blocks, surface)),
    footer(view, text),
  );
  fill(into, form);
}

/**
 * @param {View} view
 * @param {Names} text
 */
function footer(view, text) {
  const submittable = view.submit || view.blocks.some((block) => block.type === "input");
  const deny = h(
    "button",
    { type: "button", class: "btn", dataset: { testid: "modal-close" }, on: { click: closeTop } },
    view.close ? textObject(view.close, text) : submittable ? "Cancel" : "Close",
  );
  if (!submittable) return h("div", { class: "dialog__foot" }, deny);
  const label = view.submit ? textObject(view.submit, text) : "Submit";
  return h(
    "div",
    { class: "dialog__foot" },
    deny,
    h(
      "button",
      { type: "submit", class: "btn btn--primary", dataset: { testid: "modal-submit" } },
      h("span", { class: "btn__text" }, label),
    ),
  );
}

/**
 * @param {View} view
 * @param {Surface} surface
 * @param {HTMLFormElement} form
 */
async function submit(view, surface, form) {
  if (form.getAttribute("aria-busy") === "true") return;
  showErrors(view, form, {});
  busy(form, true);
  try {
    await post("view/submit", { as: state.as, view_id: view.id, state: surface.state() });
    await loadState();
    busy(form, false);
  } catch (error) {
    // Before the focus goes to the first error: an inert form takes no focus.
    busy(form, false);
    if (error instanceof Refused && error.errors) showErrors(view, form, error.errors);
    else toastError(error);
  }
}

/**
 * Shows each error at its block and moves to the first; `{}` clears them all.
 * @param {View} view
 * @param {HTMLFormElement} form
 * @param {Record<string, string>} errors
 */
function showErrors(view, form, errors) {
  for (const block of view.blocks)
    if (block.type === "input") showError(form, block.block_id, errors[block.block_id]);
  const stray = Object.entries(errors).filter(
    ([id]) => !view.blocks.some((block) => block.type === "input" && block.block_id === id),
  );
  for (const [, sentence] of stray) toast(sentence, "error");
  const wrong = query(form, ".field-block--wrong");
  wrong?.scrollIntoView({ block: "nearest" });
  const control = wrong && query(wrong, "[data-action-id]");
  (control?.matches(".choices") ? query(control, "input") : control)?.focus();
}

/**
 * @param {HTMLFormElement} form
 * @param {boolean} on
 */
function busy(form, on) {
  form.toggleAttribute("inert", on);
  form.setAttribute("aria-busy", String(on));
  form.querySelector('[data-testid="modal-submit"]')?.setAttribute("aria-busy", String(on));
}

/** Closes the modal in front, once: Escape may come again before the simulator has answered. */
async function closeTop() {
  const view = state.views[state.views.length - 1];
  if (!view || view.id === closing) return;
  closing = view.id;
  try {
    await post("view/close", { as: state.as, view_id: view.id });
    forgetView(view);
    await loadState();
  } catch (error) {
    // Another window, or the app, may have closed it: then it is as wanted.
    await loadState().catch(() => {});
    if (state.views.some((open) => open.id === view.id)) toastError(error);
  } finally {
    closing = null;
  }
}
