'use strict';
// A heap as a service has it.

/** Blocks of many sizes, some freed again, until RSS is so large; what it answers keeps them. */
function grow(rss) {
  const held = [];
  let size = 64;
  while (process.memoryUsage.rss() < rss) {
    for (let count = 0; count < 1000; count++) {
      size = size > 200_000 ? 64 : Math.ceil(size * 1.13);
      const block = Buffer.allocUnsafeSlow(size).fill(1);
      if (count % 4 !== 0) held.push(block);
    }
  }
  return held;
}

module.exports = { grow };
