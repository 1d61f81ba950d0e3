//! `js-heap`: JavaScript objects are what RSS consists of, or what grows.

use super::{SNAPSHOT, grew, of_rss, retention, try_first, until_limit, urgency, watch_first, with_trend};
use crate::diagnosis::finding::{Code, Finding, Place, Severity, Unit};
use crate::diagnosis::growth;
use crate::diagnosis::view::{LEAST_MASS, MOST_SHARE, View, known};
use crate::diagnosis::words::{self, MB};

/// A heap of a Node.js service may well be half of a small process.
const LEAST_HEAP: f64 = 128.0 * MB;
const LEAST_HEAP_SHARE: f64 = 0.5;
/// From here on V8 collects more and more often, until it gives up.
const NEAR_V8_LIMIT: f64 = 0.8;
/// V8 keeps up to twice what is in use to grow into; less than half in use is a burst's remainder.
const HALF_USED: f64 = 0.5;

pub fn judge(view: &View) -> Option<Finding> {
    growing(view).or_else(|| near_limit(view)).or_else(|| garbage(view)).or_else(|| mass(view))
}

fn growing(view: &View) -> Option<Finding> {
    let growth = growth::of_bytes(view, growth::heap, false)?;
    let own_room = v8_room(view);
    let to_v8 = growth.seconds_left(own_room);
    let to_group = growth.seconds_left(view.room());
    let (left, limit) = match (to_v8, to_group) {
        (Some(v8), Some(group)) if group < v8 => (Some(group), "the container's limit"),
        (None, Some(group)) => (Some(group), "the container's limit"),
        (v8, _) => (v8, "V8's heap limit"),
    };
    let summary = format!(
        "JavaScript objects leak, or a cache fills: what garbage collections leave of them grows by {}{}.",
        grew(view, &growth),
        until_limit(left, limit)
    );
    let finding =
        Finding::new(Code::JsHeap, urgency(&growth, left), view.heap_in_use(), summary).at(Place::Growth);
    Some(advise(view, with_trend(finding, "heap", &growth)))
}

fn v8_room(view: &View) -> Option<f64> {
    Some((view.case.inspection.v8.heap_limit? - view.own_heap_in_use()?).max(0.0))
}

fn near_limit(view: &View) -> Option<Finding> {
    let limit = view.case.inspection.v8.heap_limit.filter(|limit| *limit > 0.0)?;
    let used = view.own_heap_in_use()?;
    let ratio = used / limit;
    if ratio < NEAR_V8_LIMIT {
        return None;
    }
    // From one look a part of it may be garbage, of which V8 leaves more the larger its limit is.
    let is_known = view.after("gc").is_some() || growth::has_survived(view, growth::heap, used);
    let severity = if is_known { Severity::Critical } else { Severity::Warning };
    let summary = format!(
        "V8's heap uses {} of the {} that V8 allows it ({}): the process ends with \"heap out of memory\" when it is full.",
        words::bytes(used),
        words::bytes(limit),
        words::percent(ratio),
    );
    let finding = Finding::new(Code::JsHeap, severity, used, summary).shows(
        "v8.heapUsed / v8.heapLimit",
        ratio,
        Unit::Ratio,
        Some(NEAR_V8_LIMIT),
        "v8.getHeapStatistics().heap_size_limit",
    );
    Some(advise(view, finding))
}

/// The experiment freed a good part of RSS by collecting alone. V8 lets a heap double before it collects, so
/// that a third of RSS is garbage in any busy service.
fn garbage(view: &View) -> Option<Finding> {
    let garbage = view.experiment()?.garbage?;
    // What it freed for others to pin is theirs.
    let bytes = view.large(garbage - view.pinned_by_collecting(), LEAST_MASS, MOST_SHARE)?;
    let summary = format!(
        "{} was garbage that V8 had not collected yet: one collection freed it.",
        of_rss(view, bytes)
    );
    let finding = Finding::new(Code::JsHeap, Severity::Info, bytes, summary)
        .bytes("experiment.garbage", Some(garbage), Some(LEAST_MASS), "diagnose({ experiment: true })")
        .act("Make V8 collect earlier with a smaller heap: `--max-old-space-size` as `npx heapgap doctor` computes it for the container.")
        .act("Look for code that makes much garbage at once: JSON.parse and Buffers of whole files or responses, where a stream would do.");
    Some(finding)
}

