// Lists of messages: which end is in sight, and when they may be acted on.

const NEAR_END = 80; // pixels from the end that still count as reading the newest message

/**
 * Fades a list that is being loaded; what still shows the previous place or person must not be acted on.
 * @param {HTMLElement} list
 * @param {unknown[]|null} messages null while they are loaded
 */
export function standBy(list, messages) {
  list.classList.toggle("messages--loading", messages === null);
  list.inert = messages === null;
}

/**
 * Keeps the end in sight whenever the list or the room for it changes size, for as long as the reader is there.
 * Returns a function that goes to the end.
 * @param {HTMLElement} scroller
 * @param {HTMLElement} list
 */
export function stickToEnd(scroller, list) {
  let atEnd = true;
  let top = 0;
  const end = () => {
    atEnd = true;
    scroller.scrollTop = scroller.scrollHeight;
  };
  scroller.addEventListener("scroll", () => {
    const near = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_END;
    // What grew since we went to the end is no sign that the reader left it; that takes a move up.
    if (near || scroller.scrollTop < top) atEnd = near;
    top = scroller.scrollTop;
  });
  const observer = new ResizeObserver(() => atEnd && end());
  observer.observe(scroller);
  observer.observe(list);
  return end;
}
