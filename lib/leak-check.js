'use strict';
// What `heapgap leaks` has each Node.js process of its command require first: everything that is allocated from here
// on is sampled, and what is live at the end is written down.

const fs = require('node:fs');
const path = require('node:path');
const { isMainThread } = require('node:worker_threads');

const { exposedGc } = require('./gc.js');
const { nameCode } = require('./name-code.js');
const { addon, why: whyNoAddon } = require('./native.js');
const { perfMapFile } = require('./profiler/perf-map.js');

/** The variable that holds what the command line asks for, as JSON. */
const VARIABLE = 'HEAPGAP_LEAKS';

function check({ directory, exponent, format }) {
  const program = process.argv[1] === undefined ? 'node' : path.basename(process.argv[1]);
  const file = (extension) => path.join(directory, `${process.pid}.${extension}`);
  const write = (found) =>
    fs.writeFileSync(file('json'), JSON.stringify({ pid: process.pid, program, ...found }));
  try {
    if (!addon) throw new Error(whyNoAddon);
    const gc = exposedGc();
    addon.profilerStartNow(exponent);
    settleFirst(gc);
    atEnd(() => {
      gc();
      // What the first collection found is freed beside the program, and awaited by the second.
      gc();
      const text = addon.profilerDumpNow();
      const render = (as) => addon.profilerRenderNow(text, rendering(as, program));
      write({ found: JSON.parse(render('stacks')) });
      if (format) fs.writeFileSync(file('profile'), render(format));
    }, write);
  } catch (error) {
    write({ why: error.message });
  }
}

const rendering = (format, title) => ({
  format,
  before: null,
  perfMap: perfMapFile(),
  title,
  timeMs: Date.now(),
  durationMs: null,
});

/**
 * Before a program ends of itself, what it has dropped is freed: Node-API runs finalizers in an immediate after the
 * collection.
 */
function settleFirst(gc) {
  process.once('beforeExit', () => {
    gc();
    setImmediate(() => {
      gc();
      setImmediate(() => {});
    });
  });
}

/**
 * Runs `report` once, when all listeners of `exit` have run. A listener that calls process.exit() is the last one.
 */
function atEnd(report, write) {
  let done = false;
  function finish() {
    if (done) return;
    done = true;
    try {
      report();
    } catch (error) {
      write({ why: error.message });
    }
  }
  const { emit, reallyExit } = process;
  process.emit = function (event, ...args) {
    const answer = emit.call(this, event, ...args);
    if (event === 'exit') finish();
    return answer;
  };
  process.reallyExit = function (status) {
    finish();
    return reallyExit.call(this, status);
  };
}

const given = process.env[VARIABLE];
if (given) {
  // V8 tells each thread of its own code.
  nameCode();
  if (isMainThread) check(JSON.parse(given));
}
