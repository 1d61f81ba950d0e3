'use strict';
// What the demo is told on its command line.

const { parseArgs } = require('node:util');

const CHOICES = {
  allocator: ['jemalloc', 'libc'],
  plant: ['none', 'leak', 'fragmentation'],
};

const USAGE = `npm run demo                          the same load on the libc's allocator and on jemalloc
npm run demo -- --serve               a service under a gentle load, and its page
  --allocator ${CHOICES.allocator.join('|')}           what it runs on
  --plant ${CHOICES.plant.join('|')}     a fault to find`;

/** Throws where an option is not known, or not as it is expected. */
function readArguments(args) {
  const names = Object.keys(CHOICES);
  const { values } = parseArgs({
    args,
    options: {
      serve: { type: 'boolean' },
      ...Object.fromEntries(names.map((name) => [name, { type: 'string' }])),
    },
  });
  for (const name of names) {
    if (values[name] === undefined) continue;
    if (!values.serve) throw new Error(`--${name} goes with --serve`);
    if (!CHOICES[name].includes(values[name])) {
      throw new Error(`--${name} takes ${CHOICES[name].join(', ')}; not ${values[name]}`);
    }
  }
  const defaults = Object.fromEntries(names.map((name) => [name, CHOICES[name][0]]));
  return { serve: false, ...defaults, ...values };
}

module.exports = { USAGE, readArguments };
