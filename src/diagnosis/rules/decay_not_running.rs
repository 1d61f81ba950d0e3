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
            retention::watched(view),
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
