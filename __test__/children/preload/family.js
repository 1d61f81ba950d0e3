'use strict';
// Starts a child, and prints who serves malloc in both and what the child said on standard error.

const { spawnSync } = require('node:child_process');

const report = () => {
  const { allocator } = require(`${process.cwd()}/index.js`);
  const { LD_PRELOAD, HEAPGAP_PRELOAD, HEAPGAP_PRELOAD_DONE } = process.env;
  return { name: allocator().name, LD_PRELOAD, HEAPGAP_PRELOAD, HEAPGAP_PRELOAD_DONE };
};

if (process.argv[2] === 'child') {
  process.stdout.write(JSON.stringify(report()));
} else {
  const args = [...process.execArgv, __filename, 'child'];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  process.stdout.write(JSON.stringify({ own: report(), child: JSON.parse(stdout), stderr }));
}
