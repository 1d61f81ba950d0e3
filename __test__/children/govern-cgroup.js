'use strict';
// Governs inside a memory cgroup. The first argument names what happens there, the second whether there
// is a governor; `GROUP` is the group's folder.

const { execFileSync } = require('node:child_process');
const cluster = require('node:cluster');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { Worker } = require('node:worker_threads');
const heapgap = require('../..');
const { MIB, drop, fill, governing, hear, main, report, until } = require('../support/govern.js');

const { GROUP } = process.env;
const isV1 = fs.existsSync(path.join(GROUP, 'memory.limit_in_bytes'));
const LIMIT = isV1 ? 'memory.limit_in_bytes' : 'memory.max';
const UNLIMITED = isV1 ? '-1' : 'max';
const govern = (options) => (process.argv[3] === 'plain' ? null : heapgap.govern(options));

const setLimit = (limit, folder = GROUP) =>
  fs.writeFileSync(path.join(folder, LIMIT), String(limit));

/** What the kernel cannot drop, by the group's own files. */
function usage() {
  const read = (name) => fs.readFileSync(path.join(GROUP, name), 'utf8');
  const stat = new Map(
    read('memory.stat')
      .split('\n')
      .map((line) => line.split(' ')),
  );
  const dropped = isV1
    ? ['total_active_file', 'total_inactive_file']
    : ['active_file', 'inactive_file', 'slab_reclaimable'];
  const all = Number(read(isV1 ? 'memory.usage_in_bytes' : 'memory.current'));
  return dropped.reduce((left, name) => left - Number(stat.get(name)), all);
}

/** A thread that does `turn` when it is told so, even while the main thread is blocked. */
async function startThread(turns, index, turn) {
  const program = `
    const { workerData: { turns, index }, parentPort } = require('node:worker_threads');
    const { MIB, fill } = require(${JSON.stringify(require.resolve('../support/govern.js'))});
    parentPort.postMessage('ready');
    Atomics.wait(turns, index, 0);
    (${turn})({ MIB, fill });
    Atomics.store(turns, index, 2);
    Atomics.notify(turns, index);
    Atomics.wait(turns, index, 2);
  `;
  const worker = new Worker(program, { eval: true, workerData: { turns, index } });
  await once(worker, 'message');
  return worker;
}

/** In one go, as the main thread can do nothing else: memory that stays in the thread's own arena. */
function fillAndFree({ MIB, fill }) {
  fill(48 * MIB);
  while (process.memoryUsage().arrayBuffers > MIB) globalThis.gc();
}

const THREADS = 8;

/** How the main thread waits for a turn to be over. */
const BLOCKS = {
  wait: (turns, index) => Atomics.wait(turns, index, 1),
  spin: (turns, index) => {
    while (Atomics.load(turns, index) === 1);
  },
};

