// Guided scenarios: the coach bar at the foot of the page. The play itself runs in the simulator, so a reload or a second
// page finds it as it is. The page in which somebody pressed a button of the bar leads the play: it goes to each step.

import { post } from "../app/api.js";
import { fill, frontmost, h, keepingFocus, query } from "../app/dom.js";
import { icon } from "../app/icons.js";
import { closeDrawer } from "../app/shell.js";
import { state, update, watch } from "../app/state.js";
import { loadGuide } from "../app/sync.js";
import { toastError } from "../app/toast.js";
import { chooseScenario } from "./guided_menu.js";
import { bringUp, goTo, point, unpoint } from "./guided_scene.js";

/** @import { Chosen } from "./guided_menu.js" */
/** @import { Play, ScriptStep } from "../app/types.js" */

const KEY = "countersign.guided";
const BEAT = 1000; // milliseconds to see what is about to be used
const GLANCE = 120; // the same for those who asked for less motion
const READING = 1600; // milliseconds, and for each character of what there is to read:
const READING_EACH = 45;
const CALM = matchMedia("(prefers-reduced-motion: reduce)");

let going = false;
/** @type {number|undefined} */
let timer;

/** @typedef {{play?: string, auto?: boolean}} Led */

/** Which play this page leads, and whether it goes on by itself. Kept over a reload, for this page alone. */
const lead = {
  /** @returns {Led} */
  get: () => JSON.parse(sessionStorage.getItem(KEY) || "{}"),
  /** @param {Led} fresh */
  set: (fresh) => sessionStorage.setItem(KEY, JSON.stringify(fresh)),
};

export function startGuided() {
  const bar = coachBar();
  document.body.append(bar.node);
  new ResizeObserver(() => measure(bar.node)).observe(bar.node);
  /** @type {string|null} */
  let turnOf = null;
  watch(["guide"], () => {
    const { play } = state.guide;
    const at = play && `${play.id} ${play.step} ${play.phase}`;
    if (at !== turnOf && !going) unpoint();
    bar.draw(shownPlay());
    measure(bar.node);
    if (at !== turnOf) bringUp(play);
    turnOf = at;
    schedule();
  });
  // What is outside an open dialog is inert, so the bar moves into the dialog in front.
  new MutationObserver(() => follow(bar.node)).observe(document.body, { childList: true });
}

/** The button that opens the menu. Hidden where there are no scenarios. */
export function guidedButton() {
  const node = h(
    "button",
    {
      type: "button",
      class: "guided-button",
      title: "Eight short scenarios, played for you or left to your hands",
      "aria-haspopup": "dialog",
      hidden: true,
      dataset: { testid: "guided" },
      on: { click: choose },
    },
    icon("play", 15),
    h("span", null, "Guided"),
  );
  watch(["guide"], () => {
    node.hidden = !state.guide.scenarios.length;
  });
  return node;
}

async function choose() {
  const chosen = await chooseScenario(state.guide.scenarios);
  if (chosen) await begin(chosen);
}

/** @param {Chosen} chosen */
async function begin({ name, byHand }) {
  const answer = await tell("begin", { name, by_hand: byHand });
  if (!answer) return;
  lead.set({ play: answer.play.id, auto: !byHand });
  update({ guide: { ...state.guide } });
  query(document, ".coach__button--primary")?.focus();
}

/** Goes to the place of the step, shows what will be used, and has the step done. */
async function next() {
  const { play } = state.guide;
  if (going || play?.phase !== "waiting") return;
  lead.set({ play: play.id, auto: leads(play) && lead.get().auto });
  setGoing(true);
  const { scene } = play.script[play.step];
  try {
    await goTo(scene);
    point(scene, { typed: true });
    await new Promise((resolve) => setTimeout(resolve, CALM.matches ? GLANCE : BEAT));
    unpoint();
    await tell("next", { play: play.id, step: play.step });
    // On a narrow page the clock hides the result.
    if (scene.spot === "clock") closeDrawer();
  } finally {
    setGoing(false);
  }
}

/** @param {boolean} on */
function setGoing(on) {
  going = on;
  update({ guide: { ...state.guide } });
}

