'use strict';
// Memory cgroups of a test's own, version 1 or 2, below the one that the tests run in.

const fs = require('node:fs');
const path = require('node:path');

const V1 = {
  mount: '/sys/fs/cgroup/memory',
  limit: 'memory.limit_in_bytes',
  line: /:memory:(.*)$/m,
};
const V2 = { mount: '/sys/fs/cgroup', limit: 'memory.max', line: /^0::(.*)$/m };

function hierarchy() {
  const own = fs.readFileSync('/proc/self/cgroup', 'utf8');
  const version = V1.line.test(own) ? V1 : V2;
  return { ...version, own: version.line.exec(own)?.[1] };
}

/**
 * Makes a group with a limit, removed after the test `t`. Where groups cannot be made the test is
 * skipped, and fails under CI.
 */
function makeCgroup(t, limit) {
  try {
    const { mount, own, ...files } = hierarchy();
    // Version 2 allows no group inside one that has processes, so a sibling of our own.
    const parent = mount === V1.mount ? own : path.dirname(own);
    const folder = path.join(
      mount,
      parent,
      `heapgap-${process.pid}-${Math.trunc(performance.now())}`,
    );
    fs.mkdirSync(folder);
    t.after(() => fs.rmdirSync(folder));
    fs.writeFileSync(path.join(folder, files.limit), String(limit));
    const read = (name) => fs.readFileSync(path.join(folder, name), 'utf8').trim();
    return { folder, path: path.join(parent, path.basename(folder)), v1: mount === V1.mount, read };
  } catch (error) {
    const message = `no memory cgroup can be made: ${error.message}`;
    if (process.env.CI) throw new Error(message);
    t.skip(message);
    return null;
  }
}

/** The words of a shell command that runs `command` inside the group. */
function inCgroup({ folder }, command) {
  return ['-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', folder, ...command];
}

module.exports = { inCgroup, makeCgroup };
