//! `mapped-files`: files that the process has mapped into its memory.

use super::of_rss;
use crate::diagnosis::finding::{Code, Finding, Severity};
use crate::diagnosis::view::{View, known};
use crate::diagnosis::words::{self, MB};

const LEAST: f64 = 64.0 * MB;
const LEAST_SHARE: f64 = 0.25;

pub fn judge(view: &View) -> Option<Finding> {
    let part = &view.parts().mapped_files;
    let bytes = view.large(known(part)?, LEAST, LEAST_SHARE)?;
    let largest = view.case.inspection.mappings.iter().flat_map(|mappings| &mappings.largest);
    let largest = largest
        .filter(|mapping| mapping.kind == "file")
        .max_by(|a, b| a.rss.unwrap_or(0.0).total_cmp(&b.rss.unwrap_or(0.0)));
    let name = largest.filter(|mapping| !mapping.name.is_empty()).map_or(String::new(), |mapping| {
        format!(", {} of it {}", mapping.rss.map_or("some".to_owned(), words::bytes), mapping.name)
    });
    let summary = format!(
        "Files mapped into memory are {}{name}: the kernel drops their clean pages before it kills.",
        of_rss(view, bytes)
    );
    let finding = Finding::new(Code::MappedFiles, Severity::Info, bytes, summary)
        .bytes("ledger.mappedFiles", Some(bytes), Some(LEAST), &part.source)
        .act("Leave it where there is no memory pressure: it is a cache of the kernel's, in RSS because it is mapped.")
        .act("If alerts look at RSS, let them look at the group's unreclaimable memory instead (`snapshot().cgroup.unreclaimable`).")
        .act("If the mapping is not wanted: databases (LMDB, SQLite's `PRAGMA mmap_size`), search indexes and models have a setting for how much they map.");
    Some(finding)
}

#[cfg(test)]
mod tests {
    use crate::diagnosis::finding::Code;
    use crate::diagnosis::testing::{Process, found_from};

    #[test]
    fn from_64_mb_and_a_quarter_of_rss() {
        found_from(&Process::on("mimalloc"), "mappedFiles", Code::MappedFiles, 64.0, 0.25);
    }
}
