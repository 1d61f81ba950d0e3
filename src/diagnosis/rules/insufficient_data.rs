//! `insufficient-data`: too much of RSS cannot be told apart to name a cause.

use super::{of_rss, watch_first};
use crate::diagnosis::finding::{Code, Finding, Place, Severity, Unit};
use crate::diagnosis::growth;
use crate::diagnosis::view::{
    LEAST_MASS, LEAST_MASS_SHARE, LEAST_WASTE, LEAST_WASTE_SHARE, MOST_SHARE, View, known,
};

/// Of RSS, that is no part's. The ledger promises a tenth at the most.
const LARGE_REST: f64 = 0.25;

pub fn judge(view: &View) -> Option<Finding> {
    unread(view).or_else(|| unsplit(view)).or_else(|| unattributed(view)).or_else(|| unkept(view))
}

fn finding(bytes: Option<f64>, summary: String) -> Finding {
    Finding::new(Code::InsufficientData, Severity::Info, bytes, summary).at(Place::Unknown)
}

fn unread(view: &View) -> Option<Finding> {
    if view.case.inspection.ledger.rss.is_some_and(|rss| rss > 0.0) {
        return None;
    }
    let summary =
        "The kernel did not tell what RSS consists of, so that nothing but V8's own figures can be judged."
            .to_owned();
    Some(finding(None, summary)
        .shows("ledger.rss", "unknown", Unit::Text, None, "/proc/self/status")
        .act("Read `snapshot().notes`: they say which file was missing. heapgap reads Linux's /proc; a container or a sandbox may hide it."))
}

/// The allocator says neither what it handed out nor what it keeps.
fn unsplit(view: &View) -> Option<Finding> {
    if view.native_is_split() || view.purge_has_told() {
        return None;
    }
    let parts = view.parts();
    let released = view.experiment().and_then(|experiment| experiment.released).unwrap_or(0.0).max(0.0);
    let held = known(&parts.native)? + known(&parts.unattributed).unwrap_or(0.0) - released;
    let bytes = view.large(held, LEAST_MASS, LEAST_MASS_SHARE)?;
    let is_most = view.share(bytes)? >= MOST_SHARE;
    if !is_most && growth::is_steady(view, growth::unsplit) && view.is_far_from_limits() {
        return None;
    }
    let name = match view.case.inspection.allocator.name.as_str() {
        "" | "unknown" => "an allocator that heapgap does not know",
        name => name,
    };
    let summary = format!(
        "{} is held by {name}, which does not say what is in use and what was freed.",
        of_rss(view, bytes)
    );
    let finding = finding(Some(bytes), summary).bytes(
        "ledger.native",
        known(&parts.native),
        Some(LEAST_MASS),
        &parts.native.source,
    );
    let finding = if view.is("mimalloc") {
        finding.act("Watch it under the same load again: memory that was freed is used for the next burst, and what is leaked grows on.")
    } else {
        finding.act("Tell them apart by trying: `diagnose({ experiment: true })` collects garbage and purges, and measures what each gave back.")
    };
    let finding =
        finding.act("Run the service on jemalloc, which heapgap reads: `npx heapgap run -- node server.js`.");
    Some(watch_first(view, finding))
}

fn unattributed(view: &View) -> Option<Finding> {
    let part = &view.parts().unattributed;
    let bytes = view.large(known(part)?, LEAST_MASS, LARGE_REST)?;
    let summary = format!("{} belongs to no part that heapgap can name.", of_rss(view, bytes));
    Some(finding(Some(bytes), summary)
        .bytes("ledger.unattributed", Some(bytes), Some(LEAST_MASS), &part.source)
        .act("Look at the largest mappings, `(await inspect()).mappings.largest`: an addon that maps memory of its own, a runtime inside the process, or a JIT.")
        .act("Try `diagnose({ experiment: true })`: what a purge returns was the allocator's."))
}

