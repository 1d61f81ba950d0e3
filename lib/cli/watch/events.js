'use strict';
// Server-sent events (html.spec.whatwg.org, 9.2.6), as they come in.

/** A history is some hundred KB. Whoever sends more without an end is no heapgap. */
const MAX_EVENT = 16 * 2 ** 20;

/** Makes a parser: `push(bytes)` answers the events that have become complete, `{ event, data }` each. */
function createEventParser() {
  // Also takes the byte order mark off, and puts characters together that were split.
  const decoder = new TextDecoder();
  let rest = '';
  let event = '';
  let data = [];
  let length = 0;

  /** Only what has an end. A \r at the end of what is there may be one half of \r\n. */
  function takeLines(text) {
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    return lines;
  }

  function field(line) {
    const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);
    if (name === 'event') event = value;
    if (name !== 'data') return;
    data.push(value);
    length += value.length;
  }

  function dispatch() {
    const found = data.length > 0 ? [{ event: event || 'message', data: data.join('\n') }] : [];
    event = '';
    data = [];
    length = 0;
    return found;
  }

  return {
    push(bytes) {
      const found = takeLines(decoder.decode(bytes, { stream: true })).flatMap((line) => {
        if (line === '') return dispatch();
        field(line);
        return [];
      });
      if (rest.length + length > MAX_EVENT) throw new Error('an event has no end');
      return found;
    },
  };
}

module.exports = { createEventParser };