/**
 * The play as it is shown. A step that this page is going to counts as under way.
 * @returns {Play|null}
 */
function shownPlay() {
  const { play } = state.guide;
  return going && play?.phase === "waiting" ? { ...play, phase: "doing", failed: null } : play;
}

async function takeMeThere() {
  const { play } = state.guide;
  if (!play) return;
  const { scene } = play.script[play.step];
  await goTo(scene);
  point(scene, { typed: true })?.focus();
}

function turn() {
  const { play } = state.guide;
  if (!play) return;
  const led = lead.get();
  lead.set({ play: play.id, auto: !(led.play === play.id && led.auto) });
  update({ guide: { ...state.guide } });
}

function leave() {
  lead.set({});
  unpoint();
  tell("leave", { play: state.guide.play?.id });
  query(document, '[data-testid="guided"]')?.focus();
}

/** @param {Play|null} play */
function leads(play) {
  return play !== null && lead.get().play === play.id;
}

// Auto-play: starts the next step after the time to read about this one.
function schedule() {
  clearTimeout(timer);
  const { play } = state.guide;
  if (!play || !leads(play) || !lead.get().auto || going) return;
  if (play.by_hand || play.phase !== "waiting" || play.failed || play.ended) return;
  // The menu has shown the reason already.
  const fresh = play.step ? words(play).told : play.notes.join(" ");
  timer = setTimeout(next, READING + READING_EACH * fresh.length);
}

/**
 * @param {string} what
 * @param {object} body
 */
async function tell(what, body) {
  try {
    const answer = await post(`scenarios/${what}`, body);
    await loadGuide();
    return answer;
  } catch (error) {
    toastError(error);
    return null;
  }
}

/**
 * The text of the bar: what happened or happens now, and by hand also what is to be done.
 * @param {Play} play
 */
function words({ by_hand: byHand, script, step, phase, why, ended }) {
  const last = script.length - 1;
  if (phase === "over") return { told: script[last].tell, todo: "" };
  if (phase === "doing") return { told: script[step].tell, todo: "" };
  return { told: step ? script[step - 1].tell : why, todo: byHand && !ended ? script[step].hand : "" };
}

// ---- the bar ------------------------------------------------------------------------------------------------

function coachBar() {
  const title = h("h2", { class: "coach__title" });
  const count = h("p", { class: "coach__count", dataset: { testid: "guided-count" } });
  const dots = h("span", { class: "coach__dots", "aria-hidden": "true" });
  const told = h("p", { class: "coach__told" });
  const todo = h("p", { class: "coach__todo", dataset: { testid: "guided-todo" } });
  const note = h("p", { class: "coach__note", dataset: { testid: "guided-note" } });
  const failed = h("p", { class: "coach__failed", role: "alert" });
  const wire = h("p", { class: "coach__wire", "aria-label": "What the agent sent and got" });
  const buttons = h("div", { class: "coach__buttons" });
  const node = h(
    "section",
    {
      class: "coach",
      id: "coach",
      "aria-label": "Guided scenario",
      hidden: true,
      dataset: { testid: "coach" },
    },
    h("div", { class: "coach__head" }, title, h("div", { class: "coach__step" }, dots, count)),
    h("div", { class: "coach__words", "aria-live": "polite" }, note, told, todo, failed, wire),
    buttons,
  );
  /** @param {Play|null} play */
  const draw = (play) => {
    node.hidden = !play;
    if (!play) return;
    const { script, step, phase } = play;
    const over = phase === "over";
    const said = words(play);
    node.dataset.phase = phase;
    node.dataset.step = String(step);
    title.textContent = play.title;
    // While it waits, the step shown is the last one done; by hand it is the one to do.
    const shown = over ? script.length : step + (play.by_hand || phase === "doing" ? 1 : 0);
    count.textContent = shown ? `Step ${shown} of ${script.length}` : `${script.length} steps`;
    fill(
      dots,
      script.map((_, at) => h("span", { class: `coach__dot${dotState(at, play)}` })),
    );
    drawSaid(told, said.told, over || (play.by_hand && step > 0 && phase === "waiting"));
    fill(todo, coded(said.todo));
    note.textContent = step ? "" : play.notes.join(" ");
    const wrong = phase === "waiting" && (play.ended || play.failed);
    fill(failed, wrong ? [icon("warning", 16), h("span", null, wrong)] : []);
    wire.textContent = play.wire.join("\n");
    keepingFocus(buttons, () => fill(buttons, controls(play)), ".coach__button--primary");
  };
  return { node, draw };
}

