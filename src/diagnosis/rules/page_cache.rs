//! `page-cache`: files that were read or written are charged to the group, not to the process.

use crate::diagnosis::finding::{Code, Finding, Place, Severity};
use crate::diagnosis::view::{View, known};
use crate::diagnosis::words::{self, MB};

/// Below, nobody's alert goes off.
const USED: f64 = 0.5;
const MOSTLY: f64 = 0.5;
const LEAST: f64 = 64.0 * MB;
/// Another process of the group may have filled it: this one has to have moved half as much.
const MOVED: f64 = 0.5;

pub fn judge(view: &View) -> Option<Finding> {
    let cgroup = &view.case.inspection.cgroup;
    let (limit, usage) = (view.limit()?, cgroup.usage?);
    // Files that are mapped are in RSS, and another finding's.
    let mapped = known(&view.parts().mapped_files).unwrap_or(0.0);
    let bytes = (cgroup.reclaimable? - mapped).max(0.0);
    let io = view.case.inspection.io.as_ref()?;
    let moved = io.read.unwrap_or(0.0) + io.written.unwrap_or(0.0);
    let matters = usage >= limit * USED && bytes >= usage * MOSTLY && bytes >= LEAST;
    if !matters || moved < bytes * MOVED {
        return None;
    }
    let summary = format!(
        "{} of the {} that the container is charged for is page cache, not the process ({} RSS): the kernel drops it before it kills.",
        words::bytes(bytes),
        words::bytes(usage),
        view.rss().map_or("unknown".to_owned(), words::bytes),
    );
    Some(Finding::new(Code::PageCache, Severity::Info, bytes, summary)
        .at(Place::Elsewhere)
        .bytes("cgroup.reclaimable", cgroup.reclaimable, Some(LEAST), "the group's memory.stat")
        .bytes("cgroup.usage", Some(usage), Some(limit * USED), "the group's memory.current or memory.usage_in_bytes")
        .bytes("read and written", Some(moved), Some(bytes * MOVED), "/proc/self/io")
        .act("Do nothing for memory's sake: alert on `snapshot().cgroup.unreclaimable` instead of the group's usage.")
        .act("Look for files that are written and never read again (logs, uploads, temporary files), and rotate them."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::diagnosis::finding::Code;
    use crate::diagnosis::testing::Process;
    use crate::diagnosis::words::MB;

    fn finds(limit: f64, usage: f64, reclaimable: f64, moved: f64) -> bool {
        let io = json!({ "read": moved / 2.0 * MB, "written": moved / 2.0 * MB });
        let process = Process::on("glibc").part("mappedFiles", 0.0).inspects("io", io);
        process.limited(limit, usage, reclaimable).finds(Code::PageCache)
    }

    #[test]
    fn half_of_the_usage_and_half_of_the_limit_and_read_by_this_process() {
        assert!(finds(400.0, 200.0, 100.0, 50.0));
        assert!(!finds(401.0, 200.0, 100.0, 50.0), "less than half of the limit");
        assert!(!finds(400.0, 200.0, 99.0, 50.0), "less than half of the usage");
        assert!(!finds(400.0, 200.0, 100.0, 49.0), "not read by this process");
        assert!(finds(120.0, 120.0, 64.0, 64.0));
        assert!(!finds(120.0, 120.0, 63.0, 64.0), "less than 64 MB");
    }
}
