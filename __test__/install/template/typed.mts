// Every public name, imported with its types: a missing one does not compile.

import assert from 'node:assert';
import { createServer } from 'node:http';
import heapgap, {
  allocator,
  type Diagnosis,
  diagnose,
  doctor,
  type Governor,
  govern,
  type Inspection,
  inspect,
  type PurgeReport,
  profiler,
  purge,
  route,
  type Shed,
  shed,
  snapshot,
  stats,
  type Watch,
  watch,
} from 'heapgap';
import type {} from 'heapgap/preload';

const taken: typeof heapgap = {
  allocator,
  diagnose,
  doctor,
  govern,
  inspect,
  profiler,
  purge,
  route,
  shed,
  snapshot,
  stats,
  watch,
};

createServer(route({ minIntervalMs: 5000 })).unref();
const rss: number | null = taken.snapshot().process.rss;
const report: PurgeReport = await taken.purge();
const healthy: boolean = (await doctor()).healthy;
assert.equal(typeof rss, 'number');
assert.equal(typeof healthy, 'boolean');
assert.equal(report.allocator, stats().allocator);
// @ts-expect-error: no such option
assert.throws(() => stats({ maxAge: 1 }), { code: 'ERR_HEAPGAP_UNKNOWN_OPTION' });

const governor: Governor = govern({ limitMark: 0.95 });
const turnAway: Shed = shed({ retryAfter: 5 });
turnAway({}, {}, () => {});
assert.equal(turnAway.memoryUsage().shed, 0);
await governor.stop();

const watching: Watch = watch({ capacity: 2 });
const found: Diagnosis = await diagnose({ window: watching });
watching.stop();
const whole: Inspection = await inspect();
assert.equal(found.window.samples, 1);
assert.equal(whole.pid, process.pid);
