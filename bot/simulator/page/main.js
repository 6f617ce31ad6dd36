// Puts the page together.

import "./theme.js";
import { startClock } from "./controls.js";
import { startConversation } from "./conversation.js";
import { startGuided } from "./guided.js";
import { listen } from "./live.js";
import { startModals } from "./modal.js";
import { followHash, fromHash, openChannel } from "./navigate.js";
import { startPhone } from "./phone.js";
import { startShell } from "./shell.js";
import { startSidebar } from "./sidebar.js";
import { state, update } from "./state.js";
import { loadFaults, loadPhone, loadState, readOpen } from "./sync.js";
import { startStory } from "./story.js";
import { startThread } from "./thread.js";
import { startTrouble } from "./trouble.js";

const FIRST_PERSON = "U0RITA";
const RETRY = 1000; // milliseconds

const byId = (id) => document.getElementById(id);

async function start() {
  startShell(byId("scrim"), byId("skip"));
  startSidebar(byId("sidebar"));
  startConversation(byId("main"));
  startThread(byId("thread"));
  startClock(byId("panel"));
  startStory(byId("panel"));
  startTrouble(byId("panel"));
  startPhone(byId("panel"), byId("panel-toggle"));
  startModals();
  startGuided();

  const wanted = fromHash();
  await arrive(wanted.as || FIRST_PERSON);
  const first = state.channels.find((channel) => channel.id === wanted.channel) || state.channels[0];
  await openChannel(first?.id, wanted);
  await Promise.all([loadPhone(), loadFaults()]);
  listen();
  window.addEventListener("hashchange", followHash);
  document.addEventListener("visibilitychange", readOpen);
  document.body.dataset.ready = "true";
}

// An address may name someone who is not in this workspace; the page may be opened before the simulator is up.
async function arrive(id) {
  for (;;) {
    for (const candidate of [id, FIRST_PERSON]) {
      update({ as: candidate });
      await loadState();
      if (state.me) return;
    }
    update({ online: false });
    await new Promise((resolve) => setTimeout(resolve, RETRY));
  }
}

start();
