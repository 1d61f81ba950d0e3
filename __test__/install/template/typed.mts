// Every public name, imported with its types: a missing one does not compile.

import assert from 'node:assert';
import { createServer } from 'node:http';
import heapgap, {
  allocator,
  type Diagnosis,
  diagnose,
  doctor,
  type Inspection,
  inspect,
  type PurgeReport,
  purge,
  route,
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
  inspect,
  purge,
  route,
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

const watching: Watch = watch({ capacity: 2 });
const found: Diagnosis = await diagnose({ window: watching });
watching.stop();
const whole: Inspection = await inspect();
assert.equal(found.window.samples, 1);
assert.equal(whole.pid, process.pid);
