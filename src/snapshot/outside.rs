//! What the kernel shows of another process. For other threads than JavaScript's.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::inspection::{Note, noted};
use super::mappings::{self, KindSum};
use crate::sources::{cgroup, process};

/// All that can be had without the process's help, in bytes but for `threads` and `oom_kills`.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "as the fields of `Process`, `Cgroup` and `Mapped`")]
pub struct Outside {
    pub rss: Option<u64>,
    pub anon: Option<u64>,
    pub file: Option<u64>,
    pub shmem: Option<u64>,
    pub swap: Option<u64>,
    pub threads: Option<u64>,
    pub limit: Option<u64>,
    pub usage: Option<u64>,
    pub unreclaimable: Option<u64>,
    pub oom_kills: Option<u64>,
    /// The address space by kind; `None` where it was not asked for, too.
    pub kinds: Option<Vec<KindSum>>,
    pub notes: Vec<Note>,
}

/// Reads the process `pid`; its mappings only when told to, because the kernel keeps it from mapping memory
/// meanwhile. `root` stands for `/`.
pub fn read(root: &Path, pid: u32, with_mappings: bool) -> Outside {
    let process = process::Source::other(root, pid).read();
    let group = cgroup::Source::other(root, pid).read(Duration::ZERO).value;
    let mut notes = Vec::new();
    let mut found = |field, figure| noted(&mut notes, field, figure);
    let mut all = Outside {
        rss: found("rss", process.rss),
        anon: found("anon", process.anon),
        file: found("file", process.file),
        shmem: found("shmem", process.shmem),
        swap: found("swap", process.swap),
        threads: found("threads", process.threads),
        limit: found("limit", group.limit),
        usage: found("usage", group.usage),
        unreclaimable: found("unreclaimable", group.unreclaimable()),
        oom_kills: found("oomKills", group.oom_kills),
        ..Outside::default()
    };
    if with_mappings {
        let mapped = noted(&mut notes, "kinds", mappings::read_other(root, pid));
        all.kinds = mapped.map(|mapped| mapped.kinds);
    }
    all.notes = notes;
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::mappings::Kind;

    fn sum(kinds: Option<&Vec<KindSum>>) -> u64 {
        kinds.map_or(0, |kinds| kinds.iter().map(|kind| kind.rss).sum())
    }

    #[test]
    fn this_process_from_outside() {
        let all = read(Path::new("/"), std::process::id(), true);
        let parts = [all.anon, all.file, all.shmem].map(|part| part.unwrap_or(0));
        assert_eq!(all.rss, Some(parts.iter().sum()), "{all:?}");
        assert!(all.threads.is_some_and(|threads| threads > 1), "{all:?}");
        let kinds = all.kinds.as_ref();
        assert!(sum(kinds) > 0);
        let code = kinds.and_then(|kinds| kinds.iter().find(|kind| kind.kind == Kind::Code));
        assert!(code.is_some_and(|code| code.rss > 0), "{all:?}");
    }

    #[test]
    fn mappings_are_read_only_when_asked_for() {
        let all = read(Path::new("/"), std::process::id(), false);
        assert!(all.kinds.is_none() && all.notes.iter().all(|note| note.field != "kinds"), "{all:?}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let all = read(Path::new("/nonexistent"), 7, true);
        assert_eq!(all.rss, None);
        let reason =
            |field| all.notes.iter().find(|note| note.field == field).map(|note| note.reason.as_str());
        let missing = |file| format!("cannot read {file}: No such file or directory (os error 2)");
        assert_eq!(reason("rss"), Some(missing("proc/<pid>/status").as_str()));
        assert_eq!(reason("kinds"), Some(missing("proc/<pid>/smaps").as_str()));
    }
}
