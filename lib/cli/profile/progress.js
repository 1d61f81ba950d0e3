'use strict';
// That something is going on, and for how long.

const { say } = require('../output.js');
const { clip } = require('../watch/draw.js');

/** On a terminal a line that changes, else one that stays; answers what takes it away. */
function countDown(what, seconds) {
  const { stderr } = process;
  if (!stderr.isTTY) {
    say(seconds > 0 ? `profiling ${what} for ${seconds} s` : `asking ${what} for its samples`);
    return () => {};
  }
  const due = performance.now() + seconds * 1000;
  const show = () => {
    const left = Math.ceil((due - performance.now()) / 1000);
    const line = `profiling ${what}: ${left > 0 ? `${left} s left` : 'waiting for the answer'}`;
    // To the line's beginning, and what was there is cleared (ECMA-48, EL).
    stderr.write(`\r\u001b[K${clip(line, stderr.columns - 1)}`);
  };
  show();
  const timer = setInterval(show, 500);
  return () => {
    clearInterval(timer);
    stderr.write('\r\u001b[K');
  };
}

module.exports = { countDown };
