// The same from CommonJS.

import http = require('node:http');
import heapgap = require('heapgap');

http.createServer(heapgap.route({ minIntervalMs: 5000 }));
const turnAway: heapgap.Shed = heapgap.shed();
turnAway.stop();
const { available, why }: heapgap.Profiler = heapgap.profiler;
if (available) heapgap.profiler.profile({ seconds: 10, format: 'flamegraph' });
else console.warn(why satisfies string | null);
// @ts-expect-error: growth has no form in jemalloc's own text
heapgap.profiler.profile({ format: 'jeheap' });
const keeping: heapgap.Governor = heapgap.govern({ profileOnPressure: { maxFiles: 3 } });
keeping.on('profile', ({ file, reason }) => console.warn(file ?? reason));
const rss: number | null = heapgap.snapshot().process.rss;

export = rss;
