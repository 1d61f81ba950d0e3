// The stream of samples, and whether it is there. The page loads this file first: the server makes its first sample
// while the rest is loaded, and what comes meanwhile waits.

import { BASE } from './requests.mjs';

const RETRY_MS = 2000;
/** Samples come each second. */
const SILENCE_MS = 5000;
/** A connection that died without a word, as of a laptop that slept, looks as if the service said nothing. */
const DEAD_MS = 15_000;

const waiting = [];
let handlers = null;
let source = null;
let silence;
let death;

function tell(name, value) {
  if (handlers) handlers[name](value);
  else waiting.push([name, value]);
}

function stopWatching() {
  clearTimeout(silence);
  clearTimeout(death);
}

function watchSilence() {
  stopWatching();
  silence = setTimeout(() => tell('state', 'silent'), SILENCE_MS);
  death = setTimeout(open, DEAD_MS);
}

function heard() {
  watchSilence();
  tell('state', 'live');
}

function open() {
  source?.close();
  source = new EventSource(new URL('live', BASE));
  watchSilence();
  for (const event of ['hello', 'history', 'sample', 'diagnosis']) {
    source.addEventListener(event, ({ data }) => {
      heard();
      tell(event, JSON.parse(data));
    });
  }
  source.addEventListener('error', () => {
    stopWatching();
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
