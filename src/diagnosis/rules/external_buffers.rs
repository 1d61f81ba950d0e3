//! `external-buffers`: Buffers are what RSS consists of, or what grows.

use super::{SNAPSHOT, grew, of_rss, try_first, until_limit, urgency, watch_first, with_trend};
use crate::diagnosis::finding::{Code, Finding, Place, Severity};
use crate::diagnosis::growth;
use crate::diagnosis::view::{LEAST_MASS, LEAST_MASS_SHARE, MOST_SHARE, View, known};

pub fn judge(view: &View) -> Option<Finding> {
    growing(view).or_else(|| mass(view))
}

fn growing(view: &View) -> Option<Finding> {
    let growth = growth::of_bytes(view, growth::buffers, false)?;
    let left = growth.seconds_left(view.room());
    let summary = format!(
        "Buffers leak, or a cache fills: what garbage collections leave of them grows by {}{}.",
        grew(view, &growth),
        until_limit(left, "the container's limit")
    );
    let finding = Finding::new(Code::ExternalBuffers, urgency(&growth, left), view.buffers_in_use(), summary)
        .at(Place::Growth);
    Some(advise(with_trend(finding, "buffers", &growth)))
}

fn mass(view: &View) -> Option<Finding> {
    let bytes = view.large(view.buffers_in_use()?, LEAST_MASS, LEAST_MASS_SHARE)?;
    let is_most = view.share(bytes)? >= MOST_SHARE;
    if !is_most && growth::is_steady(view, growth::buffers) && view.is_far_from_limits() {
        return None;
    }
    let summary = format!("Buffers and ArrayBuffers are {}, outside of V8's heap.", of_rss(view, bytes));
    let parts = view.parts();
    let finding = Finding::new(Code::ExternalBuffers, Severity::Info, bytes, summary)
        .bytes("Buffers in use", Some(bytes), Some(LEAST_MASS), "the ledger, and garbage collections")
        .bytes("ledger.buffers", known(&parts.buffers), None, &parts.buffers.source)
        .bytes("ledger.external", known(&parts.external), None, &parts.external.source);
    let finding = advise(finding);
    Some(watch_first(view, try_first(view, growth::buffers, bytes, finding)))
}

fn advise(finding: Finding) -> Finding {
    finding
        .act(format!("Find who keeps them: take a heap snapshot ({SNAPSHOT}) and look at the retainers of the largest `system / JSArrayBufferData`."))
        .act("Look for Buffers in a Map or an array without a bound, streams that are written faster than they are read, response bodies that nobody consumes, images that are kept decoded, and small `subarray()`s, each of which keeps its whole Buffer.")
        .act("No purge returns them, and neither `--max-old-space-size` nor another allocator bounds them: bound the cache, or the requests at one time.")
}

#[cfg(test)]
mod tests {
    use crate::diagnosis::finding::Code;
    use crate::diagnosis::testing::{Process, codes, found_from, window};
    use crate::diagnosis::window::Column;
    use crate::diagnosis::words::MB;

    #[test]
    fn from_64_mb_and_three_tenths_of_rss() {
        let process = Process::on("glibc").part("external", 0.0);
        found_from(&process, "buffers", Code::ExternalBuffers, 64.0, 0.3);
        let process = process.part("buffers", 0.0);
        found_from(&process, "external", Code::ExternalBuffers, 64.0, 0.3);
    }

    #[test]
    fn what_does_not_grow_and_is_far_from_limits_is_a_cache() {
        let finds = |process: Process, seconds| {
            let samples = window(60, seconds, None, &[(Column::ArrayBuffers, &|_| 100.0 * MB)]);
            codes(&process.with(&samples)).contains(&Code::ExternalBuffers)
        };
        let cache = || Process::on("glibc").part("buffers", 100.0).rss_of(250.0);
        assert!(!finds(cache(), 5.0));
        assert!(finds(cache(), 4.9), "not watched for long enough");
        assert!(finds(cache().limited(300.0, 240.0, 10.0), 60.0), "near the limit");
        assert!(!finds(cache().limited(512.0, 240.0, 10.0), 60.0));
        assert!(finds(cache().rss_of(200.0), 60.0), "half of RSS");
    }

    #[test]
    fn what_no_collection_was_seen_to_leave_may_be_garbage() {
        let advice = |samples: &[f64]| {
            Process::on("glibc").part("buffers", 300.0).with(samples).findings[0].actions.clone()
        };
        let tries =
            |samples: &[f64]| advice(samples).iter().any(|action| action.contains("experiment: true"));
        let level = |gc| window(20, 20.0, gc, &[(Column::ArrayBuffers, &|_| 300.0 * MB)]);
        assert!(tries(&[]) && tries(&level(None)));
        assert!(!tries(&level(Some(5))));
    }
}
