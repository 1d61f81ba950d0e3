'use strict';
// Runs another child script on a platform that heapgap has no addon for.

const [platform, script] = process.argv.splice(2, 2);
Object.defineProperty(process, 'platform', { value: platform });
require(script);
