'use strict';
// Whether an object in V8's old generation, to which nothing refers, outlives a collection that need not be full, and
// one that is. Needs a young generation that holds all of `makeYoungGarbage`.

const { setImmediate: turn } = require('node:timers/promises');

const { createCollector } = require('../../lib/collector.js');
const { exposedGc } = require('../../lib/gc.js');

async function makeOldGarbage() {
  const gc = exposedGc();
  let object = { old: true };
  const weak = new WeakRef(object);
  // A weak reference holds its object until its turn ends.
  await turn();
  for (let i = 0; i < 3; i++) gc();
  object = object.old ? null : object;
  await turn();
  return weak;
}

/** Some 16 MB, not of Buffers: their memory is freed on another thread. */
function makeYoungGarbage() {
  for (let i = 0; i < 4096; i++) new Array(512).fill(i);
}

async function main() {
  const collect = createCollector();
  // Its context is made by the first, and is garbage of its own.
  collect({ full: true });
  const weak = await makeOldGarbage();
  const outlives = async (full) => {
    makeYoungGarbage();
    const { freed } = collect({ full });
    await turn();
    return { freed, outlived: weak.deref() !== undefined };
  };
  const enough = await outlives(false);
  await turn();
  const full = await outlives(true);
  process.stdout.write(JSON.stringify({ enough, full }));
}

main();
