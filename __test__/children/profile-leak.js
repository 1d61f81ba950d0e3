'use strict';
// Leaks native memory while the profiler samples it: `node --expose-gc profile-leak.js <leak> <sampleBytes>`. Prints
// the profile in every format, and what others say of the same: jemalloc's counters, the kernel's mappings.

const { once } = require('node:events');
const fs = require('node:fs');
const zlib = require('node:zlib');

const { profiler, stats } = require('../..');
const { samplesOf } = require('../support/pprof.js');

const KIB = 1024;
const kept = [];

function keep(count, make) {
  for (let number = 0; number < count; number++) kept.push(make());
}

/**
 * Each is called once: V8 inlines what is called often, and shows it as its caller. They answer how many bytes they have
 * asked for, where they know.
 */
const LEAKS = {
  keepDeflates() {
    keep(250, () => {
      const deflate = zlib.createDeflate();
      // zlib takes its memory with the first call that needs it: here, in this thread.
      deflate.reset();
      return deflate;
    });
  },
  async keepGzips() {
    keep(250, () => zlib.createGzip());
    // And here in a thread of libuv's, which knows nothing of who waits for it.
    for (const gzip of kept) {
      gzip.write('x');
      gzip.flush();
      await once(gzip, 'data');
    }
  },
  keepStatements() {
    const Database = require('libsql');
    keepPrepared(new Database(':memory:'));
  },
  keepNodeStatements() {
    const { DatabaseSync } = require('node:sqlite');
    keepPrepared(new DatabaseSync(':memory:'));
  },
  keepBuffers() {
    const sizes = [320, 448, 640].map((kib) => kib * KIB);
    keep(50, () => sizes.map((size) => Buffer.alloc(size)));
    keep(50, () => sizes.map((size) => Buffer.allocUnsafeSlow(size)));
    return 100 * sizes.reduce((sum, size) => sum + size);
  },
  keepBetween() {
    // Above 16 KiB, and between two size classes (64 and 80 KiB).
    keep(1500, () => Buffer.allocUnsafeSlow(68 * KIB));
    return 1500 * 68 * KIB;
  },
  keepChunks() {
    // V8 replaces a function in the middle of a long loop; the code it puts there is dropped by the collection, and its
    // room used for other functions.
    for (let number = 0; number < 3000; number++) kept.push(Buffer.allocUnsafeSlow(32 * KIB));
    return 3000 * 32 * KIB;
  },
};

/** Some 70 kB each. */
function keepPrepared(database) {
  const columns = Array.from({ length: 100 }, (_, index) => `column_${index}`);
  database.exec(`CREATE TABLE rows (${columns.join(', ')})`);
  const wanted = columns.map((column) => `${column} = 1`).join(' OR ');
  keep(2000, () => database.prepare(`SELECT * FROM rows WHERE ${wanted} ORDER BY column_1`));
  kept.push(database);
}

const FORMATS = ['jeheap', 'pprof', 'flamegraph'];

/** All formats of one state: what is freed while one of them is made is missing from the next. */
async function dumps() {
  for (let tries = 0; tries < 20; tries++) {
    const profile = {};
    for (const format of FORMATS) profile[format] = await profiler.dump({ format });
    const again = await profiler.dump({ format: 'jeheap' });
    if (samplesOf(`${again}`) === samplesOf(`${profile.jeheap}`)) return profile;
  }
  throw new Error('what was sampled changes all the time');
}

async function main([leak, sampleBytes]) {
  const { notes } = await profiler.start({ sampleBytes: Number(sampleBytes) });
  gc();
  const before = stats().allocated;
  const asked = await LEAKS[leak]();
  gc();
  const grown = stats().allocated - before;
  // What the formats themselves need is not sampled.
  await profiler.stop();
  const { jeheap, pprof, flamegraph } = await dumps();
  const output = {
    notes,
    asked,
    grown,
    jeheap: jeheap.toString(),
    flamegraph: flamegraph.toString(),
    pprof: pprof.toString('base64'),
    maps: fs.readFileSync('/proc/self/maps', 'utf8'),
  };
  process.stdout.write(JSON.stringify(output));
}

main(process.argv.slice(2));
