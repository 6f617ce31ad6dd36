// The frame: which side columns are shown. It is remembered between visits. On a narrow screen they are drawers.

import { byId, focusedIn, query } from "./dom.js";
import { openThread } from "./navigate.js";
import { state } from "./state.js";

const KEY = "countersign.panel";
const NARROW = matchMedia("(max-width: 1099px)");

/** @type {HTMLElement|null} */
let opener = null;

export function togglePanel() {
  if (NARROW.matches) return drawer("panel");
  // Between these widths an open thread takes the place of the panel, so it is closed for the panel.
  if (state.thread && !inSight(panel())) {
    document.body.classList.remove("panel-closed");
    return openThread(null);
  }
  const closed = document.body.classList.toggle("panel-closed");
  localStorage.setItem(KEY, closed ? "closed" : "open");
  return undefined;
}

/** Shows the panel if it is out of sight. */
export function showPanel() {
  if (!inSight(panel())) togglePanel();
}

const panel = () => byId("panel");
/** @param {HTMLElement} node */
const inSight = (node) => node.checkVisibility({ checkVisibilityCSS: true, visibilityProperty: true });

export function toggleSidebar() {
  drawer("sidebar");
}

/**
 * Opens a drawer, or closes the one that is open.
 * @param {string} name
 */
function drawer(name) {
  const open = document.body.dataset.drawer === name;
  closeDrawer();
  if (open) return;
  opener = focusedIn(document);
  document.body.dataset.drawer = name;
  query(byId(name), 'button, [tabindex="0"]')?.focus();
}

export function closeDrawer() {
  if (!document.body.dataset.drawer) return;
  delete document.body.dataset.drawer;
  opener?.focus();
  opener = null;
}

/**
 * @param {HTMLElement} scrim
 * @param {HTMLElement} skip
 */
export function startShell(scrim, skip) {
  skip.addEventListener("click", () => query(document, '#main [tabindex="0"], #main textarea')?.focus());
  document.body.classList.toggle("panel-closed", localStorage.getItem(KEY) === "closed");
  scrim.addEventListener("click", closeDrawer);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented) closeDrawer();
    if (event.key === "F6") nextRegion(event);
  });
}

/**
 * F6 walks through the page's regions, as it does in browsers and in Slack.
 * @param {KeyboardEvent} event
 */
function nextRegion(event) {
  const regions = ["sidebar", "main", "thread", "panel", "coach"].map(byId).filter(inSight);
  const at = regions.findIndex((node) => node.contains(document.activeElement));
  const next = regions[(at + (event.shiftKey ? -1 : 1) + regions.length) % regions.length];
  query(
    next,
    '[aria-current], [aria-pressed="true"], textarea:not([hidden]), button, [tabindex="0"]',
  )?.focus();
  event.preventDefault();
}
