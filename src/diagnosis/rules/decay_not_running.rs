//! `decay-not-running`: jemalloc would give freed pages back by itself, if it were let.

use super::{DECAY_PAIRS, of_rss, retention};
use crate::diagnosis::finding::{Code, Finding, Place, Severity};
use crate::diagnosis::trend;
use crate::diagnosis::view::{LEAST_WASTE, LEAST_WASTE_SHARE, View, known};
use crate::diagnosis::window::Column;
use crate::diagnosis::words;

/// jemalloc's curve has given half back after half the time, and all after the whole: what is left of
/// nine tenths then is not decaying.
const STILL_THERE: f64 = 0.9;

pub fn judge(view: &View) -> Option<Finding> {
    let decay = view.case.inspection.decay.as_ref()?;
    let dirty_ms = decay.dirty_ms?;
    let bytes = view.large(view.purgeable()?, LEAST_WASTE, LEAST_WASTE_SHARE)?;
    let (summary, place) = if dirty_ms < 0.0 {
        let summary = format!(
            "{} was freed, and jemalloc is told never to give it back (dirty_decay_ms:{dirty_ms:.0}).",
            of_rss(view, bytes)
        );
        (summary, Place::Mass)
    } else if decay.background_threads == Some(false) && stays(view, dirty_ms) {
        let summary = format!(
            "{} was freed, and {} later it is still there: without background threads jemalloc gives back only while the program allocates.",
            of_rss(view, bytes),
            words::seconds(view.window.seconds()),
        );
        (summary, Place::Consequence)
    } else {
        return None;
    };
    let finding = Finding::new(Code::DecayNotRunning, Severity::Warning, bytes, summary).at(place);
    let finding = retention::with_decay(finding, decay)
        .bytes("ledger.dirty", known(&view.parts().dirty), Some(LEAST_WASTE), &view.parts().dirty.source)
        .act(format!("Start the service with `{DECAY_PAIRS}`, which `npx heapgap run -- node server.js` sets, and take another `dirty_decay_ms` out."))
        .act("Until the next start: `await purge()`, or `POST /debug/memory/purge`.");
    Some(finding)
}

/// Watched for longer than the decay takes, at rest, and as much dirty at the end as at the beginning.
fn stays(view: &View, dirty_ms: f64) -> bool {
    let dirty = view.window.series(|sample| sample.get(Column::Dirty));
    let quarter = dirty.len() / 4;
    if quarter == 0 || view.window.seconds() * 1e3 <= dirty_ms || retention::is_busy(view) {
        return false;
    }
    let level = |points: &[trend::Point]| {
        trend::median(&mut points.iter().map(|point| point.value).collect::<Vec<_>>())
    };
    let (first, last) = (level(&dirty[..quarter]), level(&dirty[dirty.len() - quarter..]));
    first >= 1.0 * words::MB && last >= first * STILL_THERE
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::diagnosis::finding::Code;
    use crate::diagnosis::testing::{Process, codes, found_from, window};
    use crate::diagnosis::window::Column;
    use crate::diagnosis::words::MB;

    #[test]
    fn never_is_from_32_mb_and_a_fifth_of_rss() {
        let never = json!({ "dirtyMs": -1.0, "muzzyMs": 0.0, "backgroundThreads": true });
        let process = Process::on("jemalloc").inspects("decay", never);
        found_from(&process, "dirty", Code::DecayNotRunning, 32.0, 0.2);
        let action = process.part("dirty", 100.0).diagnose().summary;
        assert!(action.contains("MALLOC_CONF=background_thread:true,dirty_decay_ms:1000"), "{action}");
    }

    #[test]
    fn without_background_threads_it_has_to_be_seen_to_stay() {
        let process = Process::on("jemalloc").part("dirty", 150.0);
        let finds = |seconds: f64, gc, level: fn(f64) -> f64| {
            let samples = window(40, seconds, gc, &[(Column::Dirty, &|at| level(at) * MB)]);
            codes(&process.with(&samples)).contains(&Code::DecayNotRunning)
        };
        assert!(finds(11.0, None, |_| 150.0));
        assert!(!finds(9.0, None, |_| 150.0), "the decay takes 10 s");
        assert!(!finds(11.0, None, |at| 150.0 * (1.0 - 0.5 * at)), "it falls");
        assert!(!finds(11.0, Some(2), |_| 150.0), "the service is busy");
        assert!(!process.finds(Code::DecayNotRunning), "nobody watched");
    }
}
