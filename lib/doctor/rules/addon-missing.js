'use strict';

const { everywhere } = require('../fixes.js');

/** What doctor says then, it says by /proc alone. */
function check({ host: { addon, platform } }) {
  if (addon.loaded) return [];
  return [
    {
      code: 'addon-missing',
      severity: platform === 'linux' ? 'warning' : 'info',
      summary: addon.why,
      evidence: [{ pid: null, source: "require('heapgap')", value: addon.why }],
      fix:
        platform === 'linux'
          ? everywhere('RUN npm install --include=optional heapgap')
          : everywhere('# run the service on Linux'),
    },
  ];
}

module.exports = { codes: ['addon-missing'], check };
