// "Make trouble": faults of the world around the app, at the press of a button.

import { get, post, Refused, remove } from "../app/api.js";
import { fill, h, keepingFocus, query, reconcile } from "../app/dom.js";
import { icon } from "../app/icons.js";
import { names, person, state, update, watch } from "../app/state.js";
import { toastError } from "../app/toast.js";
import { cardInView } from "../app/work.js";
import { spoken } from "../blocks/mrkdwn.js";
import { control } from "./controls.js";

/** @import { ButtonElement, Fault, Item, Message, Person } from "../app/types.js" */

const MINUTE = 60; // seconds
const LOOK_AGAIN = 150; // milliseconds
const PATIENCE = 4000; // milliseconds for the app's answer to somebody else's press

/**
 * The switches: the plan of each fault, and how to recognise it among those that are on.
 * @typedef {{testid: string, label: string, hint: string, picture: string}} Face how a switch looks
 */

/** @typedef {Face & {plan: Record<string, string|number>, is: (fault: Fault) => boolean}} Switch */

/** @type {Switch[]} */
const SWITCHES = [
  {
    testid: "fault-429",
    label: "Slack answers 429",
    hint: "for a minute, about messages: wait 5\u00a0s",
    picture: "clock",
    // Slack limits each kind of call separately, so calls that read are still answered.
    plan: { method: "chat.*", error: "ratelimited", retry_after: 5, count: -1, seconds: MINUTE },
    is: (fault) => fault.error === "ratelimited",
  },
  {
    testid: "fault-500",
    label: "Slack answers 500",
    hint: "for a minute: it is broken",
    picture: "warning",
    plan: { method: "*", error: "http_500", count: -1, seconds: MINUTE },
    is: (fault) => fault.error === "http_500",
  },
  {
    testid: "fault-sms",
    label: "Texts vanish",
    hint: "taken, and never delivered",
    picture: "mute",
    plan: { service: "sms", kind: "drop", count: -1 },
    is: (fault) => fault.kind === "drop",
  },
];

/**
 * Appends the card to `panel`.
 * @param {HTMLElement} panel
 */
export function startTrouble(panel) {
  const mark = h("span", { class: "trouble__mark", hidden: true });
  const switches = h("div", { class: "trouble__switches" });
  const acts = h("div", { class: "trouble__acts" });
  const outcome = h("div", {
    class: "trouble__outcome",
    role: "status",
    dataset: { testid: "trouble-outcome" },
  });
  const summary = h(
    "summary",
    { class: "trouble__summary", dataset: { testid: "trouble" } },
    h("h3", { class: "card__title" }, "Make trouble"),
    mark,
    icon("chevron", 16),
  );
  panel.append(
    h(
      "details",
      { class: "card trouble" },
      summary,
      h("div", { class: "trouble__body" }, switches, acts, outcome),
    ),
  );

  const draw = () => {
    drawSwitches(switches);
    const on = switches.querySelectorAll('[aria-pressed="true"]').length;
    mark.hidden = !on;
    mark.textContent = `${on} on`;
  };
  watch(["faults", "twice", "hasPhones"], draw);
  setInterval(() => state.faults.some((fault) => fault.until !== null) && tick(switches, draw), 1000);
  watch(["messages", "thread", "work", "story"], () => keepingFocus(acts, () => drawActs(acts, outcome)));
  watch(["channel"], () => fill(outcome));
}

// ---- what is on for a while ------------------------------------------------------------------------------

/** @param {HTMLElement} node */
function drawSwitches(node) {
  /** @type {Item[]} */
  const items = SWITCHES.filter((one) => one.plan.service !== "sms" || state.hasPhones).map((one) => {
    const fault = state.faults.find((planned) => one.is(planned) && !isOver(planned));
    return {
      key: one.testid,
      sig: fault ? `${fault.id} ${fault.struck}` : "off",
      build: () => toggle(one, fault ? onWords(fault) : null, () => turn(one, fault)),
    };
  });
  const twice = {
    testid: "fault-twice",
    label: "Click twice",
    hint: "the next press is sent twice",
    picture: "twice",
  };
  items.push({
    key: twice.testid,
    sig: String(state.twice),
    build: () =>
      toggle(twice, state.twice ? "on for the next press" : null, () => update({ twice: !state.twice })),
  });
  keepingFocus(node, () => reconcile(node, items));
}

/**
 * Changes only the text, so that no button is replaced each second under a finger or a screen reader.
 * @param {HTMLElement} node
 * @param {() => void} draw
 */