const PROGRAMS = {
  async cycle() {
    const governor = heapgap.govern({ calmAfterMs: 100, maxIntervalMs: 50 });
    const heard = hear(governor);
    const turns = new Int32Array(new SharedArrayBuffer(4));
    const thread = await startThread(turns, 0, fillAndFree.toString());
    Atomics.store(turns, 0, 1);
    Atomics.notify(turns, 0);
    await until(() => turns[0] === 2, 'freed memory in another arena');
    const held = [];
    const isFull = () => governor.state().usage >= 0.92 * governor.state().limit;
    await until(
      () => heard.some(({ event }) => event === 'pressure') && isFull(),
      'pressure',
      () => isFull() || held.push(...fill(4 * MIB)),
    );
    const pressed = governor.state();
    await drop(held, 1000);
    await until(() => heard.at(-1).event === 'calm', 'calm');
    // The same moment by both: the figures are read again until nothing moves.
    const [seen, known] = [[], []];
    await until(() => {
      seen.push(governor.state().usage);
      known.push(usage());
      return Math.abs(seen.at(-1) - known.at(-1)) < 2 * MIB;
    }, 'the same usage by the kernel');
    const snapshot = heapgap.snapshot().governor;
    const state = governor.state();
    await governor.stop();
    await thread.terminate();
    report({ heard, pressed, state, snapshot, known: known.at(-1) });
  },

  /** Threads take turns while the main thread is blocked from before the first until after the last. */
  async blocked(_, block) {
    const governor = govern({ maxIntervalMs: 20 });
    const turns = new Int32Array(new SharedArrayBuffer(4 * THREADS));
    const indices = [...turns.keys()];
    const turn = fillAndFree.toString();
    const threads = await Promise.all(indices.map((index) => startThread(turns, index, turn)));
    const before = governor?.state();
    for (const index of indices) {
      Atomics.store(turns, index, 1);
      Atomics.notify(turns, index);
      BLOCKS[block](turns, index);
    }
    const after = governor?.state();
    await governor?.stop();
    await Promise.all(threads.map((thread) => thread.terminate()));
    report({ before, after });
  },

  async limits() {
    const governor = heapgap.govern({ maxIntervalMs: 20 });
    const heard = hear(governor);
    const told = [];
    await until(() => governor.state().limit !== null, 'a first look');
    for (const limit of [300 * MIB, 200 * MIB, 900 * MIB, UNLIMITED, 400 * MIB]) {
      const changes = heard.length;
      setLimit(limit);
      await until(() => heard.length > changes, 'a change of the limit');
      const { limit: seen, limitSource } = governor.state();
      told.push({ seen, limitSource, usage: governor.state().usage });
    }
    await governor.stop();
    report({ heard, told });
  },

  /** Its group goes away under it. */
  async moved() {
    const governor = heapgap.govern({ maxIntervalMs: 20 });
    const heard = hear(governor);
    await until(() => governor.state().limit !== null, 'a first look');
    const first = governor.state();
    const other = `${GROUP}-other`;
    fs.mkdirSync(other);
    try {
      setLimit(500 * MIB, other);
      fs.writeFileSync(path.join(other, 'cgroup.procs'), String(process.pid));
      fs.rmdirSync(GROUP);
      // In between it may have had none but the machine's.
      await until(() => heard.at(-1)?.limit === 500 * MIB, 'the other limit');
      const second = governor.state();
      await governor.stop();
      report({ first, second, heard });
    } finally {
      // The group that it was in, so that this one can be removed.
      fs.mkdirSync(GROUP, { recursive: true });
      fs.writeFileSync(path.join(GROUP, 'cgroup.procs'), String(process.pid));
      fs.rmdirSync(other);
    }
  },

  /** Runs in a mount namespace of its own: the group's files are hidden, then the whole hierarchy. */
  async hidden() {
    const governor = heapgap.govern({ maxIntervalMs: 20 });
    const heard = hear(governor);
    await until(() => governor.state().limit !== null, 'a first look');
    const states = [governor.state()];
    for (const folder of [GROUP, path.dirname(GROUP), '/sys/fs/cgroup', '/proc']) {
      execFileSync('mount', ['-t', 'tmpfs', 'none', folder]);
      // What was found is looked for anew once a second.
      await sleep(1200);
      states.push(governor.state());
    }
    const { running } = governor.state();
    await governor.stop();
    report({ states, running, heard, after: governor.state().running });
  },

  /** They cannot be read from the start; with `proc`, nothing can. */
  async hiddenFirst(_, what) {
    for (const folder of ['/sys/fs/cgroup', ...(what === 'proc' ? ['/proc'] : [])]) {
      execFileSync('mount', ['-t', 'tmpfs', 'none', folder]);
    }
    const governor = heapgap.govern({ maxIntervalMs: 20 });
    const heard = hear(governor);
    const started = governor.state().notes.length;
    await sleep(1200);
    const state = governor.state();
    await governor.stop();
    report({ state, heard, started });
  },

  /** Four workers in one group. They work in turns, and what each has freed is there for all to suffer. */
  async cluster(_, rounds) {
    const endings = [];
    const told = [];
    const workers = Array.from({ length: 4 }, () => cluster.fork());
    for (const worker of workers) {
      worker.on('exit', (code, signal) => endings.push({ code, signal }));
      worker.on('message', (message) => message.heard && told.push(message));
    }
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    const started = performance.now();
    for (let turn = 0; turn < 4 * rounds && endings.length === 0; turn++) {
      const worker = workers[turn % 4];
      const over = Promise.race([once(worker, 'message'), once(worker, 'exit')]);
      worker.send('work');
      await over;
    }
    const elapsedMs = performance.now() - started;
    for (const worker of workers) if (worker.isConnected()) worker.send('end');
    await until(() => endings.length === 4, 'the end of every worker');
    report({ endings, told, elapsedMs });
  },
};

/** One worker's part: memory that comes and goes. */
function work() {
  const governor = govern({ calmAfterMs: 200 });
  const heard = governor ? hear(governor) : [];
  process.on('message', async (message) => {
    if (message === 'work') {
      await drop(fill(80 * MIB));
      process.send('done');
    } else {
      const state = governor?.state();
      await governor?.stop();
      process.send({ heard, state, governing: governing() }, () => process.disconnect());
    }
  });
  process.send('ready');
}

if (cluster.isWorker) work();
else main((name, ...args) => PROGRAMS[name](...args));
