'use strict';
// A registry on the loopback interface: heapgap's packages are its own, all others come from the
// registry that this machine is set up for.

const fs = require('node:fs');
const path = require('node:path');

const { MANAGERS, command } = require('./managers.js');
const { run, startService } = require('./processes.js');

const USER = { name: 'publisher', password: 'for the loopback only' };

function configuration(folder, uplink) {
  const own = { access: '$all', publish: '$authenticated' };
  return {
    storage: path.join(folder, 'storage'),
    configPath: path.join(folder, 'config.yaml'),
    self_path: path.join(folder, 'config.yaml'),
    auth: { htpasswd: { file: path.join(folder, 'htpasswd') } },
    uplinks: {
      machine: { url: uplink, maxage: '1h', timeout: '60s', max_fails: 10, fail_timeout: '5s' },
    },
    packages: {
      heapgap: own,
      '@heapgap/*': own,
      '**': { access: '$all', proxy: 'machine' },
    },
    // Tarballs go up as one JSON body, in base64.
    max_body_size: '100mb',
    web: { enable: false },
    log: { type: 'stdout', format: 'pretty', level: 'error' },
  };
}

/** Makes a user through the API that `npm adduser` calls. */
async function createToken(url) {
  const response = await fetch(new URL(`-/user/org.couchdb.user:${USER.name}`, url), {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(USER),
    signal: AbortSignal.timeout(30_000),
  });
  const body = await response.text();
  if (!response.ok) throw new Error(`the registry made no user: ${response.status} ${body}`);
  return JSON.parse(body).token;
}

class Registry {
  #env;
  #folder;

  constructor(folder, node) {
    this.#folder = folder;
    this.#env = { PATH: `${path.dirname(node)}:${process.env.PATH}`, HOME: folder };
  }

  async start() {
    const uplink = await run(['npm', 'config', 'get', 'registry', '--loglevel=error']);
    const config = JSON.stringify(configuration(this.#folder, uplink.trim()));
    const service = await startService(
      ['node', path.join(__dirname, 'registry-server.js'), config],
      /registry on (\S+)\n/,
      // This machine's whole environment, with the certificates and the proxy that the uplink needs.
      { cwd: this.#folder, env: { ...process.env, ...this.#env }, ipc: true },
    );
    this.failed = service.failed;
    this.url = service.match[1];
    const token = await createToken(this.url);
    const host = this.url.replace(/^http:/, '');
    const npmrc = `registry=${this.url}\n${host}:_authToken=${token}\n`;
    fs.writeFileSync(path.join(this.#folder, '.npmrc'), npmrc);
  }

  async publish(tarball) {
    const options = ['--access=public', '--provenance=false', '--loglevel=error'];
    const words = [...command(MANAGERS.npm), 'publish', tarball, ...options];
    await run(words, { cwd: this.#folder, env: this.#env });
  }
}

module.exports = { Registry };
