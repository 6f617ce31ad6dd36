// "What is happening": the story of the work in view, step by step, and what it waits for now.

import { fill, h, reconcile } from "../app/dom.js";
import { icon } from "../app/icons.js";
import { stickToEnd } from "../app/scrolling.js";
import { now, state, watch } from "../app/state.js";
import { announce } from "../app/toast.js";
import { startWork } from "../app/work.js";
import { startProcess } from "./process.js";
import { drawStep, named, stepSentence } from "./story_step.js";
import { startStorySync } from "./story_sync.js";
import { dayLabel, moment, remaining, wall } from "./time.js";

/** @import { Item, Story } from "../app/types.js" */

/**
 * Appends the card to `panel`, with the app's process at its foot.
 * @param {HTMLElement} panel
 */
export function startStory(panel) {
  const title = h("h3", { class: "card__title", id: "story-title" }, "What is happening");
  const pill = h("span", { class: "pill", hidden: true, dataset: { testid: "story-standing" } });
  const name = h("p", { class: "story__name" });
  const id = h("p", { class: "story__id", dataset: { testid: "story-id" } });
  const note = h("p", {
    class: "story__note",
    role: "status",
    hidden: true,
    dataset: { testid: "story-note" },
  });
  const list = h("ol", {
    class: "story__steps",
    "aria-labelledby": "story-title",
    dataset: { testid: "story" },
  });
  const waiting = waitingLine();
  const held = h("div", null, list, waiting.node);
  const scroller = h(
    "div",
    { class: "story__scroller", tabindex: 0, role: "group", "aria-label": "Steps so far" },
    held,
  );
  const story = h(
    "section",
    { class: "story", "aria-labelledby": "story-title", dataset: { testid: "story-panel" } },
    h("header", { class: "story__head" }, title, pill),
    name,
    id,
    note,
    scroller,
  );
  const card = h("section", { class: "card card--story" }, story);
  panel.append(card);
  startProcess(card);
  startWork();

  const end = stickToEnd(scroller, held);
  /** @type {Story|null} */
  let shown = null;
  watch(["story", "app", "before", "regained", "hasStories", "people", "me", "today"], () => {
    const { story: told, app } = state;
    const stopped = app?.running === false;
    story.hidden = !state.hasStories;
    story.classList.toggle("story--still", stopped);
    drawNote(note, told, stopped);
    pill.hidden = !told;
    scroller.hidden = !told;
    if (!told) {
      name.textContent = "Nothing yet";
      id.textContent =
        "Ask for an approval, and each step of it is shown here as it is put on record. Gatherings are not shown.";
      id.classList.add("story__id--words");
    } else {
      name.textContent = told.title;
      id.textContent = told.id;
      id.classList.remove("story__id--words");
      pill.textContent = told.standing;
      pill.className = `pill pill--${told.tone}`;
      drawSteps(list, told);
      tell(shown, told);
      if (shown?.id !== told.id) end();
    }
    waiting.draw(told, stopped);
    shown = told;
  });
  startStorySync();
}

/**
 * @param {HTMLElement} list
 * @param {Story} told
 */
function drawSteps(list, told) {
  const tz = state.me?.tz;
  /** @type {Item[]} */
  const items = [];
  let day = wall(told.steps[0]?.at ?? now(), tz).days;
  told.steps.forEach((step, at) => {
    const { days } = wall(step.at, tz);
    if (days !== day) {
      const label = dayLabel(step.at, { tz, now: now() });
      items.push({ key: `day ${days}`, sig: label, build: () => h("li", { class: "story__day" }, label) });
      day = days;
    }
    items.push({
      key: `${told.id} ${at}`,
      sig: `${JSON.stringify(step)} ${tz} ${state.today} ${state.people.length}`,
      build: () => drawStep(step, tz),
    });
  });
  reconcile(list, items);
}

/**
 * Only new steps are announced, and only of the story that was on screen already.
 * @param {Story|null} before
 * @param {Story} told
 */
function tell(before, told) {
  if (before?.id !== told.id) return;
  const fresh = told.steps.slice(before.steps.length).filter((step) => step.look !== "quiet");
  for (const step of fresh) announce(stepSentence(step));
}

/**
 * @param {HTMLElement} note
 * @param {Story|null} told
 * @param {boolean} stopped
 */
function drawNote(note, told, stopped) {
  const words = told && (stopped ? stoppedWords(told) : regainedWords());
  note.hidden = !words;
  note.className = `story__note story__note--${stopped ? "stopped" : "back"}`;
  if (words && note.dataset.words !== words)
    fill(note, icon(stopped ? "bolt" : "check", 15), h("span", null, words));
  note.dataset.words = words || "";
}

/** @param {Story} told */
function stoppedWords({ steps, waiting }) {
  const known = `${count(steps.length)} on disk${waiting?.until ? ", and the timer too" : ""}.`;
  return `Killed. Nothing runs now; ${known}`;
}

function regainedWords() {
  const { regained } = state;
  return regained === null ? "" : `Back again. Nothing was lost: ${allOf(regained)} still there.`;
}

const LATE = "Catching up: what fell due in the time that was skipped is being done, in order.";

/** @param {number} steps */
const count = (steps) => `${steps} ${steps === 1 ? "step is" : "steps are"}`;
/** @param {number} steps */
const allOf = (steps) => (steps === 1 ? "its one step is" : `all ${steps} steps are`);

function waitingLine() {
  const words = h("p", { class: "waiting__words" });
  const who = h("p", { class: "waiting__who" });
  const left = h("p", { class: "waiting__left", role: "timer", dataset: { testid: "story-countdown" } });
  const deadline = h("p", { class: "waiting__who" });
  const note = h("p", { class: "waiting__note" });
  const node = h(
    "div",
    { class: "waiting", hidden: true, dataset: { testid: "story-waiting" } },
    h("span", { class: "waiting__ring", "aria-hidden": "true" }),
    words,
    who,
    left,
    deadline,
    note,
  );
  /** @type {number|null} */
  let until = null;
  let said = "";
  const tick = () => {
    left.textContent = until === null ? "" : remaining(until - now());
    const late = Boolean(said) && until !== null && until <= now();
    note.textContent = late ? LATE : said;
    note.classList.toggle("waiting__note--late", late);
  };
  setInterval(tick, 1000);
  watch(["clock"], tick);
  return {
    node,
    /**
     * @param {Story|null} told
     * @param {boolean} stopped
     */
    draw(told, stopped) {
      const waits = told?.waiting;
      node.hidden = !waits;
      until = waits?.until ?? null;
      said = stopped ? "" : waits?.note || "";
      tick();
      if (!waits) return;
      words.textContent = waits.words;
      who.textContent = waits.who.map(named).join(", ");
      deadline.textContent = waits.until
        ? `until ${moment(waits.until, { tz: state.me?.tz, now: now() })}`
        : "";
    },
  };
}
