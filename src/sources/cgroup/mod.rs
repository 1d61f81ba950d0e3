//! The memory cgroup that the process is charged to, versions 1 and 2; [`cpu`] has what limits its CPUs.
//!
//! A process is bound by the lowest limit among its own group and the groups around it. Usage,
//! peak and pressure are read from the group that this limit stands on, because they are what the
//! limit is compared with. See the kernel's `admin-guide/cgroup-v2.rst` and
//! `admin-guide/cgroup-v1/memory.rst`.

pub mod cpu;
mod locate;
mod parse;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

pub use locate::Version;
use locate::{Controller, Level, Location};
pub use parse::Pressure;
use parse::Stat;

use super::file::KernelFile;
use super::refreshed::{Refreshed, Sample};
use super::{Absent, Figure};

/// One reading of the group. Bytes, except `oom_kills` and the pressures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cgroup {
    /// Which of [`Source::path`]'s groups the limit stands on.
    pub level: usize,
    /// The lowest hard limit in force.
    pub limit: Figure,
    /// Where the kernel starts to throttle and reclaim: the lowest in force (v2 only).
    pub high: Figure,
    /// All memory charged to the group, page cache included.
    pub usage: Figure,
    /// The part of `usage` that the kernel drops before it kills: page cache, reclaimable slab.
    pub reclaimable: Figure,
    /// The highest `usage` so far.
    pub peak: Figure,
    /// Processes that the OOM killer ended in the process's own group, in v2 also in those inside it.
    pub oom_kills: Figure,
    /// Share of time in which tasks waited for memory.
    pub pressure: Result<Pressure, Absent>,
}

impl Cgroup {
    fn absent(reason: Absent) -> Self {
        Self {
            level: 0,
            limit: Err(reason),
            high: Err(reason),
            usage: Err(reason),
            reclaimable: Err(reason),
            peak: Err(reason),
            oom_kills: Err(reason),
            pressure: Err(reason),
        }
    }

    /// What the limit has to hold: `usage` without the reclaimable part.
    pub fn unreclaimable(&self) -> Figure {
        Ok(self.usage?.saturating_sub(self.reclaimable?))
    }
}

/// What a group may hold, and what of that it holds, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Which of [`Source::path`]'s groups; 0 where it is no group's.
    pub level: usize,
    /// `memory.max`, or `memory.high` where that is lower.
    pub limit: u64,
    /// What the kernel would not drop before it kills; see [`Cgroup::unreclaimable`].
    pub usage: u64,
}

impl Budget {
    /// How full it is: 1 at the limit.
    pub fn share(&self) -> f64 {
        self.usage as f64 / self.limit.max(1) as f64
    }
}

/// The files of one group.
struct Group {
    path: String,
    limit: KernelFile,
    high: KernelFile,
    usage: KernelFile,
    stat: KernelFile,
    peak: KernelFile,
    events: KernelFile,
    pressure: KernelFile,
}

impl Group {
    fn new(version: Version, level: Level) -> Self {
        let file = |v1, v2| {
            let name = if version == Version::V1 { v1 } else { v2 };
            KernelFile::new(&level.directory, name)
        };
        Self {
            limit: file("memory.limit_in_bytes", "memory.max"),
            high: file("", "memory.high"),
            usage: file("memory.usage_in_bytes", "memory.current"),
            stat: file("memory.stat", "memory.stat"),
            peak: file("memory.max_usage_in_bytes", "memory.peak"),
            events: file("memory.oom_control", "memory.events"),
            pressure: file("", "memory.pressure"),
            path: level.path,
        }
    }

    fn number(file: &KernelFile) -> Figure {
        file.read(|text| parse::number(text, file.name()))
    }
}

/// The process's group and those around it.
pub struct Source {
    root: PathBuf,
    pid: u32,
    membership: KernelFile,
    found: Mutex<Found>,
    last: Refreshed<Cgroup>,
}

/// Where the groups were found, and what `/proc/self/cgroup` said then.
struct Found {
    checked: Option<Instant>,
    membership: String,
    groups: Result<Arc<Groups>, Absent>,
}

/// How long a process that is moved to another group goes unnoticed.
const CHECK_EVERY: Duration = Duration::from_secs(1);

struct Groups {
    version: Version,
    /// The process's own group first, then outwards.
    levels: Vec<Group>,
    /// Version 1 groups have no pressure file; the machine's is the next best.
    system_pressure: KernelFile,
}

