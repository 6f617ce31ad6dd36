// The acting person's phone, in the right column: the texts, and a field to write one.

import { post } from "../app/api.js";
import { fill, h, reconcile, svg } from "../app/dom.js";
import { icon } from "../app/icons.js";
import { stickToEnd } from "../app/scrolling.js";
import { now, state, watch } from "../app/state.js";
import { announce, toastError } from "../app/toast.js";
import { clockTime, dayLabel, fullMoment, wall } from "../panel/time.js";
import { folding } from "./phone_fold.js";

/** @import { Item, PhoneText, Shape } from "../app/types.js" */

/**
 * Twilio's error codes in words.
 * @type {Record<string, string>}
 */
const NOT_DELIVERED = {
  30001: "the queue was full",
  30003: "the phone could not be reached",
  30004: "it was blocked",
  30005: "the number is unknown",
  30006: "it is a landline, or out of reach",
  30007: "the carrier filtered it",
};
/** @type {Record<string, string>} */
const NOT_TAKEN = {
  11200: "The app did not take it",
  12100: "The app's answer was not TwiML",
  12300: "The app's answer was not TwiML",
};

/**
 * Appends the phone to `panel`; `toggle` is the button that shows the panel, and gets a dot while a text waits.
 * @param {HTMLElement} panel
 * @param {HTMLElement} toggle
 */
export function startPhone(panel, toggle) {
  const title = h("h3", { class: "card__title", id: "phone-title" });
  const number = h("p", { class: "phone__number", dataset: { testid: "phone-number" } });
  const time = h("span", null);
  const peer = h("p", { class: "phone__peer" });
  const list = h("ol", {
    class: "phone__texts",
    "aria-label": "Texts",
    dataset: { testid: "phone-texts" },
  });
  const scroller = h(
    "div",
    { class: "phone__scroller", tabindex: 0, role: "group", "aria-label": "Texts" },
    list,
  );
  const optedOut = h(
    "p",
    { class: "phone__notice", hidden: true, dataset: { testid: "phone-opted-out" } },
    "Opted out. Nothing more is sent here until you reply START.",
  );
  const reply = replyLine();
  const owner = h("header", { class: "phone__owner" }, title, number);
  const phone = h(
    "section",
    { class: "phone", "aria-labelledby": "phone-title", hidden: true, dataset: { testid: "phone" } },
    owner,
    h(
      "div",
      { class: "handset" },
      h(
        "div",
        { class: "handset__screen" },
        h(
          "div",
          { class: "phone__status", "aria-hidden": "true" },
          time,
          h("span", { class: "phone__island" }),
          signals(),
        ),
        peer,
        scroller,
        optedOut,
        reply.node,
        h("span", { class: "phone__home", "aria-hidden": "true" }),
      ),
    ),
  );
  panel.append(phone);
  const { button, last: newest } = folding(phone, () => title.textContent || "");
  owner.append(button);
  phone.append(newest);

  watch(["me"], () => {
    title.textContent = state.me ? `${state.me.real_name.split(" ")[0]}'s phone` : "Phone";
    reply.retarget();
  });
  watch(["clock", "me", "minute"], () => {
    time.textContent = state.me ? clockTime(now(), state.me.tz) : "";
  });
  const end = stickToEnd(scroller, list);
  /** @type {{as: string|null, last: string|null}} */
  let shown = { as: null, last: null };
  watch(["phone", "today"], () => {
    const held = state.phone;
    phone.hidden = !held;
    if (!held) return;
    number.textContent = spaced(held.number);
    fill(peer, h("span", { class: "unseen" }, "Texts with "), spaced(held.peer));
    drawTexts(list, held.messages);
    optedOut.hidden = !held.opted_out;
    const last = held.messages[held.messages.length - 1];
    const moved = shown.as !== state.as;
    if (moved || (last && last.id !== shown.last)) end();
    if (!moved && last && last.id !== shown.last && last.direction === "in" && last.body)
      announce(`Text message from ${spaced(last.with)}: ${last.body}`);
    shown = { as: state.as, last: last?.id ?? null };
  });
  readWhenSeen(panel, phone, toggle);
}

/**
 * Counts texts as read while the phone is in sight, and marks the panel's button while one waits unseen.
 * @param {HTMLElement} panel
 * @param {HTMLElement} phone
 * @param {HTMLElement} toggle
 */
function readWhenSeen(panel, phone, toggle) {
  const look = async () => {
    const waits = Boolean(state.phone?.unread);
    const seen =
      waits &&
      !document.hidden &&
      phone.checkVisibility({ checkVisibilityCSS: true, visibilityProperty: true });
    toggle.classList.toggle("iconbtn--dot", waits && !seen);
    toggle.setAttribute("aria-label", `Clock, app and phone${waits && !seen ? ", a text is waiting" : ""}`);
    if (!seen) return;
    try {
      await post("phone/read", { as: state.as });
    } catch {
      // The text stays unread, and the next change tries again.
    }
  };
  watch(["phone"], look);
  document.addEventListener("visibilitychange", look);
  // Attributes of the body show and hide columns and drawers. A drawer is in sight only when its transition has ended.
  new MutationObserver(look).observe(document.body, { attributes: true });
  panel.addEventListener("transitionend", look);
}

/**
 * @param {HTMLElement} list
 * @param {PhoneText[]} texts
 */
