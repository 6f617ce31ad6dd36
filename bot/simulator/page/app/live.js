// The event stream: follows changes, and reconnects by itself.

import { state, update } from "./state.js";
import { follow, loadAll } from "./sync.js";

const FIRST_WAIT = 400; // milliseconds; doubled at each failure
const LONGEST_WAIT = 8000;

/** @type {EventSource|null} */
let source = null;
let wait = FIRST_WAIT;
/** @type {number|undefined} */
let timer;

/** Listens as the acting person, from now on; a stream that was open is closed. */
export function listen() {
  source?.close();
  clearTimeout(timer);
  const stream = new EventSource(`/sim/events?as=${encodeURIComponent(state.as)}`);
  source = stream;
  stream.addEventListener("open", () => {
    wait = FIRST_WAIT;
    update({ online: true });
    // Changes from while nobody listened are not sent again, so everything is read.
    loadAll();
  });
  stream.addEventListener("change", (event) => follow(JSON.parse(event.data)));
  stream.addEventListener("error", () => {
    if (stream !== source) return;
    stream.close();
    update({ online: false });
    timer = setTimeout(listen, wait);
    wait = Math.min(wait * 2, LONGEST_WAIT);
  });
}
