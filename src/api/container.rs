//! What the container has.

use std::path::Path;
use std::time::Duration;

use napi_derive::napi;

use super::types::Note;
use crate::sources::cgroup::cpu::Membership;
use crate::sources::cgroup::{Cgroup, Source};
use crate::sources::{Absent, Figure, cpus, thp};

/// CPUs and memory, as far as they are known.
#[napi(object, use_nullable = true)]
pub struct Container {
    /// CPU time, in CPUs.
    pub cpu_quota: Option<f64>,
    /// How many online CPUs the cpuset has.
    pub cpuset: Option<f64>,
    /// How many online CPUs the process may run on.
    pub affinity: Option<f64>,
    /// How many CPUs are online.
    pub host_cpus: Option<f64>,
    /// The lowest hard limit in force, in bytes.
    pub memory_limit: Option<f64>,
    /// `always`, `madvise` or `never`.
    pub thp: Option<String>,
    /// Why some of these are missing.
    pub notes: Vec<Note>,
}

/// Reads what the container of this process has, or of the process `pid`; `root` stands for `/`.
#[napi(catch_unwind)]
pub fn container(root: Option<String>, pid: Option<u32>) -> Container {
    let root = Path::new(root.as_deref().unwrap_or("/"));
    let membership = Membership::read(root, pid);
    let groups = membership.as_ref().map_err(|reason| *reason);
    let online = cpus::online(root);
    let usable = |list: Result<cpus::CpuList, Absent>| {
        // Without the list of those that are online, what is listed stands.
        list.map(|list| online.as_ref().map_or(list.len(), |online| list.intersection(online).len()))
    };
    let mut notes = Notes::default();
    Container {
        cpu_quota: notes.explain("cpuQuota", groups.and_then(|groups| groups.quota(root))),
        cpuset: notes.number("cpuset", usable(groups.and_then(|groups| groups.cpuset(root)))),
        affinity: notes.number("affinity", usable(cpus::allowed(root, pid))),
        host_cpus: notes
            .number("hostCpus", online.as_ref().map(cpus::CpuList::len).map_err(|reason| *reason)),
        memory_limit: notes.number("memoryLimit", memory(root, pid).limit),
        thp: notes.explain("thp", thp::mode(root)).map(|mode| mode.name().to_owned()),
        notes: notes.0,
    }
}

fn memory(root: &Path, pid: Option<u32>) -> Cgroup {
    let source = match pid {
        None => Source::new(root, std::process::id()),
        Some(pid) => Source::other(root, pid),
    };
    source.read(Duration::ZERO).value
}

/// Gathers why figures are missing.
#[derive(Default)]
struct Notes(Vec<Note>);

impl Notes {
    fn explain<T>(&mut self, field: &str, found: Result<T, Absent>) -> Option<T> {
        if let Err(reason) = &found {
            self.0.push(Note { field: field.to_owned(), reason: reason.to_string() });
        }
        found.ok()
    }

    fn number(&mut self, field: &str, figure: Figure) -> Option<f64> {
        self.explain(field, figure).map(|value| value as f64)
    }
}