impl Source {
    /// `root` stands for `/`, and `pid` for this process.
    pub fn new(root: &Path, pid: u32) -> Self {
        Self::with(root, pid, KernelFile::new(root, "proc/self/cgroup"))
    }

    /// Those of another process.
    pub fn other(root: &Path, pid: u32) -> Self {
        Self::with(root, pid, KernelFile::at(root.join(format!("proc/{pid}/cgroup")), "proc/<pid>/cgroup"))
    }

    fn with(root: &Path, pid: u32, membership: KernelFile) -> Self {
        let found = Found { checked: None, membership: String::new(), groups: Err(NO_GROUP) };
        Self { root: root.to_path_buf(), pid, membership, found: Mutex::new(found), last: Refreshed::new() }
    }

    /// This process's.
    pub fn own() -> &'static Self {
        static OWN: OnceLock<Source> = OnceLock::new();
        OWN.get_or_init(|| Self::new(Path::new("/"), std::process::id()))
    }

    /// The version of the hierarchy that limits memory.
    pub fn version(&self) -> Option<Version> {
        self.groups().ok().map(|groups| groups.version)
    }

    /// The path of a group below its mount, as `/proc/self/cgroup` would write it.
    pub fn path(&self, level: usize) -> Option<String> {
        self.groups().ok()?.levels.get(level).map(|group| group.path.clone())
    }

    /// For the JavaScript thread; see [`Refreshed::sync`]. The kernel sums `memory.stat` up when it
    /// is read, which takes long on a machine with thousands of groups.
    pub fn read(&self, max_age: Duration) -> Sample<Cgroup> {
        self.last.sync(max_age, |_| Duration::ZERO, || self.now())
    }

    /// For other threads; rests where it has proved to be slow.
    pub fn refresh_if_due(&self) {
        self.last.refresh_if_due(|| self.now());
    }

    /// How full the process's group, or one around it, is: the fullest of them. For other threads.
    pub fn budget(&self) -> Result<Budget, Absent> {
        self.groups()?.budget()
    }

    /// All that is charged to one of the groups: one small file, which tells whether anything has moved.
    pub fn charged(&self, level: usize) -> Figure {
        Group::number(&self.groups()?.levels.get(level).ok_or(NO_GROUP)?.usage)
    }

    /// As [`Cgroup::oom_kills`], read anew.
    pub fn oom_kills(&self) -> Figure {
        self.groups()?.oom_kills()
    }

    /// For how long at least one task of the group has waited for memory, in microseconds. Only version 2
    /// groups know.
    pub fn stalled(&self) -> Figure {
        let groups = self.groups()?;
        let own = groups.levels.first().ok_or(NO_GROUP)?;
        match groups.version {
            Version::V1 => Err(Absent::Because("cgroup v1 has no memory.pressure")),
            Version::V2 => own.pressure.read(parse::pressure).map(|pressure| pressure.some.total_us),
        }
    }

    fn now(&self) -> Cgroup {
        self.groups().map_or_else(Cgroup::absent, |groups| groups.read())
    }

    /// The groups, found anew where the process was moved or they could not be found before.
    fn groups(&self) -> Result<Arc<Groups>, Absent> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.checked.is_some_and(|checked| checked.elapsed() < CHECK_EVERY) {
            return found.groups.clone();
        }
        found.checked = Some(Instant::now());
        match self.membership.read(|text| Ok(text.to_owned())) {
            Ok(membership) if found.groups.is_err() || membership != found.membership => {
                found.groups = self.find(&membership);
                found.membership = membership;
            }
            // What was found before still stands when the file cannot be read for once.
            Err(reason) if found.groups.is_err() => found.groups = Err(reason),
            _ => {}
        }
        found.groups.clone()
    }

    fn find(&self, membership: &str) -> Result<Arc<Groups>, Absent> {
        let Location { version, levels } =
            locate::locate(&self.root, membership, self.pid, Controller::Memory)?;
        Ok(Arc::new(Groups {
            version,
            levels: levels.into_iter().map(|level| Group::new(version, level)).collect(),
            system_pressure: KernelFile::new(&self.root, "proc/pressure/memory"),
        }))
    }
}

