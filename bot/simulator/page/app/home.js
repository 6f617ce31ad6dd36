// The app's Home tab.

import { renderBlocks } from "../blocks/blocks.js";
import { viewSurface } from "../blocks/surfaces.js";
import { fill, h } from "./dom.js";
import { state, theApp } from "./state.js";

/** @param {HTMLElement} node */
export function drawHome(node) {
  const { home } = state;
  if (home === undefined) return fill(node, h("p", { class: "empty" }, "Loading…"));
  if (!home) {
    const name = theApp()?.real_name || "The app";
    return fill(
      node,
      h(
        "div",
        { class: "empty" },
        h("h2", null, "Nothing here yet"),
        h("p", null, `${name} has not published a Home for you.`),
      ),
    );
  }
  return fill(
    node,
    h("div", { class: "home__page" }, renderBlocks(home.blocks, viewSurface({ ...home, type: "home" }))),
  );
}
