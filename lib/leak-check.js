'use strict';
// What `heapgap leaks` has each Node.js process of its command require first: everything that is allocated from here
// on is sampled, and what is live at the end is written down. Nothing of it may change how the program ends.

const fs = require('node:fs');
const path = require('node:path');
const { isMainThread } = require('node:worker_threads');

const { exposedGc } = require('./gc.js');
const { nameCode } = require('./name-code.js');
const { addon, why: whyNoAddon } = require('./native.js');
const { rendering } = require('./profiler/rendering.js');
const { programName } = require('./program.js');

/** The variable that holds what the command line asks for, as JSON. */
const VARIABLE = 'HEAPGAP_LEAKS';

/** As they are now: a program may replace them. */
const { renameSync, writeFileSync, writeSync } = fs;

class Report {
  #start;
  #who = { pid: process.pid, program: programName() };

  constructor(directory) {
    this.#start = path.join(directory, String(process.pid));
  }

  /** Whole or not at all: the program may be killed meanwhile. */
  #write(extension, data) {
    const file = `${this.#start}.${extension}`;
    try {
      writeFileSync(`${file}.new`, data);
      renameSync(`${file}.new`, file);
    } catch (error) {
      this.#say(`nothing can be written: ${error.message}`);
    }
  }

  #say(why) {
    const { pid, program } = this.#who;
    try {
      writeSync(2, `heapgap: ${program} (pid ${pid}) was not checked: ${why}\n`);
    } catch {
      // Closed or full.
    }
  }

  found(found) {
    this.#write('json', JSON.stringify({ ...this.#who, found }));
  }

  failed(why) {
    this.#write('json', JSON.stringify({ ...this.#who, why }));
  }

  profile(data) {
    this.#write('profile', data);
  }
}

function check({ directory, exponent, format }, unnamed) {
  const report = new Report(directory);
  report.failed('it did not come to its end');
  try {
    if (!addon) throw new Error(whyNoAddon);
    const gc = exposedGc();
    const notes = [unnamed, addon.profilerStartNow(exponent)].filter((note) => note !== null);
    atEnd(
      gc,
      () => {
        const text = addon.profilerDumpNow();
        const render = (as) => addon.profilerRenderNow(text, rendering(as));
        const stacks = JSON.parse(render('stacks'));
        report.found({ ...stacks, notes: [...notes, ...stacks.notes] });
        if (format) report.profile(render(format));
      },
      report,
    );
  } catch (error) {
    report.failed(error.message);
  }
}

function atEnd(gc, look, report) {
  let done = false;
  function finish() {
    if (done) return;
    done = true;
    try {
      gc();
      // What the first collection found is freed beside the program, and awaited by the second.
      gc();
      look();
    } catch (error) {
      report.failed(error.message);
    }
  }
  const { emit, reallyExit } = process;
  replace('emit', function (event, ...args) {
    if (event === 'beforeExit' && settleFirst(gc)) return false;
    try {
      return emit.call(this, event, ...args);
    } finally {
      // When all listeners have run. A program may emit the event itself.
      if (event === 'exit' && process._exiting) finish();
    }
  });
  // A listener that calls process.exit() again does not come back.
  replace('reallyExit', function (status) {
    finish();
    return reallyExit.call(this, status);
  });
}

const replace = (name, value) =>
  Object.defineProperty(process, name, { value, configurable: true, writable: true });

let settled = false;

/**
 * Before a program ends of itself, what it has dropped is freed: Node-API runs finalizers in an immediate after the
 * collection. Node.js emits `beforeExit` again when that has run.
 */
function settleFirst(gc) {
  if (settled) return false;
  settled = true;
  gc();
  setImmediate(() => {
    gc();
    setImmediate(() => {});
  });
  return true;
}

const given = process.env[VARIABLE];
if (given) {
  // V8 tells each thread of its own code.
  const unnamed = nameCode();
  if (isMainThread) check(JSON.parse(given), unnamed);
}