impl Groups {
    fn read(&self) -> Cgroup {
        let Some(own) = self.levels.first() else { return Cgroup::absent(NO_GROUP) };
        let own_stat = self.stat(own);
        let (level, limit) = match self.version {
            Version::V1 => self.hierarchical_limit(own, own_stat.hierarchical_limit),
            Version::V2 => self.lowest(|group| &group.limit),
        };
        let group = self.levels.get(level).unwrap_or(own);
        let stat = if level == 0 { own_stat } else { self.stat(group) };
        let v2 = self.version == Version::V2;
        Cgroup {
            level,
            limit,
            high: if v2 { self.lowest(|group| &group.high).1 } else { Err(NO_HIGH) },
            usage: Group::number(&group.usage),
            reclaimable: stat.reclaimable,
            peak: Group::number(&group.peak),
            oom_kills: self.oom_kills(),
            pressure: if v2 { &group.pressure } else { &self.system_pressure }.read(parse::pressure),
        }
    }

    fn oom_kills(&self) -> Figure {
        let events = &self.levels.first().ok_or(NO_GROUP)?.events;
        events.read(|text| parse::line(text, "oom_kill", events.name()))
    }

    fn budget(&self) -> Result<Budget, Absent> {
        let fuller = |one: Result<Budget, Absent>, other: Result<Budget, Absent>| match (one, other) {
            (Ok(a), Ok(b)) => Ok(if b.share() > a.share() { b } else { a }),
            // A group that cannot be read is worse than one without a limit, and says why there is none.
            (Err(Absent::Unlimited(_)), other) => other,
            (one, Err(_)) | (Err(_), one) => one,
        };
        let budgets = self.levels.iter().enumerate().map(|(level, group)| match self.version {
            Version::V1 if level == 0 => self.filled_as_whole(group),
            Version::V1 => self.filled(level, group, Group::number(&group.limit)),
            Version::V2 => self.filled(level, group, bound(group)),
        });
        budgets.reduce(fuller).unwrap_or(Err(NO_GROUP))
    }

    fn filled(&self, level: usize, group: &Group, bound: Figure) -> Result<Budget, Absent> {
        let limit = bound?;
        let usage = Group::number(&group.usage)?.saturating_sub(self.stat(group).reclaimable?);
        Ok(Budget { level, limit, usage })
    }

    /// Against version 1's limit over the group and all around it: some of those a container cannot see.
    fn filled_as_whole(&self, own: &Group) -> Result<Budget, Absent> {
        let stat = self.stat(own);
        let limit = match stat.hierarchical_limit {
            Err(Absent::NoLine(..)) => Group::number(&own.limit),
            limit => limit,
        }?;
        let usage = Group::number(&own.usage)?.saturating_sub(stat.reclaimable?);
        Ok(Budget { level: 0, limit, usage })
    }

    fn stat(&self, group: &Group) -> Stat {
        group.stat.read(|text| Ok(parse::stat(text, self.version))).unwrap_or_else(Stat::absent)
    }

    /// Version 1 says itself what limits the group, groups that a container cannot see included.
    fn hierarchical_limit(&self, own: &Group, limit: Figure) -> (usize, Figure) {
        let Ok(bytes) = limit else {
            let unlimited = matches!(limit, Err(Absent::Unlimited(_)));
            return (0, if unlimited { limit } else { Group::number(&own.limit) });
        };
        let stands_on = |group: &Group| Group::number(&group.limit) == Ok(bytes);
        (self.levels.iter().position(stands_on).unwrap_or(0), limit)
    }

    /// The lowest bound of one kind on the groups that can be seen, and the innermost that has it.
    fn lowest(&self, bound: fn(&Group) -> &KernelFile) -> (usize, Figure) {
        let bounds = self.levels.iter().map(|group| Group::number(bound(group))).enumerate();
        tightest(bounds).unwrap_or((0, Err(NO_GROUP)))
    }
}

/// What the kernel kills at, or begins to throttle at.
fn bound(group: &Group) -> Figure {
    match (Group::number(&group.limit), Group::number(&group.high)) {
        (Ok(limit), Ok(high)) => Ok(limit.min(high)),
        (limit, high) => limit.or(high).or(limit),
    }
}

/// The lowest of the bounds on a group and those around it, and the innermost group that has it.
fn tightest<T: Copy + PartialOrd>(
    bounds: impl Iterator<Item = (usize, Result<T, Absent>)>,
) -> Option<(usize, Result<T, Absent>)> {
    bounds.reduce(|lowest, other| match (lowest.1, other.1) {
        (Ok(so_far), Ok(bound)) if bound < so_far => other,
        (Err(Absent::Unlimited(_)), Ok(_)) => other,
        _ => lowest,
    })
}

const NO_GROUP: Absent = Absent::Because("the process is in no memory cgroup");
const NO_HIGH: Absent = Absent::Because("cgroup v1 has no memory.high");

#[cfg(test)]
mod tests;
