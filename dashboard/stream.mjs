// The stream of samples, and whether it is there. The page loads this file first: the server makes its first sample
// while the rest is loaded, and what comes meanwhile waits.

import { BASE } from './requests.mjs';

const RETRY_MS = 2000;
/** Samples come each second. */
const SILENCE_MS = 5000;

const waiting = [];
let handlers = null;
let silence;

function tell(name, value) {
  if (handlers) handlers[name](value);
  else waiting.push([name, value]);
}

function heard() {
  clearTimeout(silence);
  silence = setTimeout(() => tell('state', 'silent'), SILENCE_MS);
  tell('state', 'live');
}

function open() {
  const source = new EventSource(new URL('live', BASE));
  for (const event of ['hello', 'history', 'sample', 'diagnosis']) {
    source.addEventListener(event, ({ data }) => {
      heard();
      tell(event, JSON.parse(data));
    });
  }
  source.addEventListener('error', () => {
    clearTimeout(silence);
    tell('state', 'lost');
    // Where the answer was an error, the browser does not try again by itself.
    if (source.readyState === EventSource.CLOSED) setTimeout(open, RETRY_MS);
  });
}

open();

/** `on` has a function for each event, and `state(name)` for `live`, `lost` and `silent`. */
export function follow(on) {
  handlers = on;
  for (const [name, value] of waiting.splice(0)) tell(name, value);
}
