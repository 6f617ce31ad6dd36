// The page's own line icons, 20 by 20, drawn in the current text colour.

import { svg } from "./dom.js";

/** @import { Shape } from "./types.js" */

/** @type {Record<string, string>} */
const PATHS = {
  hash: "M8 3.5 6.5 16.5M13.5 3.5 12 16.5M4 7.5h12.5M3.5 12.5H16",
  menu: "M3 5.5h14M3 10h14M3 14.5h14",
  panel: "M3 4.5h14v11H3zM12.5 4.5v11",
  close: "m5 5 10 10M15 5 5 15",
  back: "M12.5 4.5 7 10l5.5 5.5",
  reply: "M4 4.5h12v8.5H9.5L6 16v-3H4z",
  more: "M4.5 10h.01M10 10h.01M15.5 10h.01",
  send: "M3.5 16.5 17 10 3.5 3.5l2 6.5zM5.5 10H11",
  chevron: "m5.5 8 4.5 4.5L14.5 8",
  eye: "M2.5 10S5.2 5 10 5s7.5 5 7.5 5-2.7 5-7.5 5S2.5 10 2.5 10zM10 12a2 2 0 1 0 0-4 2 2 0 0 0 0 4z",
  check: "m4 10.5 4 4 8-9",
  warning: "M10 3.5 17.5 16.5h-15zM10 8.5v3.5M10 14.3h.01",
  sun: "M10 13.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM10 1.8v1.7M10 16.5v1.7M1.8 10h1.7M16.5 10h1.7M4.2 4.2l1.2 1.2M14.6 14.6l1.2 1.2M4.2 15.8l1.2-1.2M14.6 5.4l1.2-1.2",
  moon: "M16.5 11.8A7 7 0 0 1 8.2 3.5a7 7 0 1 0 8.3 8.3z",
  auto: "M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM10 3v14",
  clock: "M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM10 6v4l2.8 1.8",
  skip: "m4 5 6 5-6 5zM11 5l6 5-6 5z",
  alarm: "M10 16.5a6 6 0 1 0 0-12 6 6 0 0 0 0 12zM10 7.5v3l2 1.5M3 5l2.2-2M17 5l-2.2-2",
  power: "M10 3v6.5M6 5.4a6.3 6.3 0 1 0 8 0",
  bolt: "M11 2.5 4.5 11.5H9.5L9 17.5l6.5-9h-5z",
  link: "M8.5 11.5a3 3 0 0 0 4.3 0l2.7-2.7a3 3 0 0 0-4.3-4.3l-1 1M11.5 8.5a3 3 0 0 0-4.3 0L4.5 11.2a3 3 0 0 0 4.3 4.3l1-1",
  braces: "M7.5 3.5C4.5 3.5 7 9 4 10c3 1 .5 6.5 3.5 6.5M12.5 3.5c3 0 .5 5.5 3.5 6.5-3 1-.5 6.5-3.5 6.5",
  trash: "M4 6h12M8 6V4h4v2M5.5 6l.8 10.5h7.4L14.5 6M8.5 9v4.5M11.5 9v4.5",
  play: "M6.5 4.5v11l9-5.5z",
  card: "M3.5 4.5h13v11h-13zM6.5 8h7M6.5 11.5h4",
  inbox: "M3.5 11.5 6 4.5h8l2.5 7v4h-13zM3.5 11.5h4l1 2h3l1-2h4",
  flag: "M5 17V3.5M5 4h10l-2.5 3.5L15 11H5",
  person: "M10 10a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM4 16.5c.6-3 3-4.5 6-4.5s5.4 1.5 6 4.5",
  twice: "M4 9a3 3 0 0 1 3-3h9M13 3l3 3-3 3M16 11a3 3 0 0 1-3 3H4M7 11l-3 3 3 3",
  mute: "M4 4.5h12v8.5H9.5L6 16v-3H4zM7.5 6.5l5 5M12.5 6.5l-5 5",
  home: "m3.5 9.5 6.5-6 6.5 6v7h-4.5v-4.5h-4v4.5H3.5z",
};

/**
 * The icon called `name`; `size` in pixels.
 * @param {string} name
 * @param {number} size
 */
export function icon(name, size = 20) {
  return svg(
    {
      viewBox: "0 0 20 20",
      width: size,
      height: size,
      fill: "none",
      stroke: "currentColor",
      class: "icon",
      "stroke-width": name === "more" ? 2.6 : 1.6,
      "stroke-linecap": "round",
      "stroke-linejoin": "round",
    },
    [["path", { d: PATHS[name] }]],
  );
}

/**
 * The mark of an app that has no picture: a rosette with a tick.
 * @param {number} size in pixels
 */
export function appMark(size) {
  const points = Array.from({ length: 24 }, (_, i) => {
    const angle = (i * Math.PI) / 12;
    const radius = i % 2 ? 10.4 : 12.4;
    return `${(20 + radius * Math.sin(angle)).toFixed(2)},${(20 - radius * Math.cos(angle)).toFixed(2)}`;
  });
  return svg({ viewBox: "0 0 40 40", width: size, height: size }, [
    [
      "polygon",
      {
        points: points.join(" "),
        fill: "#f4efe2",
        stroke: "#f4efe2",
        "stroke-width": 1.6,
        "stroke-linejoin": "round",
      },
    ],
    [
      "path",
      {
        d: "m14.6 20.4 3.8 3.8 7.2-8",
        fill: "none",
        stroke: "#0f4f43",
        "stroke-width": 3,
        "stroke-linecap": "round",
        "stroke-linejoin": "round",
      },
    ],
  ]);
}

