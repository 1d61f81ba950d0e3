'use strict';
// Why another contender wins a row, and what was tried against it, by trials of the workload (`--workloads`, in rounds of
// three or four). Shown where one does win it.

/** By workload, then by figure. */
const REASONS = {
  images: {
    peak:
      'fewer arenas, so that threads use what others have freed. heapgap takes one for each CPU and two at least since this benchmark, ' +
      'which took the peak from 124 to 113 MB; `dirty_decay_ms:500` or `oversize_threshold` on top took it to 111 and 113, and ' +
      '`narenas:1` to 106, where threads have nowhere to go when it is locked.',
  },
};

/** In words; undefined where nobody has looked. */
const reasonOf = (workload, figure) => REASONS[workload]?.[figure];

module.exports = { REASONS, reasonOf };