/**
 * @param {number} at
 * @param {Play} play
 */
function dotState(at, { step, phase }) {
  if (phase === "over" || at < step) return " coach__dot--done";
  return at === step && phase === "doing" ? " coach__dot--now" : "";
}

/**
 * A screen reader reads what changes in a polite region, so a sentence that stays is not set again.
 * @param {HTMLElement} node
 * @param {string} sentence
 * @param {boolean} done
 */
function drawSaid(node, sentence, done) {
  if (node.dataset.said === sentence && node.dataset.done === String(done)) return;
  node.dataset.said = sentence;
  node.dataset.done = String(done);
  fill(node, done ? icon("check", 16) : null, h("span", null, sentence));
}

/**
 * `code` in backticks, as in the scenarios.
 * @param {string} text
 */
function coded(text) {
  return text.split("`").map((part, at) => (at % 2 ? h("code", null, part) : part));
}

/** @param {Play} play */
function controls(play) {
  const busy = play.phase === "doing";
  const auto = leads(play) && lead.get().auto;
  const close = h(
    "button",
    {
      type: "button",
      class: "coach__close",
      "aria-label": "Leave the scenario",
      title: "Leave the scenario",
      dataset: { testid: "guided-leave" },
      on: { click: leave },
    },
    icon("close", 18),
  );
  /** @type {(label: string, tone?: string) => HTMLElement} */
  const again = (label, tone) =>
    button("again", label, () => begin({ name: play.name, byHand: play.by_hand }), tone);
  if (play.phase === "over")
    return [again("Play it again"), button("next", "Another one", choose, "primary"), close];
  if (play.ended && !busy) return [again("Start over", "primary"), close];
  if (play.by_hand) return [...byHandButtons(play.script[play.step], busy), close];
  return [
    play.failed ? again("Start over") : button("auto", auto ? "Pause" : "Auto-play", turn),
    button("next", play.failed ? "Try again" : play.step || busy ? "Next" : "Start", next, "primary", busy),
    close,
  ];
}

/**
 * A person cannot do what a program does, so that step has no control to go to.
 * @param {ScriptStep} step
 * @param {boolean} busy
 */
function byHandButtons({ acts, scene }, busy) {
  /** @type {(tone?: string) => HTMLElement} */
  const there = (tone) => button("there", "Take me there", takeMeThere, tone, busy);
  /** @type {(tone?: string) => HTMLElement} */
  const done = (tone) => button("do", acts ? "Do it for me" : "Show me", next, tone, busy);
  return acts && !scene.spot ? [there(), done("primary")] : [done(), there("primary")];
}

/**
 * @param {string} name
 * @param {string} label
 * @param {() => unknown} act
 * @param {string} tone
 * @param {boolean} busy
 */
function button(name, label, act, tone = "", busy = false) {
  return h(
    "button",
    {
      type: "button",
      class: `coach__button${tone ? ` coach__button--${tone}` : ""}`,
      "aria-disabled": busy ? "true" : null,
      dataset: { testid: `guided-${name}` },
      on: { click: () => busy || act() },
    },
    label,
  );
}

// ---- where the bar is -----------------------------------------------------------------------------------------

/**
 * Makes what is above the bar leave space for it.
 * @param {HTMLElement} node
 */
function measure(node) {
  const height = node.hidden ? 0 : Math.ceil(node.getBoundingClientRect().height);
  document.documentElement.style.setProperty("--coach", `${height}px`);
}

/** @param {HTMLElement} node */
function follow(node) {
  const front = frontmost();
  if (node.parentElement === front) return;
  front.append(node);
  // The focus is lost when a dialog closes that held the bar with the focus.
  if (front === document.body && document.activeElement === document.body)
    query(node, ".coach__button--primary")?.focus({ preventScroll: true });
}