fn mass(view: &View) -> Option<Finding> {
    let resident = view.heap_resident();
    let used = view.heap_in_use()?;
    let in_rss = resident.map_or(used, |resident| used.min(resident));
    let bytes = match view.large(in_rss, LEAST_HEAP, LEAST_HEAP_SHARE) {
        Some(bytes) => bytes,
        None => return kept(view, in_rss, resident?),
    };
    if is_steady(view) && view.is_far_from_limits() {
        return None;
    }
    let summary = format!("JavaScript objects are {}{}.", of_rss(view, bytes), workers(view, bytes));
    let finding = Finding::new(Code::JsHeap, Severity::Info, bytes, summary)
        .bytes(
            "heap in use",
            Some(in_rss),
            Some(LEAST_HEAP),
            "process.memoryUsage().heapUsed, of all isolates",
        )
        .bytes("ledger.v8Workers", known(&view.parts().v8_workers), None, &view.parts().v8_workers.source);
    let finding = watch_first(view, advise(view, finding));
    Some(try_first(view, growth::heap, bytes, finding))
}

/// A window has this thread's heap alone: with workers' heaps of some size, all that is anonymous must not grow.
fn is_steady(view: &View) -> bool {
    let workers = known(&view.parts().v8_workers).unwrap_or(0.0);
    let figure = if workers < LEAST_MASS / 2.0 { growth::heap } else { growth::anonymous };
    growth::is_steady(view, figure)
}

/// Resident and not in use: V8 gives a heap's pages back late.
fn kept(view: &View, used: f64, resident: f64) -> Option<Finding> {
    let bytes = view.large(resident, LEAST_HEAP, LEAST_HEAP_SHARE)?;
    // A program at work fills it anew between its collections: on Node.js 24 to five times what they leave.
    let is_in_order = is_steady(view) || retention::is_busy(view);
    if used >= resident * HALF_USED || (is_in_order && view.is_far_from_limits()) {
        return None;
    }
    let summary = format!(
        "V8 keeps {} for a heap of which {} is in use: the rest is garbage, or free pages from a burst.",
        of_rss(view, bytes),
        words::bytes(used),
    );
    let finding = Finding::new(Code::JsHeap, Severity::Info, bytes, summary)
        .bytes("ledger.v8Heap", known(&view.parts().v8_heap), Some(LEAST_HEAP), &view.parts().v8_heap.source)
        .bytes("heap in use", Some(used), Some(resident * HALF_USED), "process.memoryUsage().heapUsed")
        .act("Make sure with `diagnose({ experiment: true })`, which collects garbage and measures again.")
        .act("Bound it with a smaller heap: `--max-old-space-size` as `npx heapgap doctor` computes it for the container.");
    Some(finding)
}

/// What of `heap` is theirs; in use, as `heap` is.
fn workers(view: &View, heap: f64) -> String {
    let theirs = view.heap_in_use().zip(view.own_heap_in_use()).map(|(all, own)| (all - own).min(heap));
    let Some(bytes) = theirs.filter(|bytes| *bytes >= 1.0 * MB) else {
        return String::new();
    };
    let count = view.case.inspection.workers.len();
    let whose = if count == 0 {
        "of worker threads".to_owned()
    } else {
        format!("of {}", words::count(count as f64, "worker thread"))
    };
    format!(", {} of it the heaps {whose}", words::bytes(bytes))
}

