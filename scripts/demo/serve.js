'use strict';
// The Express example under a load that goes on and on, for whoever looks at its page.

const { GENTLE, sendBurst } = require('./load.js');
const { onLibc, startService, underHeapgap } = require('./service.js');

const BEATS = [
  { strength: 1, seconds: 6 },
  { strength: 0.25, seconds: 6 },
];

/** Bursts and calm for ever. What a request comes to is for the page to show. */
async function sendBeats(service) {
  for (let beat = 0; ; beat += 1) {
    await sendBurst(service, GENTLE, BEATS[beat % BEATS.length], { latencies: [], errors: 0 });
  }
}

/** Never ends unless the service does, which is an error. */
async function serve({ allocator, plant }) {
  const words = allocator === 'jemalloc' ? underHeapgap() : onLibc();
  const service = await startService(words, plant === 'none' ? {} : { PLANT: plant });
  // What it says of itself, such as why there is no jemalloc.
  process.stderr.write(service.said());
  console.log(`${service.memory}\nOpen it in a browser. Ctrl-C ends the service.`);
  await Promise.race([service.failed, sendBeats(service)]);
}

module.exports = { serve };