// Emoji that show a state. Drawn here, they look the same without an emoji font.
const WHITE = {
  fill: "none",
  stroke: "#fff",
  "stroke-width": 2.2,
  "stroke-linecap": "round",
  "stroke-linejoin": "round",
};
/** @type {(fill: string) => Shape} */
const square = (fill) => ["rect", { x: 1.5, y: 1.5, width: 17, height: 17, rx: 4, fill }];
/** @type {(fill: string) => Shape} */
const disc = (fill) => ["circle", { cx: 10, cy: 10, r: 8.5, fill }];
/** @type {Shape[]} */
const glass = [
  ["path", { d: "M5 2.5h10M5 17.5h10", stroke: "#8a6a2f", "stroke-width": 2, "stroke-linecap": "round" }],
  [
    "path",
    {
      d: "M6 3.5c0 4 2.8 5 2.8 6.5S6 12.5 6 16.5h8c0-4-2.8-5-2.8-6.5S14 7.5 14 3.5z",
      fill: "#cfe0ea",
      stroke: "#8a6a2f",
      "stroke-width": 1,
    },
  ],
  ["path", { d: "M7.2 6.2h5.6L10 9.4zM7 16c.6-2 2-2.6 3-2.6s2.4.6 3 2.6z", fill: "#e0a63c" }],
];
/** @type {Record<string, Shape[]>} */
const DRAWN = {
  white_check_mark: [square("#2f9e62"), ["path", { d: "m5.8 10.3 2.9 2.9 5.5-6.2", ...WHITE }]],
  heavy_check_mark: [["path", { d: "m4 10.5 4 4 8-9", ...WHITE, stroke: "#2f9e62", "stroke-width": 2.8 }]],
  x: [["path", { d: "m4.5 4.5 11 11M15.5 4.5l-11 11", ...WHITE, stroke: "#d0473c", "stroke-width": 3.2 }]],
  no_entry: [disc("#d0473c"), ["path", { d: "M5.8 10h8.4", ...WHITE, "stroke-width": 3 }]],
  no_entry_sign: [
    ["circle", { cx: 10, cy: 10, r: 7.4, fill: "none", stroke: "#d0473c", "stroke-width": 2.4 }],
    ["path", { d: "m5 5 10 10", ...WHITE, stroke: "#d0473c", "stroke-width": 2.4 }],
  ],
  hourglass: glass,
  hourglass_flowing_sand: glass,
  warning: [
    [
      "path",
      {
        d: "M10 2.2 18.6 17.4H1.4z",
        fill: "#e8b23a",
        stroke: "#e8b23a",
        "stroke-width": 1.6,
        "stroke-linejoin": "round",
      },
    ],
    ["path", { d: "M10 7.5v4.5M10 14.7h.01", ...WHITE, stroke: "#3d2f0a" }],
  ],
  information_source: [square("#3b78b8"), ["path", { d: "M10 9.5v4.5M10 6.2h.01", ...WHITE }]],
  large_green_circle: [disc("#2f9e62")],
  large_yellow_circle: [disc("#e8b23a")],
  large_orange_circle: [disc("#dd7d2c")],
  red_circle: [disc("#d0473c")],
  large_blue_circle: [disc("#3b78b8")],
  white_circle: [
    ["circle", { cx: 10, cy: 10, r: 7.6, fill: "#f2f4f3", stroke: "#b9c1bf", "stroke-width": 1.6 }],
  ],
  bell: [
    [
      "path",
      {
        d: "M10 2.5c-3.3 0-5 2.5-5 5.2 0 3.6-1.6 4.6-1.6 6h13.2c0-1.4-1.6-2.4-1.6-6 0-2.7-1.7-5.2-5-5.2z",
        fill: "#e8b23a",
      },
    ],
    ["path", { d: "M8 16a2 2 0 0 0 4 0z", fill: "#b9801b" }],
  ],
  lock: [
    ["path", { d: "M6.5 9V6.5a3.5 3.5 0 0 1 7 0V9", fill: "none", stroke: "#8b949a", "stroke-width": 2 }],
    ["rect", { x: 4, y: 8.5, width: 12, height: 9, rx: 2, fill: "#e0a63c" }],
  ],
  iphone: [
    ["rect", { x: 5.5, y: 1.5, width: 9, height: 17, rx: 2.2, fill: "#39424a" }],
    ["rect", { x: 6.8, y: 3.8, width: 6.4, height: 11.5, fill: "#9cc7e8" }],
  ],
};

/**
 * The page's own drawing of an emoji, or null where the font's is used.
 * @param {string} name
 */
export function drawn(name) {
  return DRAWN[name] ? svg({ viewBox: "0 0 20 20", class: "emoji__drawn" }, DRAWN[name]) : null;
}
