'use strict';
// Each cause once under each allocator; `npm run scenarios` runs them again and again.

const assert = require('node:assert/strict');
const os = require('node:os');
const { describe, test } = require('node:test');
const { preload } = require('./support/allocators.js');
const { makeCgroup } = require('./support/cgroup.js');
const { librariesOf, listScenarios, runScenario } = require('./support/scenarios.js');

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
      const { findings, ledger, problems, summary } = await runScenario(scenario, group);
      const more = JSON.stringify({ summary, findings, ledger }, null, 2);
      assert.deepEqual(problems, [], more);
    });
  }
});
