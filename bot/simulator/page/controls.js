// The right column: the simulated clock, and the app's process.

import { post } from "./api.js";
import { fill, h, keepingFocus } from "./dom.js";
import { icon } from "./icons.js";
import { now, state, theApp, update, watch } from "./state.js";
import { wall } from "./time.js";
import { toast } from "./toast.js";

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
const WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

export function startControls(panel) {
  const clock = h("section", { class: "card", "aria-labelledby": "clock-title" });
  const app = h("section", { class: "card", "aria-labelledby": "app-title" });
  fill(panel, h("h2", { class: "unseen" }, "Clock, app and phone"), clock, app);
  watch(["clock", "me"], tick);
  setInterval(tick, 1000);
  watch(["controls"], () => keepingFocus(clock, () => drawClock(clock)));
  watch(["app", "controls", "people", "online"], () => keepingFocus(app, () => drawApp(app)));
}

function drawClock(card) {
  const can = new Set(state.controls);
  const skips = [
    can.has("advance") && control("advance-hour", "+1 hour", "clock", () => advance({ seconds: 3600 })),
    can.has("advance") && control("advance-day", "+1 day", "skip", () => advance({ seconds: 86400 })),
    can.has("next_deadline") &&
      control(
        "next-deadline",
        "Next deadline",
        "alarm",
        () => advance({ to: "next_deadline" }),
        "control--wide",
      ),
  ].filter(Boolean);
  fill(
    card,
    h("h3", { class: "card__title", id: "clock-title" }, "Time here"),
    h("div", { class: "clock" }, face.time, face.day),
    skips.length ? h("div", { class: "control-row" }, skips) : null,
    skips.length
      ? h(
          "p",
          { class: "card__note" },
          "Skip ahead: reminders, escalations and time-outs happen as if you had waited.",
        )
      : null,
  );
}

const face = {
  time: h("p", { class: "clock__time", dataset: { testid: "clock" } }),
  day: h("p", { class: "clock__day" }),
};

function tick() {
  if (!state.clock) return;
  const { tz } = state.me;
  const at = wall(now(), tz);
  const two = (number) => String(number).padStart(2, "0");
  fill(
    face.time,
    `${two(at.hour)}:${two(at.minute)}`,
    h("span", { class: "clock__seconds" }, `:${two(at.second)}`),
  );
  fill(
    face.day,
    `${WEEKDAYS[at.weekday]}, ${at.day} ${MONTHS[at.month - 1]} ${at.year}`,
    h("span", { class: "clock__zone" }, tz.split("/").pop().replaceAll("_", " ")),
  );
  update({ today: at.days, minute: at.hour * 60 + at.minute });
}

async function advance(body) {
  await post("clock/advance", body);
}

function drawApp(card) {
  const { app } = state;
  if (!app) return;
  const can = new Set(state.controls);
  const stopped = app.running === false;
  const [tone, words] = appStatus(app, stopped);
  fill(
    card,
    h("h3", { class: "card__title", id: "app-title" }, app.name || theApp()?.real_name || "The app"),
    h(
      "p",
      { class: `status status--${tone}`, role: "status", dataset: { testid: "app-status" } },
      h("span", { class: "status__light", "aria-hidden": "true" }),
      words,
    ),
    can.has("kill") || can.has("start")
      ? h(
          "div",
          { class: "control-row" },
          can.has("kill") && !stopped
            ? control("kill", "Kill -9", "bolt", () => post("app/kill", {}), "control--danger control--wide")
            : null,
          can.has("start") && stopped
            ? control("start", "Start", "power", () => post("app/start", {}), "control--wide")
            : null,
        )
      : null,
    can.has("kill")
      ? h(
          "p",
          { class: "card__note" },
          stopped
            ? "Everything that waits is on disk. Start it and carry on."
            : "Stops the app without a goodbye. Nothing it acknowledged is lost.",
        )
      : null,
  );
}

function appStatus(app, stopped) {
  if (!state.online) return ["wait", "Unknown: no simulator to ask"];
  if (stopped) return ["down", "Stopped"];
  if (app.connected)
    return ["up", app.connected === "socket" ? "Connected by Socket Mode" : "Connected by HTTP"];
  return app.running ? ["wait", "Running, not connected yet"] : ["down", "Not connected"];
}

function control(testid, label, picture, act, extra = "") {
  const press = async () => {
    if (node.getAttribute("aria-busy") === "true") return;
    node.setAttribute("aria-busy", "true");
    try {
      await act();
    } catch (error) {
      toast(error.message, "error");
    } finally {
      node.removeAttribute("aria-busy");
    }
  };
  const node = h(
    "button",
    { type: "button", class: `control ${extra}`, dataset: { testid }, on: { click: press } },
    icon(picture, 16),
    label,
  );
  return node;
}