function tick(node, draw) {
  for (const fault of state.faults) {
    const one = SWITCHES.find((known) => known.is(fault));
    if (isOver(fault)) draw();
    else if (one) {
      const hint = query(node, `[data-testid="${one.testid}"] .toggle__hint`);
      if (hint) hint.textContent = onWords(fault);
    }
  }
}

/** @param {Fault} fault */
const isOver = (fault) => fault.until !== null && fault.until <= performance.now();

/** @param {Fault} fault */
function onWords(fault) {
  const left =
    fault.until === null
      ? "until switched off"
      : `${Math.ceil((fault.until - performance.now()) / 1000)} s more`;
  return `on, ${left}${fault.struck ? ` · hit ${fault.struck}` : ""}`;
}

/**
 * @param {Face} face
 * @param {string|null} words what it says while it is on
 * @param {() => unknown} act
 */
function toggle({ testid, label, hint, picture }, words, act) {
  const press = async () => {
    try {
      await act();
    } catch (error) {
      toastError(error);
    }
  };
  return h(
    "button",
    {
      type: "button",
      class: "toggle",
      "aria-pressed": String(Boolean(words)),
      dataset: { testid },
      on: { click: press },
    },
    icon(picture, 16),
    h("span", { class: "toggle__label" }, label),
    h("span", { class: "toggle__hint" }, words || hint),
    h("span", { class: "toggle__knob", "aria-hidden": "true" }),
  );
}

/**
 * @param {Switch} one
 * @param {Fault} [fault] the one that is on
 */
async function turn(one, fault) {
  if (fault) await remove(`faults/${fault.id}`);
  else await post("faults", one.plan);
}

// ---- what happens once -----------------------------------------------------------------------------------

/**
 * @param {HTMLElement} node
 * @param {HTMLElement} outcome
 */
function drawActs(node, outcome) {
  const card = cardInView();
  const buttons = [
    control("delete-card", "Delete card", "trash", () => removeCard(outcome)),
    control("wrong-person", "Wrong person", "person", () => pressAsStranger(outcome)),
  ];
  buttons[0].disabled = !card;
  // The story says who may not press.
  buttons[1].disabled = !card || !state.story;
  buttons[0].title = "Delete the card in view, behind the app's back";
  buttons[1].title = "Press the first button of the card in view as somebody who may not";
  fill(node, buttons);
}

/** @param {HTMLElement} outcome */
async function removeCard(outcome) {
  const card = cardInView();
  if (!card) return;
  // So that its story stays in view.
  update({ picked: state.work });
  await remove(`messages/${card.channel}/${card.ts}`);
  say(
    outcome,
    "The card is gone for everyone, and the app was not asked. The request itself is elsewhere: it waits on.",
  );
}

/** @param {HTMLElement} outcome */
async function pressAsStranger(outcome) {
  const card = cardInView();
  const button = card && firstButton(card);
  if (!card || !button) throw new Refused("This card has no button to press any more.");
  const stranger = state.story?.outsiders.map(person).find((one) => one !== null);
  if (!stranger) throw new Refused("Everybody here may decide this.");
  const seen = new Set((await theirs(stranger, card)).map((message) => message.ts));
  const { block_id, element } = button;
  const press = { block_id, action_id: element.action_id, value: element.value ?? null, state: {} };
  await post("action", { as: stranger.id, channel: card.channel, ts: card.ts, ...press });
  const until = performance.now() + PATIENCE;
  while (performance.now() < until) {
    const told = (await theirs(stranger, card))
      .filter((message) => message.ephemeral && !seen.has(message.ts))
      .at(-1);
    if (told) {
      say(
        outcome,
        spoken(told.text, names()),
        `${stranger.real_name} pressed ${element.text.text}, and alone sees:`,
      );
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN));
  }
  say(outcome, `${stranger.real_name} pressed ${element.text.text}, and was told nothing yet.`);
}

/**
 * @param {Person} someone
 * @param {Message} card
 * @returns {Promise<Message[]>}
 */
async function theirs(someone, card) {
  return (await get("messages", { as: someone.id, channel: card.channel })).messages;
}

/**
 * @param {Message} card
 * @returns {{block_id: string, element: ButtonElement}|null}
 */
function firstButton(card) {
  for (const block of card.blocks || [])
    for (const element of block.elements || [])
      if (element.type === "button" && !element.url) return { block_id: block.block_id, element };
  return null;
}

/**
 * @param {HTMLElement} outcome
 * @param {string} words
 * @param {string} lead
 */
function say(outcome, words, lead = "") {
  fill(
    outcome,
    lead ? h("p", { class: "trouble__lead" }, lead) : null,
    h("p", { class: "trouble__said" }, words),
  );
  outcome.scrollIntoView({ block: "nearest" });
}
