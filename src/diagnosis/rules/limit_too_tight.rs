//! `limit-too-tight`: what is in use hardly fits under the limit; nothing could be given back.

use crate::diagnosis::finding::{Code, Finding, Place, Severity, Unit};
use crate::diagnosis::view::{View, known};
use crate::diagnosis::words::{self, MB};

/// What has to fit, of the limit.
const NEARLY_FULL: f64 = 0.85;
const FULL: f64 = 0.95;
/// What is in use alone, of the limit.
const MOSTLY_LIVE: f64 = 0.75;
/// A heap of so much of the limit is on its way to a V8 limit beyond it.
const LARGE_HEAP: f64 = 0.5;
/// A heap that fits leaves a tenth of the limit for V8's young generation and for what the kernel charges
/// (docs/malloc-conf.md).
const FITTING: f64 = 0.9;
const LEAST_HEAP: f64 = 32.0 * MB;

pub fn judge(view: &View) -> Option<Finding> {
    full(view).or_else(|| heap_beyond(view))
}

fn full(view: &View) -> Option<Finding> {
    let (limit, used) = (view.limit()?, view.unreclaimable()?);
    let live = view.live();
    if used < limit * NEARLY_FULL || live < limit * MOSTLY_LIVE {
        return None;
    }
    let severity = if used >= limit * FULL { Severity::Critical } else { Severity::Warning };
    let summary = format!(
        "What is in use, {}, hardly fits under the container's limit of {} ({} of it cannot be reclaimed): no purge will help.",
        words::bytes(live),
        words::bytes(limit),
        words::bytes(used),
    );
    Some(
        Finding::new(Code::LimitTooTight, severity, used, summary)
            .at(Place::Limit)
            .shows(
                "cgroup.unreclaimable / limit",
                used / limit,
                Unit::Ratio,
                Some(NEARLY_FULL),
                "the group's memory.stat",
            )
            .shows(
                "in use / limit",
                live / limit,
                Unit::Ratio,
                Some(MOSTLY_LIVE),
                "ledger: heap in use, buffers, external, native, code, stacks",
            )
            .act("Raise the container's memory limit by a third, or move work to more replicas.")
            .act("Or use less at a time: fewer worker threads, smaller caches, fewer requests at once."),
    )
}

fn heap_beyond(view: &View) -> Option<Finding> {
    let limit = view.limit()?;
    let heap_limit = view.case.inspection.v8.heap_limit?;
    let used = view.own_heap_in_use()?;
    if heap_limit <= limit || used < limit * LARGE_HEAP {
        return None;
    }
    let summary = format!(
        "V8 may grow its heap to {}, beyond the container's limit of {}, and {} is in use already: the kernel will kill the process before V8 collects in earnest.",
        words::bytes(heap_limit),
        words::bytes(limit),
        words::bytes(used),
    );
    let finding = Finding::new(Code::LimitTooTight, Severity::Warning, used, summary)
        .at(Place::Limit)
        .bytes("v8.heapLimit", Some(heap_limit), Some(limit), "v8.getHeapStatistics().heap_size_limit")
        .bytes("heap in use", Some(used), Some(limit * LARGE_HEAP), "process.memoryUsage().heapUsed");
    let beside = view.rss().zip(known(&view.parts().v8_heap)).map(|(rss, heap)| (rss - heap).max(0.0));
    let fitting = beside.map(|beside| limit * FITTING - beside).filter(|heap| *heap >= LEAST_HEAP);
    let flag = fitting.map_or("a smaller `--max-old-space-size`".to_owned(), |heap| {
        format!("`--max-old-space-size={:.0}`", (heap / MB).floor())
    });
    Some(finding.act(format!("Start the service with {flag}, so that V8 collects before the limit; `npx heapgap doctor` computes it.")).act("Or raise the container's memory limit above what V8 may use and the process needs beside it."))
}
