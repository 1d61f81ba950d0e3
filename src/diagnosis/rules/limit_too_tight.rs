//! `limit-too-tight`: what is in use hardly fits under the limit; nothing could be given back.

use crate::diagnosis::finding::{Code, Finding, Place, Severity, Unit};
use crate::diagnosis::view::{View, known};
use crate::diagnosis::words::{self, MB};

/// What has to fit, of the limit.
const NEARLY_FULL: f64 = 0.85;
const FULL: f64 = 0.95;
/// What a purge would leave, of the limit.
const FULL_AFTER_PURGE: f64 = 0.8;
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
    let left = used - view.purgeable().unwrap_or(0.0);
    if used < limit * NEARLY_FULL || left < limit * FULL_AFTER_PURGE || live < limit * MOSTLY_LIVE {
        return None;
    }
    let severity = if used >= limit * FULL { Severity::Critical } else { Severity::Warning };
    let summary = format!(
        "What is in use, {}, hardly fits under the container's limit of {}, of which {} cannot be reclaimed: no purge will make room.",
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

#[cfg(test)]
mod tests {
    use crate::diagnosis::finding::{Code, Severity};
    use crate::diagnosis::testing::Process;

    fn severity(process: &Process) -> Option<Severity> {
        let diagnosis = process.diagnose();
        diagnosis
            .findings
            .iter()
            .find(|finding| finding.code == Code::LimitTooTight)
            .map(|finding| finding.severity)
    }

    #[test]
    fn from_85_percent_of_the_limit() {
        let process = Process::on("jemalloc").heap(150.0).heap_limit(200.0);
        let at = |used: f64| severity(&process.clone().limited(200.0, used + 5.0, 5.0));
        assert_eq!(at(169.0), None);
        assert_eq!(at(170.0), Some(Severity::Warning));
        assert_eq!(at(190.0), Some(Severity::Critical));
    }

    #[test]
    fn a_purge_that_makes_room_is_to_be_tried_first() {
        let with = |dirty: f64| {
            severity(
                &Process::on("glibc")
                    .heap(110.0)
                    .heap_limit(200.0)
                    .part("dirty", dirty)
                    .limited(200.0, 190.0, 5.0),
            )
        };
        assert!(with(25.0).is_some());
        assert!(with(26.0).is_none());
    }

    #[test]
    fn what_is_in_use_has_to_be_the_most_of_it() {
        // The group's other processes use the rest.
        let with = |heap: f64| {
            severity(&Process::on("glibc").heap(heap).heap_limit(200.0).limited(200.0, 190.0, 0.0))
        };
        assert!(with(100.0).is_some());
        assert!(with(80.0).is_none());
    }

    #[test]
    fn a_heap_limit_beyond_the_containers_matters_once_the_heap_is_large() {
        let with = |used: f64, heap_limit: f64| {
            severity(&Process::on("glibc").heap_used(used).heap_limit(heap_limit).limited(512.0, 330.0, 0.0))
        };
        assert!(with(256.0, 513.0).is_some());
        assert!(with(255.0, 513.0).is_none());
        assert!(with(256.0, 512.0).is_none());
    }
}
