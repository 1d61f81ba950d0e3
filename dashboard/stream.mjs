// The stream of samples, and whether it is there.

const RETRY_MS = 2000;
/** Samples come each second. */
const SILENCE_MS = 5000;

/**
 * Follows the server's events for as long as the page is open. `on` has a function for each event, and
 * `state(name, text)` for `live`, `lost` and `silent`.
 */
export function follow(url, on) {
  let source = null;
  let silence;

  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(() => on.state('silent'), SILENCE_MS);
    on.state('live');
  };

  function open() {
    source = new EventSource(url);
    for (const event of ['hello', 'history', 'sample', 'diagnosis']) {
      source.addEventListener(event, ({ data }) => {
        heard();
        on[event](JSON.parse(data));
      });
    }
    source.addEventListener('error', () => {
      clearTimeout(silence);
      on.state('lost');
      // Where the answer was an error, the browser does not try again by itself.
      if (source.readyState === EventSource.CLOSED) setTimeout(open, RETRY_MS);
    });
  }

  open();
}