/// jemalloc's figures promised what the purge did not give, and tell what is pinned apart.
fn unkept(view: &View) -> Option<Finding> {
    known(&view.parts().pinned)?;
    let bytes = view.large(view.left_by_purge()?, LEAST_WASTE, LEAST_WASTE_SHARE)?;
    let experiment = view.experiment()?;
    let summary = format!(
        "{} was to be released by the purge, by the allocator's figures, and was not.",
        of_rss(view, bytes)
    );
    Some(
        finding(Some(bytes), summary)
            .bytes("experiment.predicted", experiment.predicted, None, "the ledger before purge()")
            .bytes("experiment.released", experiment.released, experiment.predicted, "RSS before and after purge()")
            .act("Try once more when the service is at rest: another purge may have been in flight, or the program took the pages again.")
            .act("Look at `AnonHugePages` in /proc/self/smaps_rollup: the kernel may fill again what was given back; and jemalloc counts pages that were never touched."),
    )
}

#[cfg(test)]
mod tests {
    use crate::diagnosis::finding::Code;
    use crate::diagnosis::testing::{Process, codes, found_from, window};
    use crate::diagnosis::window::Column;
    use crate::diagnosis::words::MB;

    #[test]
    fn from_64_mb_and_a_quarter_of_rss_unattributed() {
        found_from(&Process::on("glibc"), "unattributed", Code::InsufficientData, 64.0, 0.25);
    }

    #[test]
    fn an_allocator_that_tells_a_bound_alone() {
        let with = |mb| {
            Process::on("unknown").part("native", mb).bound("native").part("unattributed", 0.0).rss_of(200.0)
        };
        assert!(with(64.0).finds(Code::InsufficientData));
        assert!(!with(59.0).finds(Code::InsufficientData));
    }

    #[test]
    fn what_does_not_grow_and_is_far_from_limits_is_no_matter() {
        let samples = window(
            60,
            60.0,
            None,
            &[
                (Column::Anon, &|_| 120.0 * MB),
                (Column::HeapPhysical, &|_| 20.0 * MB),
                (Column::ArrayBuffers, &|_| MB),
            ],
        );
        let finds = |rss: f64, samples: &[f64]| {
            let process = Process::on("mimalloc").part("native", 90.0).bound("native").rss_of(rss);
            codes(&process.with(samples)).contains(&Code::InsufficientData)
        };
        assert!(!finds(220.0, &samples));
        assert!(finds(220.0, &[]), "nobody watched");
        assert!(finds(170.0, &samples), "half of RSS");
    }

    #[test]
    fn a_purge_by_mimalloc_does_not_tell() {
        let tried = |allocator, released: f64| {
            let process = Process::on(allocator).part("native", 236.0).bound("native").rss_of(290.0);
            process.tried([290.0, 290.0, 290.0 - released], 0.0, 1.0, None).codes()
        };
        assert_eq!(tried("mimalloc", 0.0), [Code::InsufficientData]);
        assert_eq!(tried("unknown", 0.0), [Code::NativeLive]);
        assert_eq!(tried("mimalloc", 200.0), [Code::Retention]);
    }

    #[test]
    fn another_cause_comes_first() {
        let process = Process::on("unknown").part("native", 100.0).bound("native").part("buffers", 90.0);
        assert_eq!(process.codes(), [Code::ExternalBuffers, Code::InsufficientData]);
    }

    #[test]
    fn a_purge_that_did_not_keep_its_promise() {
        let tried = |allocator| {
            let process = Process::on(allocator).part("dirty", 150.0);
            let rss = process.rss();
            process.tried([rss, rss, rss - 5.0], 0.0, 1.0, None).predicted(150.0)
        };
        assert_eq!(tried("jemalloc").codes(), [Code::InsufficientData]);
        // glibc does not tell what is pinned: this is.
        assert_eq!(tried("glibc").codes(), [Code::PinnedFragmentation]);
    }
}
