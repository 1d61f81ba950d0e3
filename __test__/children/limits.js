'use strict';
// Takes away the limit of its own memory cgroup and sets it again; prints what it saw each time.

const fs = require('node:fs');
const heapgap = require('../..');

const [file, none] = process.argv.slice(2);

const limit = fs.readFileSync(file, 'utf8').trim();
const seen = [none, limit, none].map((value) => {
  const { cgroup, notes } = heapgap.snapshot();
  fs.writeFileSync(file, value);
  return { cgroup, fields: notes.map(({ field }) => field) };
});
process.stdout.write(JSON.stringify(seen));
