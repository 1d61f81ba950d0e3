'use strict';
// Where this is: the distribution, the shipped library, the addon, and the container.

const { container } = require('../../container.js');
const { findLibrary } = require('../../library.js');
const { addon, why } = require('../../native.js');
const { exists, linkTarget, readText, resolveIn } = require('./files.js');

function distributionOf(root) {
  const text = readText(root, '/etc/os-release') ?? readText(root, '/usr/lib/os-release') ?? '';
  const field = (name) => new RegExp(`^${name}="?([^"\\n]*)"?$`, 'm').exec(text)?.[1] ?? '';
  const ids = [field('ID'), ...field('ID_LIKE').split(' ')];
  if (field('PRETTY_NAME') === 'Distroless') return 'distroless';
  if (ids.includes('alpine')) return 'alpine';
  if (!ids.includes('debian') && !ids.includes('ubuntu')) return 'other';
  return exists(root, '/bin/sh') ? 'debian' : 'distroless';
}

function etcMallocConf(root) {
  const folder = resolveIn(root, '/etc');
  return folder && linkTarget(`${folder}/malloc.conf`);
}

/** `root` is what the process looked at has as its /; without a `pid`, what stands for ours. */
function readHost({ root = '/', pid } = {}) {
  return {
    platform: process.platform,
    arch: process.arch,
    distribution: distributionOf(root),
    etcMallocConf: etcMallocConf(root),
    container: container(pid === undefined && root !== '/' ? { root } : { pid }),
    addon: { loaded: addon !== null, why },
    shipped: findLibrary(),
  };
}

module.exports = { readHost };