fn advise(view: &View, finding: Finding) -> Finding {
    let detached = view.case.inspection.v8.detached_contexts.filter(|count| *count > 0.0);
    let finding = match detached {
        Some(count) => finding.shows(
            "v8.detachedContexts",
            count,
            Unit::Count,
            Some(0.0),
            "v8.getHeapStatistics().number_of_detached_contexts",
        ),
        None => finding,
    };
    let finding = finding
        .act(format!("Take two heap snapshots some minutes apart ({SNAPSHOT}; each takes 5 to 30 times the heap in use while it is written) and compare them by retained size."))
        .act("Look for what only grows: a Map, an array or a cache without a bound, listeners added on each request and never removed, timers never cleared, and what their closures hold.")
        .act("To fail cleanly until it is found, bound the heap: `--max-old-space-size` as `npx heapgap doctor` computes it for the container.");
    if known(&view.parts().v8_workers).unwrap_or(0.0) < known(&view.parts().v8_heap).unwrap_or(0.0) {
        return finding;
    }
    finding.act("Most of it is in worker threads: start fewer of them, or bound each with `new Worker(file, { resourceLimits: { maxOldGenerationSizeMb } })`.")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::diagnosis::finding::{Code, Severity};
    use crate::diagnosis::testing::{Process, codes, window};
    use crate::diagnosis::window::{Column, WIDTH};
    use crate::diagnosis::words::MB;

    #[test]
    fn from_128_mb_in_use_and_half_of_rss() {
        let finds = |used: f64, rss: f64| {
            Process::on("glibc").part("v8Heap", used + 5.0).heap_used(used).rss_of(rss).finds(Code::JsHeap)
        };
        assert!(finds(128.0, 256.0));
        assert!(!finds(127.0, 250.0) && !finds(128.0, 257.0));
    }

    #[test]
    fn what_is_said_of_workers_is_a_part_of_what_is_said_of_all() {
        let process = Process::on("glibc").heap(20.0).part("v8Workers", 400.0).rss_of(600.0);
        let summary = |workers| {
            let findings = process.clone().inspects("workers", workers).diagnose().findings;
            findings.into_iter().find(|it| it.code == Code::JsHeap).map(|it| it.summary).unwrap_or_default()
        };
        let one = json!({ "heapUsed": 150.0 * MB });
        let asked = summary(json!([one, one]));
        assert!(asked.starts_with("JavaScript objects are 318 MB"), "{asked}");
        assert!(asked.contains(", 300 MB of it the heaps of 2 worker threads."), "{asked}");
        // Those that cannot be asked: all that is resident.
        let silent = summary(json!(null));
        assert!(silent.contains("418 MB") && silent.contains(", 400 MB of it"), "{silent}");
    }

    #[test]
    fn near_what_v8_allows_it_is_urgent() {
        let process = Process::on("glibc").heap_limit(100.0).rss_of(200.0);
        let severity = |used: f64, samples: &[f64]| {
            let diagnosis = process.clone().heap_used(used).with(samples);
            diagnosis
                .findings
                .iter()
                .find(|finding| finding.code == Code::JsHeap)
                .map(|finding| finding.severity)
        };
        assert_eq!(severity(79.0, &[]), None);
        assert_eq!(severity(80.0, &[]), Some(Severity::Warning));
        // After a collection nothing of it is garbage.
        let level = |mb: f64| window(20, 20.0, Some(5), &[(Column::HeapUsed, &|_| mb * MB)]);
        assert_eq!(severity(80.0, &level(80.0)), Some(Severity::Critical));
        // They left less, but never yet of so much.
        assert_eq!(severity(80.0, &level(50.0)), Some(Severity::Warning));
        // The collections bring it down every time.
        let saw = window(
            20,
            20.0,
            Some(5),
            &[(Column::HeapUsed, &|at| {
                if (at * 19.0).round() as u32 % 5 == 4 { 30.0 * MB } else { 85.0 * MB }
            })],
        );
        assert_eq!(severity(85.0, &saw), None);
    }

    #[test]
    fn growth_takes_collections() {
        let process = Process::on("glibc").part("v8Heap", 80.0);
        let grows = |gc| {
            let samples = window(60, 60.0, gc, &[(Column::HeapUsed, &|at| (20.0 + 60.0 * at) * MB)]);
            codes(&process.with(&samples)).contains(&Code::JsHeap)
        };
        assert!(grows(Some(15)));
        assert!(grows(Some(25)), "two collections that free nothing");
        assert!(!grows(Some(40)), "one collection");
        assert!(!grows(None));
    }

    #[test]
    fn a_service_that_started_and_rests_does_not_grow() {
        // Four collections in the first ten seconds; then nothing, or what is left uncollected still grows.
        let grows = |later: f64| {
            let level = |at: f64| {
                let seconds = at * 60.0;
                (10.0 + 6.0 * seconds.min(10.0) + later * (seconds - 10.0).max(0.0)) * MB
            };
            let mut samples = window(61, 60.0, None, &[(Column::HeapUsed, &level)]);
            for row in samples.chunks_mut(WIDTH).skip(1).step_by(3).take(4) {
                row[Column::AfterGc as usize] = 1.0;
            }
            codes(&Process::on("glibc").with(&samples)).contains(&Code::JsHeap)
        };
        assert!(!grows(0.0) && !grows(1.0));
        assert!(grows(6.0));
    }

    #[test]
    fn growth_that_two_collections_free_is_garbage() {
        // Collections at two fifths and at four fifths of the time, each of which leaves that share of what
        // was added since the one before.
        let grows = |kept: f64| {
            let level = |at: f64| {
                let collected = ((at * 59.0 + 1.0) / 24.0).floor();
                let since = at * 59.0 + 1.0 - collected * 24.0;
                (20.0 + 60.0 * kept * collected + 2.5 * since) * MB
            };
            let samples = window(60, 60.0, Some(24), &[(Column::HeapUsed, &level)]);
            let process = Process::on("glibc").part("v8Heap", 120.0);
            codes(&process.with(&samples)).contains(&Code::JsHeap)
        };
        assert!(grows(0.9) && grows(0.65));
        assert!(!grows(0.5) && !grows(0.0));
    }

    #[test]
    fn a_heap_that_a_busy_program_fills_anew_is_no_remainder() {
        let finds = |window: &[f64]| {
            let process = Process::on("glibc").part("v8Heap", 220.0).heap_used(60.0);
            codes(&process.with(window)).contains(&Code::JsHeap)
        };
        let level = |at: f64| (20.0 + 200.0 * at) * MB;
        let rising = |allocated: &dyn Fn(f64) -> f64| {
            window(60, 12.0, None, &[(Column::HeapUsed, &level), (Column::Allocated, allocated)])
        };
        assert!(!finds(&rising(&|at| (20.0 + 5.0 * (at * 300.0).sin()) * MB)));
        assert!(finds(&rising(&|_| 20.0 * MB)));
    }

    #[test]
    fn a_late_collection_that_leaves_no_more_than_at_first_tells_garbage_from_growth() {
        let finds = |left: f64| {
            let level = |at: f64| if at < 0.85 { (150.0 + 100.0 * at) * MB } else { left * MB };
            let mut samples = window(60, 12.0, None, &[(Column::HeapUsed, &level)]);
            for row in samples.chunks_mut(WIDTH).skip(54).take(1) {
                row[Column::AfterGc as usize] = 1.0;
            }
            let process = Process::on("glibc").part("v8Heap", 240.0).heap_used(left);
            codes(&process.with(&samples)).contains(&Code::JsHeap)
        };
        assert!(!finds(160.0));
        assert!(finds(200.0));
    }

    #[test]
    fn garbage_does_not_hide_what_a_late_collection_shows() {
        // As a leak of 4 MB a second on top of 130 MB was seen: collected once, late.
        let level = |at: f64| if at < 0.8 { (130.0 + 300.0 * (at * 4.0).min(1.0)) * MB } else { 208.0 * MB };
        let mut samples = window(36, 18.0, None, &[(Column::HeapUsed, &level)]);
        for row in samples.chunks_mut(WIDTH).skip(29).take(1) {
            row[Column::AfterGc as usize] = 1.0;
        }
        let process = Process::on("glibc").part("v8Heap", 300.0).heap_used(250.0);
        assert_eq!(process.verdict_with(&samples), Code::JsHeap);
    }

    #[test]
    fn nobody_is_woken_for_what_two_collections_left() {
        let severity = |gc| {
            let samples = window(60, 60.0, Some(gc), &[(Column::HeapUsed, &|at| (20.0 + 180.0 * at) * MB)]);
            Process::on("glibc").part("v8Heap", 210.0).with(&samples).findings[0].severity
        };
        assert_eq!(severity(24), Severity::Warning);
        assert_eq!(severity(5), Severity::Critical);
    }

    #[test]
    fn a_leak_of_which_the_collections_saw_little_is_not_told() {
        // The last of two collections at 20 and at 40 % of the time.
        let grows = |step: usize| {
            let mut samples = window(61, 60.0, None, &[(Column::HeapUsed, &|at| (20.0 + 180.0 * at) * MB)]);
            for row in samples.chunks_mut(WIDTH).skip(step).step_by(step).take(2) {
                row[Column::AfterGc as usize] = 1.0;
            }
            let diagnosis = Process::on("glibc").part("v8Heap", 120.0).with(&samples);
            codes(&diagnosis).contains(&Code::JsHeap)
        };
        assert!(grows(12) && !grows(8));
    }

    #[test]
    fn growth_has_to_matter() {
        let grows = |start: f64, rise: f64, seconds: f64| {
            let samples = window(60, seconds, Some(5), &[(Column::HeapUsed, &|at| (start + rise * at) * MB)]);
            codes(&Process::on("glibc").with(&samples)).contains(&Code::JsHeap)
        };
        // The last collection is not the last sample: the line is a bit longer.
        assert!(grows(20.0, 18.0, 90.0) && !grows(20.0, 15.0, 90.0));
        assert!(!grows(20.0, 18.0, 50.0), "within the first minute");
        assert!(grows(100.0, 30.0, 90.0) && !grows(100.0, 22.0, 90.0));
        assert!(grows(500.0, 75.0, 90.0) && !grows(500.0, 60.0, 90.0));
    }

    #[test]
    fn a_heap_that_was_filled_once_is_kept_by_v8() {
        let process = Process::on("glibc").part("v8Heap", 220.0).heap_used(20.0);
        let diagnosis = process.diagnose();
        assert_eq!(codes(&diagnosis), [Code::JsHeap]);
        assert!(diagnosis.summary.contains("of which 20 MB is in use"), "{}", diagnosis.summary);
        assert!(!Process::on("glibc").part("v8Heap", 120.0).heap_used(20.0).finds(Code::JsHeap));
    }

    #[test]
    fn what_does_not_grow_and_is_far_from_limits_is_what_the_service_needs() {
        let finds = |gc, seconds, used: f64| {
            let level = |at: f64| (used - 10.0 * (1.0 - at)) * MB;
            let samples = window(60, seconds, gc, &[(Column::HeapUsed, &level)]);
            let process = Process::on("glibc").part("v8Heap", 220.0).heap_used(used);
            codes(&process.with(&samples)).contains(&Code::JsHeap)
        };
        assert!(!finds(Some(5), 5.0, 200.0) && !finds(None, 5.0, 20.0));
        assert!(finds(Some(5), 4.0, 200.0) && finds(None, 4.0, 20.0), "not watched for long enough");
    }

    #[test]
    fn detached_contexts_are_evidence() {
        let v8 = json!({ "heapUsed": 300.0 * MB, "heapLimit": 4096.0 * MB, "detachedContexts": 40.0 });
        let diagnosis = Process::on("glibc").part("v8Heap", 310.0).inspects("v8", v8).diagnose();
        assert!(
            diagnosis.findings[0].evidence.iter().any(|evidence| evidence.metric == "v8.detachedContexts")
        );
    }
}
