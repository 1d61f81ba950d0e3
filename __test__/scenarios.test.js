'use strict';
// Each cause under each allocator; `npm run scenarios` runs them again and again.

const assert = require('node:assert/strict');
const os = require('node:os');
const { after, describe, test } = require('node:test');
const { preload } = require('./support/allocators.js');
const { makeCgroup } = require('./support/cgroup.js');
const { librariesOf, listScenarios, runScenario } = require('./support/scenarios.js');

/** How many runs under an allocator have to be right: what diagnose() promises. */
const RIGHT = 0.95;

const runs = {};

/** Runs it; what is wrong with its verdict or its ledger is counted. */
async function tried(scenario, group) {
  runs[scenario.allocator] ??= { right: 0, all: 0 };
  const counts = runs[scenario.allocator];
  counts.all += 1;
  const report = await runScenario(scenario, group);
  counts.right += report.problems.length === 0;
  return report;
}

// They wait most of the time.
describe('diagnose() names the cause, and the ledger sums', {
  concurrency: 2 * os.availableParallelism(),
}, () => {
  for (const scenario of listScenarios()) {
    const { allocator, name, variant } = scenario;
    const title = [name, variant, allocator].filter(Boolean).join(', ');
    test(title, async (t) => {
      if (preload(t, ...librariesOf(scenario)) === null) return;
      const group = scenario.memory ? makeCgroup(t, scenario.memory) : undefined;
      if (group === null) return;
      const first = await tried(scenario, group);
      if (first.problems.length === 0) return;
      // One run in twenty may be wrong, so a cause that is missed is looked for once more.
      t.diagnostic(`wrong at first: ${first.problems.join('; ')}`);
      const { findings, ledger, problems, summary } = await tried(scenario, group);
      assert.deepEqual(problems, [], JSON.stringify({ summary, findings, ledger }, null, 2));
    });
  }

  after(() => {
    for (const [allocator, { right, all }] of Object.entries(runs)) {
      assert.ok(right >= RIGHT * all, `${allocator}: right in ${right} of ${all} runs`);
    }
  });
});
