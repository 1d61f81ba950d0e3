'use strict';
// Two faults to look at, which services have by accident: PLANT=leak and PLANT=fragmentation. Leave this file out of a
// service of your own.

const KIB = 1024;
const MIB = 1024 * KIB;

/** A demo that is forgotten must not take the machine's memory. */
const MOST_LEAKED = 1024 * MIB;

/** Every request leaves a Buffer in a Map, and nothing ever takes it out. */
function leak(app) {
  const bodies = new Map();
  const size = 256 * KIB;
  app.use((_req, _res, next) => {
    if (bodies.size * size < MOST_LEAKED) bodies.set(bodies.size, Buffer.alloc(size, 1));
    next();
  });
}

/** Whoever looks from the start on sees calm first, and diagnose() that a step is no growth. */
const IMPORT_AFTER_MS = 20_000;

/** A nightly import: many small rows at once, of which every fourth stays, one in each page of memory. */
function fragmentation(app) {
  let kept = [];
  function importRows() {
    const rows = Array.from({ length: (192 * MIB) / KIB }, () => Buffer.alloc(KIB, 1));
    kept = rows.filter((_, index) => index % 4 === 0);
  }
  setTimeout(importRows, IMPORT_AFTER_MS).unref();
  app.get('/rows', (_req, res) => res.json({ rows: kept.length }));
}

const PLANTS = { fragmentation, leak };

/** Puts the fault of that name into the service. */
function plant(app, name) {
  if (!Object.hasOwn(PLANTS, name)) {
    throw new Error(`PLANT is ${name}; it takes ${Object.keys(PLANTS).join(' or ')}`);
  }
  PLANTS[name](app);
}

module.exports = { plant };
