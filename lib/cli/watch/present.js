'use strict';
// Shows states: on a terminal as a screen, elsewhere as lines.

const { stamp } = require('./plain.js');
const { isScreen, openScreen } = require('./screen.js');
const { draw } = require('./view.js');

/** Also without a sample: that none comes is to be seen. */
const REDRAW_MS = 1000;

/**
 * `modelOf(state, now)` is what the screen shows, `linesOf(before, after, event)` what is new; `onKey` is told what
 * is typed.
 */
function createPresenter({ modelOf, linesOf, onKey }) {
  return isScreen() ? onScreen({ modelOf, onKey }) : asLines(linesOf);
}

function asLines(linesOf) {
  return {
    show(before, after, event) {
      const now = stamp(Date.now());
      for (const line of linesOf(before, after, event)) process.stdout.write(`${now}  ${line}\n`);
    },
    close() {},
  };
}

function onScreen({ modelOf, onKey }) {
  const colour = !process.env.NO_COLOR;
  let state;
  let screen = null;
  let timer;

  function drawing(size) {
    const model = modelOf(state, Date.now());
    const keys = process.stdin.isTTY ? model.keys : ['Ctrl-C quit'];
    return draw({ ...model, keys }, { ...size, colour });
  }

  return {
    show(_, after) {
      state = after;
      // Not before there is something to see: a first connection that fails leaves one line.
      screen ??= openScreen({ draw: drawing, onKey });
      screen.redraw();
      clearInterval(timer);
      timer = setInterval(screen.redraw, REDRAW_MS).unref();
    },
    close() {
      clearInterval(timer);
      screen?.close();
    },
  };
}

module.exports = { createPresenter };
