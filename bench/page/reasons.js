'use strict';
// Why another contender wins a row, and what was tried against it. By trials of the workload, of three or four rounds each,
// with heapgap as it was before; what benchmarks.json has was measured with what came of them.

const ARENAS =
  'Fewer arenas, so that threads use what others have freed. Since then heapgap takes one for each CPU instead of two, which took the ' +
  'peak from 124 to 113 MB. `dirty_decay_ms:500` on top took it to 111, `oversize_threshold:1048576` left it at 113; `narenas:1` took ' +
  'it to 106, but leaves threads nowhere to go when it is locked.';

/** By workload, figure and winner. */
const REASONS = {
  images: { peak: { 'arena-max-2': ARENAS }, gapPeak: { 'arena-max-2': ARENAS } },
};

/** In words; undefined where nobody has looked. */
const reasonOf = (workload, figure, winner) => REASONS[workload]?.[figure]?.[winner];

module.exports = { REASONS, reasonOf };
