'use strict';
// A real Prometheus scrapes a real service and a cluster of four. And what its promtool says of the examples.

const assert = require('node:assert/strict');
const { execFileSync, spawn, spawnSync } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const { describe, it } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { metricsFor, prometheusName } = require('../lib/metrics.js');
const { lacks, makeFolder } = require('./support/faulty.js');

const EXAMPLES = path.join(__dirname, '..', 'examples');
const CHILD = path.join(__dirname, 'children', 'prometheus-service.js');
const WORKERS = 4;
const PURGES = 3;
/** So long may Prometheus take to start, and to have scraped twice. */
const DEADLINE_MS = 60_000;

const has = (command) => spawnSync(command, ['--version']).error === undefined;

/** A port that nothing listens on now. */
async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts a script that prints what it has to say as a line of JSON. */
async function startChild(t, ...args) {
  const child = spawn(process.execPath, [CHILD, ...args.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill());
  const [line] = await once(child.stdout.setEncoding('utf8'), 'data');
  return JSON.parse(line);
}

/** A Prometheus that scrapes these targets, each `{ job, port, path }`; answers its address. */
async function startPrometheus(t, targets) {
  const folder = makeFolder(t);
  const config = path.join(folder, 'prometheus.json');
  const jobs = targets.map(({ job, port, path: metrics_path }) => ({
    job_name: job,
    metrics_path,
    static_configs: [{ targets: [`127.0.0.1:${port}`] }],
  }));
  // JSON is YAML.
  const settings = {
    global: { scrape_interval: '1s', scrape_timeout: '1s' },
    scrape_configs: jobs,
  };
  fs.writeFileSync(config, JSON.stringify(settings));
  const address = `127.0.0.1:${await freePort()}`;
  const words = [
    `--config.file=${config}`,
    `--storage.tsdb.path=${path.join(folder, 'data')}`,
    `--web.listen-address=${address}`,
  ];
  const server = spawn('prometheus', words, { stdio: 'ignore' });
  const ended = once(server, 'exit');
  t.after(async () => {
    server.kill();
    await ended;
  });
  return `http://${address}`;
}

/** The samples that a query has, as `[labels, number]`; none while nobody listens. */
async function query(address, text) {
  try {
    const response = await fetch(`${address}/api/v1/query?query=${encodeURIComponent(text)}`);
    const { data } = await response.json();
    return data.result.map(({ metric, value }) => [metric, Number(value[1])]);
  } catch {
    return [];
  }
}

/** Asks until `isDone` says that the samples are those. */
async function queried(address, text, isDone) {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const samples = await query(address, text);
    if (await isDone(samples)) return samples;
    assert.ok(Date.now() < deadline, `${text}: ${JSON.stringify(samples)}`);
    await sleep(200);
  }
}

it('a real Prometheus has the figures of the API, of a service and of a cluster', async (t) => {
  if (!has('prometheus')) return lacks(t, 'prometheus');
  const service = await startChild(t, 'alone');
  const cluster = await startChild(t, 'cluster', WORKERS, PURGES);
  const address = await startPrometheus(t, [
    { job: 'service', port: service.port, path: '/debug/memory/metrics' },
    { job: 'cluster', port: cluster.port, path: '/metrics' },
  ]);
  await queried(address, 'up == 1', (samples) => samples.length === 2);
  const one = (job) => (samples) => samples.filter(([labels]) => labels.job === job).length === 1;
  const api = async () => (await fetch(`http://127.0.0.1:${service.port}/debug/memory`)).json();
  const figureOf = async (name, job) => {
    const [[, value]] = await queried(address, `${name}{job="${job}"}`, one(job));
    return value;
  };

  const near = (value, expected) => Math.abs(value - expected) < expected / 10;
  /** Until Prometheus has what the API says now: the service has just started, and both look at different times. */
  const agree = async (name, isSame) => {
    const text = `${name}{job="service"}`;
    await queried(
      address,
      text,
      async ([first]) => first !== undefined && isSame(first, await api()),
    );
  };
  await agree('heapgap_process_resident_memory_bytes', ([, value], { rss }) => near(value, rss));
  await agree('heapgap_gap_bytes', ([, value], { gap }) => near(value, gap));
  await agree('heapgap_v8_heap_limit_bytes', ([, value], { v8 }) => value === v8.heapLimit);
  await agree('heapgap_verdict_info', ([{ verdict }], now) => verdict === now.verdict);

  assert.equal(await figureOf('heapgap_purges_total', 'cluster'), WORKERS * PURGES);
  assert.equal(
    await figureOf('heapgap_v8_heap_limit_bytes', 'cluster'),
    WORKERS * cluster.heapLimit,
  );
  const { limit, usage } = (await api()).cgroup;
  if (limit !== null) {
    assert.equal(await figureOf('heapgap_cgroup_memory_limit_bytes', 'cluster'), limit);
  }
  if (usage !== null) {
    const charged = await figureOf('heapgap_cgroup_memory_usage_bytes', 'cluster');
    assert.ok(charged < 1.5 * usage, 'all share a group');
  }
});

/** Every query of the dashboard, as Prometheus would get it. */
function queriesOf({ panels }) {
  return panels.flatMap(({ targets }) =>
    targets.map(({ expr }) => expr.replaceAll('$__rate_interval', '5m')),
  );
}

describe('the examples', () => {
  const alerts = path.join(EXAMPLES, 'prometheus', 'alerts.yml');
  const dashboard = JSON.parse(
    fs.readFileSync(path.join(EXAMPLES, 'grafana', 'dashboard.json'), 'utf8'),
  );

  it('name metrics that there are', () => {
    const known = metricsFor({ findings: true }).map((metric) =>
      prometheusName(metric, 'heapgap_'),
    );
    for (const text of [fs.readFileSync(alerts, 'utf8'), ...queriesOf(dashboard)]) {
      for (const [name] of text.matchAll(/heapgap_[a-z0-9_]+/g))
        assert.ok(known.includes(name), name);
    }
  });

  it('and the documents list all that there are', () => {
    const known = metricsFor({ findings: true }).map((metric) =>
      prometheusName(metric, 'heapgap_'),
    );
    const page = fs.readFileSync(path.join(EXAMPLES, '..', 'docs', 'monitoring.md'), 'utf8');
    const listed = [...page.matchAll(/^\| `(heapgap_\w+)`/gm)].map(([, name]) => name);
    assert.deepEqual(listed, known);
  });

  it('charts of the dashboard are over time', () => {
    const charts = dashboard.panels.filter(({ type }) => type === 'timeseries');
    assert.ok(charts.length > 0);
    for (const { title, targets } of charts)
      assert.ok(!targets.some(({ instant }) => instant), title);
  });

  it('alerts fire when they should, by promtool', (t) => {
    if (!has('promtool')) return lacks(t, 'promtool');
    const promtool = (...words) =>
      execFileSync('promtool', words, { cwd: path.dirname(alerts), encoding: 'utf8' });
    assert.match(promtool('check', 'rules', 'alerts.yml'), /SUCCESS: 6 rules found/);
    promtool('test', 'rules', 'alerts.test.yml');
  });

  it('queries of the dashboard are valid, by promtool', (t) => {
    if (!has('promtool')) return lacks(t, 'promtool');
    const rules = queriesOf(dashboard).map((expr, index) => ({ record: `panel:${index}`, expr }));
    const file = path.join(makeFolder(t), 'rules.json');
    fs.writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
    execFileSync('promtool', ['check', 'rules', file], { encoding: 'utf8' });
  });
});
