'use strict';
// What heapgap itself costs: `Cost` of ../page/results.d.ts.

const { measureCalls } = require('./calls.js');
const { measureGrowth } = require('./growth.js');
const { measurePurge } = require('./purge.js');
const { measureService } = require('./service.js');

/** Each: how it is measured, and what stands for it where it is left out. */
const SECTIONS = {
  calls: { measure: measureCalls, absent: [] },
  growth: { measure: measureGrowth, absent: [] },
  purge: { measure: measurePurge, absent: [] },
  service: { measure: measureService, absent: null },
};

/** `only`: the sections that are wanted, all if undefined. `say` is told what is under way. */
async function measureCost({ quick = false, only = Object.keys(SECTIONS), say }) {
  const unknown = only.find((name) => !Object.hasOwn(SECTIONS, name));
  if (unknown) throw new Error(`there is no section ${unknown}`);
  const cost = {};
  for (const [name, { measure, absent }] of Object.entries(SECTIONS)) {
    cost[name] = only.includes(name) ? await measure({ quick, say }) : absent;
  }
  return cost;
}

module.exports = { measureCost };
