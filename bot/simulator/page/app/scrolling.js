// Lists of messages: keeping the end in sight, and blocking them while they load.

const NEAR_END = 80; // pixels from the end that still count as reading the newest message

/**
 * Fades a list that is being loaded. It still shows the previous place or person, so it must not be used.
 * @param {HTMLElement} list
 * @param {unknown[]|null} messages null while they are loaded
 */
export function standBy(list, messages) {
  list.classList.toggle("messages--loading", messages === null);
  list.inert = messages === null;
}

/**
 * Keeps the end in sight when the list or its space changes size, as long as the reader is at the end.
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
    // A list that grew does not mean that the reader left the end. Scrolling up does.
    if (near || scroller.scrollTop < top) atEnd = near;
    top = scroller.scrollTop;
  });
  const observer = new ResizeObserver(() => atEnd && end());
  observer.observe(scroller);
  observer.observe(list);
  return end;
}
