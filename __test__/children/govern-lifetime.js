'use strict';
// How a process with a governor ends. The first argument names what happens; `plain` as the second does
// the same without a governor.

const { fork, spawnSync } = require('node:child_process');
const { once } = require('node:events');
const { Worker, isMainThread } = require('node:worker_threads');
const heapgap = require('../..');
const {
  MIB,
  fill,
  governing,
  hear,
  main,
  next,
  report,
  rss,
  until,
} = require('../support/govern.js');

const plain = process.argv[3] === 'plain';
const BUSY = { minIntervalMs: 1, maxIntervalMs: 1, purgeEveryMs: 0 };
const govern = (options) => (plain ? null : heapgap.govern(options));

/** Under pressure from here on, with memory to purge all the time. */
async function pressed() {
  const governor = govern({ ...BUSY, limit: rss() + 64 * MIB });
  const isPressed = governor && next(governor, 'pressure');
  const held = fill(96 * MIB);
  await isPressed;
  return { governor, held };
}

/** A worker that governs, then frees memory for ever, which is purged again and again. */
const WORKER = `
  const { parentPort } = require('node:worker_threads');
  const heapgap = require(${JSON.stringify(require.resolve('../..'))});
  const { MIB, fill, rss } = require(${JSON.stringify(require.resolve('../support/govern.js'))});
  const limit = rss() + 512 * MIB;
  heapgap.govern({ minIntervalMs: 1, maxIntervalMs: 1, limit, dirtyMark: 0.01, purgeEveryMs: 50 });
  parentPort.postMessage('started');
  parentPort.once('message', () => process.exit(0));
  setInterval(() => fill(16 * MIB), 1);
`;

const PROGRAMS = {
  /** Nothing keeps the process alive. */
  end: async () => {
    govern();
  },
  endUnderPressure: async () => {
    await pressed();
  },
  exit: async () => {
    await pressed();
    process.exit(7);
  },
  throw: async () => {
    await pressed();
    setImmediate(() => {
      throw new Error('nobody catches this');
    });
  },
  reject: async () => {
    await pressed();
    Promise.reject(new Error('nobody catches this'));
  },
  abort: async () => {
    await pressed();
    process.abort();
  },
  signal: async () => {
    await pressed();
    setInterval(() => {}, 1000);
    process.kill(process.pid, 'SIGTERM');
  },
  /** It stops only when the process is about to end. */
  stopAtExit: async () => {
    const { governor } = await pressed();
    process.on('exit', () => governor?.stop());
  },
  /** One that nothing refers to, and whose events nobody hears. */
  forgotten: async () => {
    await pressed();
    for (let round = 0; round < 20; round++) globalThis.gc();
  },

  cycles: async (count) => {
    const warnings = [];
    process.on('warning', ({ name }) => warnings.push(name));
    const fds = () => require('node:fs').readdirSync('/proc/self/fd').length;
    const threads = () => require('node:fs').readdirSync('/proc/self/task').length;
    const cycle = async () => {
      const governor = heapgap.govern({ ...BUSY, limit: 2 ** 40 });
      hear(governor);
      await governor.stop();
    };
    const settle = async () => {
      for (let round = 0; round < 5; round++) globalThis.gc();
      await until(() => governing() === 0, 'the end of every governor');
    };
    for (let index = 0; index < 100; index++) await cycle();
    // What it keeps open is opened at the first look.
    const looking = heapgap.govern();
    await until(() => looking.state().oomKills !== null, 'a look');
    await looking.stop();
    await settle();
    const before = {
      fds: fds(),
      threads: threads(),
      rss: rss(),
      heap: process.memoryUsage().heapUsed,
    };
    for (let index = 0; index < count; index++) await cycle();
    let last = null;
    for (let index = 0; index < count / 4; index++) last = heapgap.govern().stop();
    await last;
    const governor = heapgap.govern();
    const stops = Array.from({ length: 50 }, () => governor.stop());
    await Promise.all(stops);
    await settle();
    // Each stop() is waited for by a thread, which ends a little after it has answered.
    await until(() => threads() <= before.threads, 'the end of every thread');
    const after = {
      fds: fds(),
      threads: threads(),
      rss: rss(),
      heap: process.memoryUsage().heapUsed,
    };
    report({ before, after, warnings, state: heapgap.snapshot().governor });
  },

  /** A worker that governs ends, then another is terminated in the middle of purges. */
  workers: async (rounds) => {
    const told = [];
    for (let round = 0; round < rounds; round++) {
      const worker = new Worker(WORKER, { eval: true });
      await once(worker, 'message');
      const { running } = heapgap.snapshot().governor;
      const refused = code(() => heapgap.govern());
      const purges = () => heapgap.snapshot().governor.purges;
      const before = purges();
      if (round % 2 === 0) {
        await until(() => purges() > before, 'a purge');
        await worker.terminate();
      } else {
        worker.postMessage('end');
        await once(worker, 'exit');
      }
      const after = heapgap.snapshot().governor.running;
      const own = heapgap.govern({ limit: 2 ** 40 });
      await until(() => own.state().limit !== null, 'a look');
      const mine = own.state().running;
      await own.stop();
      told.push({ running, refused, after, mine });
    }
    await until(() => governing() === 0, 'the end of every governor');
    report(told);
  },

  /** A worker sees the main thread's, and cannot start, nor end, another. */
  seen: async () => {
    const governor = heapgap.govern({ limit: 2 ** 40 });
    await until(() => governor.state().limit !== null, 'a look');
    const program = `
      const heapgap = require(${JSON.stringify(require.resolve('../..'))});
      const { parentPort } = require('node:worker_threads');
      let code = null;
      try { heapgap.govern(); } catch (error) { code = error.code; }
      parentPort.postMessage({ code, governor: heapgap.snapshot().governor });
    `;
    const worker = new Worker(program, { eval: true });
    const [inWorker] = await once(worker, 'message');
    await once(worker, 'exit');
    const { running } = governor.state();
    const later = heapgap.snapshot().governor;
    report({ inWorker, running, later });
  },

  /** What a child starts with, while its parent is under pressure. */
  children: async () => {
    const { governor, held } = await pressed();
    await until(() => governor.state().tightened, 'tight decay');
    const child = fork(__filename, ['child', 'plain'], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const [forked] = await once(child, 'message');
    const { stdout } = spawnSync(process.execPath, [__filename, 'child', 'plain'], {
      encoding: 'utf8',
    });
    const mine = (await heapgap.inspect()).arenas?.map(({ dirtyDecayMs }) => dirtyDecayMs);
    report({ forked, spawned: JSON.parse(stdout), mine, held: held.length });
  },
  child: async () => {
    const { arenas } = await heapgap.inspect();
    const told = {
      decay: arenas?.map(({ dirtyDecayMs }) => dirtyDecayMs),
      governor: heapgap.snapshot().governor,
      threads: governing(),
    };
    if (process.send) process.send(told, () => process.disconnect());
    else report(told);
  },
};

function code(call) {
  try {
    call();
    return null;
  } catch (error) {
    return error.code;
  }
}

if (isMainThread) main((name, ...args) => PROGRAMS[name](...args));
