//! `pinned-fragmentation`: pages held by a few small objects; no purge returns them.

use super::of_rss;
use crate::diagnosis::finding::{Code, Finding, Severity, Unit};
use crate::diagnosis::view::{LEAST_WASTE, LEAST_WASTE_SHARE, View};
use crate::diagnosis::words;

/// Slabs are never full: a tenth free is what a healthy process has, a fifth is not.
const LEAST_RATIO: f64 = 1.2;
/// How many size classes are worth naming.
const TOP: usize = 3;

pub fn judge(view: &View) -> Option<Finding> {
    let bytes = view.large(view.pinned()?, LEAST_WASTE, LEAST_WASTE_SHARE)?;
    let ratio = ratio(view);
    if ratio.is_some_and(|ratio| ratio < LEAST_RATIO) {
        return None;
    }
    let classes = wasteful(view);
    let summary = format!(
        "Fragmentation, not a leak: {} is free room in pages that a few small live objects hold, and no purge returns it{}.",
        of_rss(view, bytes),
        if classes.is_empty() { String::new() } else { format!(" (mostly objects of {classes})") },
    );
    let parts = view.parts();
    let source = if parts.pinned.bytes.is_some() {
        &parts.pinned.source
    } else {
        "malloc_info: free chunks of at most a page"
    };
    let mut finding = Finding::new(Code::PinnedFragmentation, Severity::Warning, bytes, summary).bytes(
        "ledger.pinned",
        Some(bytes),
        Some(LEAST_WASTE),
        source,
    );
    if let Some(ratio) = ratio {
        finding = finding.shows(
            "pages in use ÷ bytes in use",
            ratio,
            Unit::Ratio,
            Some(LEAST_RATIO),
            "allocator.active / allocator.allocated",
        );
    }
    if !classes.is_empty() {
        finding = finding.shows("size classes", classes.as_str(), Unit::Text, None, "inspect().sizeClasses");
    }
    let finding = finding
        .act("Find what outlives the burst: small objects that are kept for each request (a cache's entries, log lines, sessions, slices of Buffers) among many that are freed; allocate them before, or copy them when the burst is over.")
        .act("Do less at a time: the peak of a burst decides how many pages are pinned; bound concurrency and batch sizes.")
        .act("What is pinned now goes when the survivors go, or with a restart.");
    if view.is("glibc") {
        Some(finding.act("jemalloc pins less, because small objects of one size share slabs: `npx heapgap run -- node server.js`."))
    } else {
        Some(finding)
    }
}

fn ratio(view: &View) -> Option<f64> {
    let allocator = &view.case.inspection.allocator;
    let tried = view.after("purge").and_then(|step| step.allocated).filter(|allocated| *allocated > 0.0);
    if let Some((left, allocated)) = view.experiment().and_then(|experiment| experiment.pinned).zip(tried) {
        return Some(1.0 + left / allocated);
    }
    let allocated = allocator.allocated.filter(|allocated| *allocated > 0.0)?;
    allocator.active.map(|active| active / allocated)
}

/// `96 bytes: 40 MB, 128 bytes: 12 MB`: the size classes that waste most.
pub fn wasteful(view: &View) -> String {
    let mut classes: Vec<(f64, f64)> = view
        .case
        .inspection
        .size_classes
        .iter()
        .filter(|class| class.kind != "free")
        .filter_map(|class| Some((class.size?, class.waste?)))
        .filter(|(_, waste)| *waste >= words::MB)
        .collect();
    classes.sort_unstable_by(|a, b| b.1.total_cmp(&a.1));
    let words = |(size, waste): &(f64, f64)| format!("{size:.0} bytes: {}", words::bytes(*waste));
    classes.iter().take(TOP).map(words).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::diagnosis::finding::Code;
    use crate::diagnosis::testing::{Process, found_from};
    use crate::diagnosis::words::MB;

    #[test]
    fn from_32_mb_and_a_fifth_of_rss() {
        let process = Process::on("jemalloc").inspects("allocator", json!({ "name": "jemalloc" }));
        found_from(&process, "pinned", Code::PinnedFragmentation, 32.0, 0.2);
    }

    #[test]
    fn full_slabs_are_no_fragmentation() {
        let finds = |active: f64| {
            let figures = json!({ "name": "jemalloc", "allocated": 200.0 * MB, "active": active * MB });
            Process::on("jemalloc")
                .part("pinned", 60.0)
                .inspects("allocator", figures)
                .finds(Code::PinnedFragmentation)
        };
        assert!(finds(240.0));
        assert!(!finds(239.0));
    }

    #[test]
    fn the_experiment_has_the_last_word() {
        let process = Process::on("jemalloc").part("pinned", 100.0);
        let rss = process.rss();
        let left = |pinned| process.clone().tried([rss, rss, rss - 60.0], 0.0, 1.0, Some(pinned));
        assert!(left(90.0).finds(Code::PinnedFragmentation));
        assert!(!left(20.0).finds(Code::PinnedFragmentation));
    }

    #[test]
    fn garbage_that_survivors_pin_once_it_is_collected_is_pinned() {
        let figures = json!({ "name": "jemalloc", "allocated": 350.0 * MB, "active": 352.0 * MB });
        let process = Process::on("jemalloc")
            .part("buffers", 270.0)
            .part("native", 80.0)
            .inspects("allocator", figures);
        let rss = process.rss();
        let tried = |after: f64, pinned| {
            process.clone().tried([rss, after, after - 2.0], 300.0, 22.0, Some(pinned)).left(32.0).codes()
        };
        assert_eq!(tried(rss - 40.0, 330.0), [Code::PinnedFragmentation]);
        // It has left RSS: the allocator counts what nobody touches.
        assert_eq!(tried(rss - 290.0, 330.0), [Code::JsHeap]);
        assert_eq!(tried(rss - 290.0, 5.0), [Code::JsHeap]);
    }
}
