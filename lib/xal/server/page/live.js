/** What goes on at the server, as it happens; and whether there is a server at all. */

class Live extends EventTarget {
  /**
   * The last state that was sent, or null before the first.
   * @type {Reply.State | null}
   */
  state = null;
  /**
   * Whether the server is there: null until that is known.
   * @type {boolean | null}
   */
  connected = null;
}

export const live = new Live();

/** @type {EventSource | null} */
let source = null;
let again = 0;

/** Listen from now on, while the page is in view: a browser has few connections to one server for all its tabs. */
export function listen() {
  document.addEventListener("visibilitychange", listen); // counts once, however often it is said
  clearTimeout(again);
  source?.close();
  if (document.hidden) return;
  const opened = new EventSource("/xal/api/live");
  source = opened;
  opened.addEventListener("state", (event) => {
    live.state = JSON.parse(event.data);
    connected(true);
    live.dispatchEvent(new Event("state"));
  });
  opened.addEventListener("open", () => connected(true));
  opened.addEventListener("error", () => {
    connected(false);
    if (opened.readyState === EventSource.CLOSED) again = setTimeout(listen, 3000); // a proxy's error page ends it for good
  });
}

/** @param {boolean} now */
function connected(now) {
  if (live.connected === now) return;
  live.connected = now;
  live.dispatchEvent(new Event("connection"));
}
