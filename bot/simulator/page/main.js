// Puts the page together.

import "./app/theme.js";
import { startConversation } from "./app/conversation.js";
import { byId } from "./app/dom.js";
import { listen } from "./app/live.js";
import { followHash, fromHash, openChannel } from "./app/navigate.js";
import { startShell } from "./app/shell.js";
import { startSidebar } from "./app/sidebar.js";
import { state, update } from "./app/state.js";
import { loadFaults, loadPhone, loadState, readOpen } from "./app/sync.js";
import { startThread } from "./app/thread.js";
import { startModals } from "./blocks/modal.js";
import { startGuided } from "./guided/guided.js";
import { startClock } from "./panel/controls.js";
import { startStory } from "./panel/story.js";
import { startTrouble } from "./panel/trouble.js";
import { startPhone } from "./phone/phone.js";

const FIRST_PERSON = "U0RITA";
const RETRY = 1000; // milliseconds

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

/**
 * The address may name someone who is not in this workspace, and the page may be opened before the simulator runs.
 * @param {string} id
 */
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