function drawTexts(list, texts) {
  const tz = state.me?.tz;
  /** @type {Item[]} */
  const items = [];
  /** @type {number|null} */
  let day = null;
  const lastOut = texts.findLast((text) => text.direction === "out");
  for (const text of texts) {
    const { days } = wall(text.at, tz);
    if (days !== day) {
      const label = dayLabel(text.at, { tz, now: now() });
      items.push({ key: `day-${days}`, sig: label, build: () => h("li", { class: "phone__day" }, label) });
      day = days;
    }
    const again = text === lastOut && text.status !== "receiving";
    items.push({
      key: text.id,
      sig: JSON.stringify([text, tz, again]),
      build: () => drawText(text, tz, again),
    });
  }
  if (!items.length)
    items.push({
      key: "empty",
      sig: "",
      build: () => h("li", { class: "phone__empty" }, "No texts yet."),
    });
  reconcile(list, items);
}

/**
 * @param {PhoneText} text
 * @param {string|undefined} tz
 * @param {boolean} again whether it can be delivered again
 */
function drawText(text, tz, again) {
  const stamp = h(
    "time",
    { class: "text__time", datetime: new Date(text.at * 1000).toISOString(), title: fullMoment(text.at, tz) },
    clockTime(text.at, tz),
  );
  const testid = `text-${text.id}`;
  if (text.direction === "in" && text.status !== "delivered") {
    const why = NOT_DELIVERED[`${text.error}`] || "it failed";
    return h(
      "li",
      { class: "text text--lost", dataset: { testid, status: text.status } },
      icon("warning", 14),
      h("span", null, `A text did not arrive: ${why} (${text.error}). `, stamp),
    );
  }
  const mine = text.direction === "out";
  const failed = text.status === "failed";
  return h(
    "li",
    {
      class: `text text--${text.direction}${text.status === "receiving" ? " text--sending" : ""}`,
      dataset: { testid, status: text.status },
    },
    h("span", { class: "unseen" }, mine ? "You wrote: " : `${spaced(text.with)} wrote: `),
    h("p", { class: "text__bubble" }, text.body, " ", stamp),
    failed
      ? h(
          "p",
          { class: "text__failed" },
          icon("warning", 13),
          `${NOT_TAKEN[`${text.error}`]} (${text.error})`,
        )
      : null,
    again ? againButton() : null,
  );
}

function againButton() {
  const press = async () => {
    try {
      await post("phone/redeliver", { as: state.as });
    } catch (error) {
      toastError(error);
    }
  };
  return h(
    "button",
    {
      type: "button",
      class: "text__again",
      title: "Hand it to the app once more, as Twilio sometimes does",
      dataset: { testid: "phone-redeliver" },
      on: { click: press },
    },
    "Deliver again",
  );
}

function replyLine() {
  /** @type {Map<string|null, string>} */
  const drafts = new Map();
  /** @type {string|null} */
  let as = null;
  const field = h("input", {
    class: "phone__field",
    type: "text",
    placeholder: "Text message",
    autocomplete: "off",
    enterkeyhint: "send",
    maxlength: 1600,
    dataset: { testid: "phone-reply" },
  });
  const send = h(
    "button",
    {
      type: "submit",
      class: "phone__send",
      "aria-label": "Send text",
      title: "Send (Enter)",
      disabled: true,
    },
    icon("send", 15),
  );
  const touched = () => {
    drafts.set(as, field.value);
    send.disabled = !field.value.trim();
  };
  field.addEventListener("input", touched);
  /** @param {Event} event */
  const submit = async (event) => {
    event.preventDefault();
    const text = field.value.trim();
    const from = as;
    if (!text) return;
    field.value = "";
    touched();
    try {
      await post("phone/reply", { as: from, text });
    } catch (error) {
      // The text is put back, unless the person has typed something else since.
      if (!drafts.get(from)) drafts.set(from, text);
      if (from === as && !field.value) field.value = text;
      touched();
      toastError(error);
    }
  };
  return {
    node: h("form", { class: "phone__reply", on: { submit } }, field, send),
    retarget() {
      field.setAttribute("aria-label", `Reply from ${state.me ? `${state.me.real_name}'s` : "the"} phone`);
      if (as === state.as) return;
      as = state.as;
      field.value = drafts.get(as) || "";
      touched();
    },
  };
}

function signals() {
  /** @type {Shape[]} */
  const bars = [0, 1, 2, 3].map((at) => [
    "rect",
    { x: at * 4.5, y: 7 - at * 2.2, width: 3, height: 3 + at * 2.2, rx: 0.9, fill: "currentColor" },
  ]);
  return svg({ viewBox: "0 0 43 11", width: 43, height: 11 }, [
    ...bars,
    [
      "rect",
      {
        x: 22.5,
        y: 0.6,
        width: 17,
        height: 9.4,
        rx: 2.8,
        fill: "none",
        stroke: "currentColor",
        opacity: 0.5,
      },
    ],
    ["rect", { x: 24, y: 2.1, width: 12, height: 6.4, rx: 1.6, fill: "currentColor" }],
    ["rect", { x: 40.6, y: 3.7, width: 1.5, height: 3.2, rx: 0.7, fill: "currentColor", opacity: 0.6 }],
  ]);
}

/**
 * "+1 202 555 0142"; other countries' numbers as they are.
 * @param {string} number
 */
function spaced(number) {
  return number.replace(/^(\+1)(\d{3})(\d{3})(\d{4})$/, "$1 $2 $3 $4");
}
