// Compiled, not run: what a strict TypeScript service may and may not write.

import http from 'node:http';
import fastify from 'fastify';
import {
  type AllocatorName,
  allocator,
  type Diagnosis,
  type DiagnosisCode,
  diagnose,
  doctor,
  type Finding,
  type Governor,
  type GovernorLevel,
  govern,
  type Inspection,
  inspect,
  type KeptCode,
  type LedgerPartName,
  type PurgeReport,
  purge,
  route,
  type Shed,
  type ShedReason,
  shed,
  snapshot,
  stats,
  type Watch,
  watch,
} from 'heapgap';
import heapgapFastify from 'heapgap/fastify';
import { collectMetrics as observe } from 'heapgap/otel';
import { collectMetrics, makeRegistry } from 'heapgap/prometheus';

const name: AllocatorName = allocator().name;
const capable: boolean = allocator().capabilities.purge && name === 'jemalloc';

const { allocated, dirty, notes } = stats({ maxAgeMs: 100 });
const total: number = (allocated ?? 0) + (dirty ?? 0);
const reasons: string[] = notes.map((note) => `${note.field}: ${note.reason}`);
// @ts-expect-error: a figure may be null.
const careless: number = stats().allocated;
// @ts-expect-error: no such option.
stats({ maxAge: 100 });

const { cgroup, v8, process: memory, gap, resources } = snapshot({ resources: true });
const headroom = cgroup.limit === null ? null : cgroup.limit - (cgroup.unreclaimable ?? 0);
const stalled: number = cgroup.pressure?.some.avg10 ?? 0;
const spaces: string[] = v8.spaces.map((space) => space.name);
const sockets: number | undefined = resources?.TCPSocketWrap;
const rss: number | null = memory.rss ?? gap;

const report: PurgeReport = await purge();
const released: number | null = report.released;
const before: number | null = report.stats.before.dirty;
const why: [KeptCode, number][] = report.kept.map(({ code, bytes }) => [code, bytes]);
// @ts-expect-error: no such reason.
const odd: boolean = report.kept[0]?.code === 'bad-luck';

http.createServer(route());
route({ token: process.env.DEBUG_TOKEN });
http.createServer((req, res) => route({ token: 'x'.repeat(16) })(req, res));
route({ authorize: async (req) => req.headers.cookie === 'me', minIntervalMs: 0, path: '/m' });
// @ts-expect-error: `authorize` answers a boolean.
route({ authorize: () => 'yes' });

const { healthy, findings, processes } = await doctor({ command: ['node', 'server.js'] });
const worst: Finding | undefined = findings[0];
const lines: string[] = worst?.fix.find(({ applies }) => applies)?.lines ?? [];
const proven: boolean = processes.every((each) => each.allocator?.proof === 'probe');
await doctor();
await doctor({ pid: 4711, timeoutMs: undefined });
// @ts-expect-error: a command is its words.
await doctor({ command: 'node server.js' });

const window: Watch = watch({ intervalMs: 1000, capacity: undefined });
window.sample();
// @ts-expect-error: counted by the watch.
window.length = 5;
const { verdict, findings: causes, experiment }: Diagnosis = await diagnose({ window });
const code: DiagnosisCode = verdict;
const leaked: number = causes.find((cause) => cause.code === 'native-live')?.bytes ?? 0;
// @ts-expect-error: there only where one was made.
const garbage: number | null = experiment.garbage;
await diagnose({ experiment: true });
// @ts-expect-error: a watch, not its length.
await diagnose({ window: window.length });
window.stop();

const whole: Inspection = await inspect();
const parts: [LedgerPartName, number | null][] = [['dirty', whole.ledger.parts.dirty.bytes]];
const wasted: number | null = whole.sizeClasses?.[0]?.waste ?? null;
route({ heapSnapshot: process.env.NODE_ENV !== 'production' });

const governor: Governor = govern({ limit: undefined, gc: true });
governor.on('purge', ({ reason, released }) => console.log(reason, (released ?? 0) / 2));
governor.once('limit', ({ usage }) => console.log(usage));
// @ts-expect-error: no such event.
governor.on('panic', () => {});
const level: GovernorLevel | null = governor.state().level;
await governor.stop();

const turnAway: Shed = shed({ retryAfter: 5, maxRssBytes: undefined });
http.createServer((req, res) => turnAway(req, res, () => res.end('ok')));
fastify().addHook('onRequest', turnAway);
const { shedding, eventLoopDelay, governor: seen } = turnAway.memoryUsage();
const shedFor: ShedReason | null = shedding;
const governed: boolean = seen?.running ?? false;
// @ts-expect-error: a figure may be null.
const late: number = eventLoopDelay;
turnAway.stop();
// @ts-expect-error: thresholds are numbers.
shed({ maxRssBytes: '512MB' });
// @ts-expect-error: no such option.
shed({ healthCheck: () => true });

await fastify().register(heapgapFastify, { path: '/memory', token: undefined });
// @ts-expect-error: no such option.
await heapgapFastify(fastify(), { route: '/memory' });
const scraped: string = await makeRegistry().metrics();
collectMetrics({ register: makeRegistry(), prefix: 'my_', findings: false });
// @ts-expect-error: a registry of prom-client.
collectMetrics({ register: {} });
observe({ findings: false, semanticConventions: undefined });
// @ts-expect-error: a meter of OpenTelemetry.
observe({ meter: 'heapgap' });

export {
  before,
  capable,
  careless,
  code,
  garbage,
  governed,
  headroom,
  healthy,
  late,
  leaked,
  level,
  lines,
  odd,
  parts,
  proven,
  reasons,
  released,
  rss,
  scraped,
  shedFor,
  sockets,
  spaces,
  stalled,
  total,
  wasted,
  why,
};
