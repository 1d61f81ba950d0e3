'use strict';
// Requests for the Express example: logins, uploads, a gateway's answers, names to look up.

const { setTimeout: sleep } = require('node:timers/promises');

const autocannon = require('autocannon');

const JSON_BODY = { 'content-type': 'application/json' };
const RAW_BODY = { 'content-type': 'application/octet-stream' };

function login(visits) {
  const history = Array.from({ length: visits }, (_, i) => ({
    page: `/products/${(i * 7919) % 9973}`,
    title: `Product ${(i * 104729) % 99991}`,
    seconds: (i * 31) % 600,
    from: { kind: ['search', 'list', 'link'][i % 3], rank: i % 40, paid: i % 7 === 0 },
  }));
  return [
    {
      method: 'POST',
      path: '/sessions',
      headers: JSON_BODY,
      body: JSON.stringify({ password: 'correct horse battery staple', history }),
      onResponse: (status, body, context) => {
        if (status === 201) context.session = JSON.parse(body).id;
      },
    },
    {
      method: 'GET',
      path: '/sessions/none',
      setupRequest: (request, context) => ({ ...request, path: `/sessions/${context.session}` }),
    },
  ];
}

function upload(kilobytes) {
  const body = Buffer.alloc(kilobytes * 1024);
  for (let at = 0, row = 0; at < body.length; row += 1) {
    at += body.write(`${row},${(row * 7919) % 999983},row ${row} of the export\n`, at);
  }
  return { method: 'POST', path: '/uploads', headers: RAW_BODY, body };
}

/** What a burst of strength 1 sends: `connections`, each with `rate` requests a second. */
const FULL = [
  { connections: 10, rate: 3, requests: [150, 500, 1200].flatMap(login) },
  { connections: 20, rate: 1, requests: [200, 700, 1600].map(upload) },
  { connections: 10, rate: 1, requests: [{ path: '/gateway' }] },
  { connections: 10, rate: 2, requests: [{ path: '/resolve' }] },
];

/** So much as leaves the machine to whoever looks. Sessions are small: the cache is not what is to be seen. */
const GENTLE = [
  { connections: 2, rate: 2, requests: login(20) },
  { connections: 4, rate: 1, requests: [200, 700, 1600].map(upload) },
  { connections: 2, rate: 1, requests: [{ path: '/gateway' }] },
  { connections: 2, rate: 2, requests: [{ path: '/resolve' }] },
];

/** Sends one kind of request at its rate until each of them is answered. */
async function sendKind(service, { connections, rate, requests }, { strength, seconds }, tally) {
  const lines = Math.max(1, Math.round(connections * strength));
  const overallRate = lines * rate;
  const run = autocannon({
    url: service.url,
    connections: lines,
    overallRate,
    amount: overallRate * seconds,
    requests,
    timeout: 20,
    ignoreCoordinatedOmission: true,
  });
  run.on('response', (_client, status, _bytes, latency) => {
    tally.latencies.push(latency);
    if (status < 200 || status > 299) tally.errors += 1;
  });
  run.on('reqError', () => {
    tally.errors += 1;
  });
  await run;
}

/** All kinds at once. Each sends at its own moment of the second, or they would beat as one. */
async function sendBurst(service, load, burst, tally) {
  const sending = load.map(async (kind, i) => {
    await sleep((i * 1000) / load.length);
    await sendKind(service, kind, burst, tally);
  });
  await Promise.all(sending);
}

module.exports = { FULL, GENTLE, sendBurst };
