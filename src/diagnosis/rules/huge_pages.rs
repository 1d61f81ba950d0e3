//! `huge-pages`: the kernel filled 2 MB where a few KB were needed.

use super::of_rss;
use crate::diagnosis::finding::{Code, Finding, Severity, Unit};
use crate::diagnosis::view::{LEAST_WASTE, LEAST_WASTE_SHARE, View, known};

pub fn judge(view: &View) -> Option<Finding> {
    let part = &view.parts().huge_page_slack;
    let bytes = view.large(known(part)?, LEAST_WASTE, LEAST_WASTE_SHARE)?;
    let huge = &view.case.inspection.huge_pages;
    let summary = format!(
        "{} is slack in transparent huge pages: the kernel made it resident, and nobody uses it.",
        of_rss(view, bytes)
    );
    let mut finding = Finding::new(Code::HugePages, Severity::Warning, bytes, summary)
        .bytes("ledger.hugePageSlack", Some(bytes), Some(LEAST_WASTE), &part.source)
        .bytes("hugePages.bytes", huge.bytes, None, "AnonHugePages in /proc/self/smaps_rollup");
    if let Some(mode) = &huge.mode {
        finding = finding.shows(
            "hugePages.mode",
            mode.as_str(),
            Unit::Text,
            None,
            "/sys/kernel/mm/transparent_hugepage/enabled",
        );
    }
    if let Some(share) = huge.zero_share {
        finding = finding.shows(
            "hugePages.zeroShare",
            share,
            Unit::Ratio,
            None,
            "a sample of the allocator's huge pages",
        );
    }
    let finding = if view.is("jemalloc") {
        finding.act("Start the service with `MALLOC_CONF=thp:never`, which `npx heapgap run -- node server.js` sets where the kernel's mode is `always`.")
    } else {
        finding.act("Run the service on jemalloc, which can do without huge pages (`thp:never`): `npx heapgap run -- node server.js` sets it where the kernel's mode is `always`.")
    };
    Some(
        finding
            .act("Or on the host, for all: `echo madvise > /sys/kernel/mm/transparent_hugepage/enabled`.")
            .act("A purge gives them back only until khugepaged makes new ones, within minutes."),
    )
}

#[cfg(test)]
mod tests {
    use crate::diagnosis::finding::Code;
    use crate::diagnosis::testing::{Process, found_from};

    #[test]
    fn from_32_mb_and_a_fifth_of_rss() {
        found_from(&Process::on("glibc"), "hugePageSlack", Code::HugePages, 32.0, 0.2);
    }
}
