'use strict';
// An empty project in a folder of its own, with its own home, on one Node.js and one package manager.

const fs = require('node:fs');
const path = require('node:path');

const { command } = require('./managers.js');
const { run, startService } = require('./processes.js');

const TEMPLATE = path.join(__dirname, 'template');

class Project {
  #env;
  #folder;
  #home;

  constructor(parent, manager, node, registry) {
    this.manager = manager;
    this.libc = node.libc;
    this.#home = path.join(parent, 'home');
    this.#folder = path.join(parent, 'project');
    // Nothing of this machine's settings: caches, configurations and proxies are found by these.
    this.#env = {
      HOME: this.#home,
      PATH: `${path.dirname(node.file)}:${process.env.PATH}`,
      ...node.environment,
      ...manager.settings(registry),
    };
    fs.mkdirSync(this.#home, { recursive: true });
    fs.mkdirSync(this.#folder);
    fs.writeFileSync(path.join(this.#home, '.npmrc'), `registry=${registry}\n`);
  }

  /** `<manager> add <packages>` in an empty project, as a user would type it. */
  async install(...packages) {
    const { init, add } = this.manager;
    if (init) await this.manage(init);
    else this.#initialise();
    await this.manage([...add, ...packages]);
  }

  #initialise() {
    fs.writeFileSync(this.file('package.json'), '{ "name": "project", "private": true }\n');
    // Tells Yarn 4 that this is a project of its own, whatever the folders around it hold.
    if (this.manager.name === 'yarn-4') fs.writeFileSync(this.file('yarn.lock'), '');
  }

  addTemplate() {
    fs.cpSync(TEMPLATE, this.#folder, { recursive: true });
  }

  file(name) {
    return path.join(this.#folder, name);
  }

  manage(args) {
    return this.run([...command(this.manager), ...args]);
  }

  run(words) {
    return run(words, this.#options());
  }

  startService(words, pattern, env) {
    return startService(words, pattern, this.#options(env));
  }

  /** The words that run `node` in the project. Plug'n'Play has Yarn prepare it. */
  node(...args) {
    return this.manager.plugAndPlay
      ? [...command(this.manager), 'node', ...args]
      : ['node', ...args];
  }

  /** The words that run a program of an installed package. */
  bin(name, ...args) {
    if (this.manager.plugAndPlay) return [...command(this.manager), 'run', name, ...args];
    return [path.join('node_modules', '.bin', name), ...args];
  }

  #options(env) {
    return { cwd: this.#folder, env: { ...this.#env, ...env } };
  }
}

module.exports = { Project };
