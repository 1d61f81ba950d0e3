'use strict';
// examples/kubernetes: the files agree with each other, with the alerts, and with a service that is started as they say.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');
const { after, before, describe, it } = require('node:test');
const yaml = require('js-yaml');
const { environment } = require('./support/child.js');

const ROOT = path.join(__dirname, '..');
const EXAMPLES = path.join(ROOT, 'examples');
const read = (...names) => fs.readFileSync(path.join(EXAMPLES, ...names), 'utf8');
const parse = (name) => yaml.load(read('kubernetes', name));

const deployment = parse('deployment.yml');
const { spec: pod, metadata: podMetadata } = deployment.spec.template;
const [container] = pod.containers;
const monitor = parse('podmonitor.yml');
const [endpoint] = monitor.spec.podMetricsEndpoints;

const TOKEN = 'a token for this test alone';

/** What the kubelet takes where a probe says nothing (kubernetes.io, Configure Liveness, Readiness and Startup Probes). */
const DEFAULTS = { periodSeconds: 10, timeoutSeconds: 1, failureThreshold: 3, successThreshold: 1 };
const probes = Object.fromEntries(
  ['startupProbe', 'readinessProbe', 'livenessProbe'].map((name) => [
    name,
    { ...DEFAULTS, ...container[name] },
  ]),
);

/** The shortest time without an answer after which the kubelet gives up: the first failing probe begins at once. */
const patience = ({ periodSeconds, timeoutSeconds, failureThreshold }) =>
  (failureThreshold - 1) * periodSeconds + timeoutSeconds;

describe('the probes', () => {
  it('kill no pod that is held for less than 55 s, as docs/kubernetes.md says', () => {
    const { livenessProbe } = probes;
    const docs = fs.readFileSync(path.join(ROOT, 'docs', 'kubernetes.md'), 'utf8');
    assert.ok(patience(livenessProbe) > 2 * patience(DEFAULTS));
    assert.ok(docs.includes(`after ${patience(livenessProbe)} s at the least`));
    assert.ok(read('kubernetes', 'deployment.yml').includes(`${patience(livenessProbe)} s`));
    assert.ok(livenessProbe.timeoutSeconds <= livenessProbe.periodSeconds);
  });

  it('take a pod out of the service long before they kill it, and back at one answer', () => {
    const { readinessProbe, livenessProbe } = probes;
    assert.ok(patience(readinessProbe) <= 1);
    assert.equal(readinessProbe.successThreshold, 1);
    assert.ok(readinessProbe.periodSeconds < livenessProbe.periodSeconds);
  });

  it('give a start as long as the docs say', () => {
    const { periodSeconds, failureThreshold } = probes.startupProbe;
    const docs = fs.readFileSync(path.join(ROOT, 'docs', 'kubernetes.md'), 'utf8');
    assert.ok(docs.includes(`after ${periodSeconds * failureThreshold} s`));
  });

  it('leave time to end after preStop', () => {
    assert.ok(pod.terminationGracePeriodSeconds - container.lifecycle.preStop.sleep.seconds >= 20);
  });
});

describe('the files agree', () => {
  it('podmonitor.yml selects the pods, and their port and token', () => {
    const { selector } = monitor.spec;
    for (const [name, value] of Object.entries(selector.matchLabels)) {
      assert.equal(podMetadata.labels[name], value);
    }
    assert.ok(container.ports.some(({ name }) => name === endpoint.port));
    const { secretKeyRef } = container.env.find(({ name }) => name === 'DEBUG_TOKEN').valueFrom;
    assert.deepEqual(endpoint.authorization.credentials, secretKeyRef);
    const docs = fs.readFileSync(path.join(ROOT, 'docs', 'kubernetes.md'), 'utf8');
    const { name, key } = secretKeyRef;
    assert.ok(docs.includes(`kubectl create secret generic ${name} --from-literal=${key}=`));
  });

  it('the probes and the variable PORT name the port', () => {
    const [{ name, containerPort }] = container.ports;
    for (const probe of Object.values(probes)) assert.equal(probe.httpGet.port, name);
    assert.equal(container.env.find((entry) => entry.name === 'PORT').value, `${containerPort}`);
  });

  it('prometheusrule.yml has the rules of alerts.yml, to the letter', () => {
    const rules = (text) => text.slice(text.search(/^ *groups:$/m));
    const shifted = rules(read('prometheus', 'alerts.yml')).replaceAll(/^(?=.)/gm, '  ');
    assert.equal(rules(read('kubernetes', 'prometheusrule.yml')), shifted);
    assert.deepEqual(
      parse('prometheusrule.yml').spec.groups,
      yaml.load(read('prometheus', 'alerts.yml')).groups,
    );
  });
});

/** What the Deployment starts, where there is neither its image nor its port. */
async function startService() {
  const values = container.env.map(({ name, value }) => [name, value]);
  const env = { ...Object.fromEntries(values), PORT: '0', DEBUG_TOKEN: TOKEN };
  const places = {
    'node_modules/.bin/heapgap': path.join(ROOT, 'bin', 'heapgap.js'),
    node: process.execPath,
    'server.js': path.join(EXAMPLES, 'express', 'server.js'),
  };
  const child = spawn(
    process.execPath,
    container.args.map((word) => places[word] ?? word),
    { env: environment(env), stdio: ['ignore', 'pipe', 'inherit'], timeout: 60_000 },
  );
  const [line] = await once(readline.createInterface({ input: child.stdout }), 'line');
  const [, host, port] = /^service: http:\/\/(.+):(\d+)\/$/.exec(line);
  return { child, host, url: `http://127.0.0.1:${port}` };
}

describe('a service that is started as the Deployment says', () => {
  let service;
  before(async () => {
    service = await startService();
  });
  after(() => service?.child.kill('SIGKILL'));
  const get = (where, headers) => fetch(`${service.url}${where}`, { headers });

  it('listens where the kubelet asks', () => assert.equal(service.host, '0.0.0.0'));

  it('answers the probes, who have no token', async () => {
    for (const { httpGet } of Object.values(probes)) {
      assert.equal((await get(httpGet.path)).status, 200);
    }
  });

  it('gives Prometheus its metrics for the token, and nothing without', async () => {
    assert.equal((await get(endpoint.path)).status, 401);
    // The operator's default type of `authorization`.
    const answer = await get(endpoint.path, { authorization: `Bearer ${TOKEN}` });
    assert.equal(answer.status, 200);
    const metrics = await answer.text();
    assert.match(metrics, /^heapgap_gap_bytes \d+$/m);
    assert.match(metrics, /^heapgap_governor_running 1$/m);
  });

  it('ends at SIGTERM', async () => {
    const exited = once(service.child, 'exit');
    service.child.kill('SIGTERM');
    assert.deepEqual(await exited, [0, null]);
  });
});
