// The same from CommonJS.

import http = require('node:http');
import heapgap = require('heapgap');

http.createServer(heapgap.route({ minIntervalMs: 5000 }));
const turnAway: heapgap.Shed = heapgap.shed();
turnAway.stop();
const rss: number | null = heapgap.snapshot().process.rss;

export = rss;
