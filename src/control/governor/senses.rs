//! What the governor goes by, read anew at every look.

use std::time::{Duration, Instant};

use super::policy::{Manners, View};
use crate::live::{Kind, allocator};
use crate::snapshot::Stats;
use crate::sources::cgroup::{self, Budget};
use crate::sources::{Absent, Figure, meminfo, process};

/// Where a limit comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitSource {
    Cgroup,
    Option,
    Machine,
}

/// How the live allocator wants to be treated.
pub fn manners() -> Manners {
    match allocator().kind {
        Kind::Jemalloc | Kind::Tcmalloc => Manners::Counting,
        Kind::Glibc => Manners::Stalling,
        _ => Manners::Blind,
    }
}

/// The processes of one group start one after the other, and so differ in the low bits of their numbers.
const TURNS: u32 = 8;
const TURN: Duration = Duration::from_millis(4);

/// For how long this process lets others of its group go first.
pub fn turn() -> Duration {
    TURN * (std::process::id() % TURNS)
}

/// One look.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    budget: Result<(Budget, LimitSource), Absent>,
    /// What a purge returns, where the allocator counts it.
    pub dirty: Figure,
    /// The share of time in which something waited for memory.
    stalled: f64,
    /// The CPUs that the process uses.
    cpus: f64,
    /// Whether most of what counts against the limit is other processes'.
    crowded: bool,
}

impl Reading {
    pub fn limit(&self) -> Figure {
        self.budget.map(|(budget, _)| budget.limit)
    }

    pub fn usage(&self) -> Figure {
        self.budget.map(|(budget, _)| budget.usage)
    }

    /// Which limit it is: its source, and which of the groups it stands on.
    pub fn key(&self) -> Option<(LimitSource, usize)> {
        self.budget.ok().map(|(budget, source)| (source, budget.level))
    }

    pub fn source(&self) -> Option<LimitSource> {
        self.budget.ok().map(|(_, source)| source)
    }

    /// What the policy sees of it.
    pub fn view(&self) -> View {
        View {
            budget: self.budget.ok().map(|(budget, _)| budget),
            dirty: self.dirty.ok(),
            stalled: self.stalled,
            cpus: self.cpus,
            crowded: self.crowded,
            machine: self.source() == Some(LimitSource::Machine),
        }
    }
}

/// Reads, and remembers what rates are made of.
pub struct Senses {
    own_limit: Option<u64>,
    cpu: Rate,
    stall: Rate,
    oom: OomKills,
    dirty: Dirty,
}

impl Senses {
    /// `own_limit` is what the process may hold, in bytes of RSS.
    pub fn new(own_limit: Option<u64>) -> Self {
        Self {
            own_limit,
            cpu: Rate::default(),
            stall: Rate::default(),
            oom: OomKills::default(),
            dirty: Dirty::default(),
        }
    }

    pub fn read(&mut self) -> Reading {
        let rss = self.rss();
        let budget = self.budget(rss);
        let of_the_group = matches!(budget, Ok((_, LimitSource::Cgroup | LimitSource::Machine)));
        let used = budget.map_or(0, |(budget, _)| budget.usage);
        self.oom.look();
        Reading {
            budget,
            dirty: self.dirty.read(),
            stalled: self.stall.share(stalled_time),
            cpus: self.cpu.share(process_time),
            crowded: of_the_group && rss.is_ok_and(|rss| rss < used / 2),
        }
    }

    /// The fuller of the limits; the machine's where there is no other.
    fn budget(&self, rss: Figure) -> Result<(Budget, LimitSource), Absent> {
        let group = cgroup::Source::own().budget().map(|budget| (budget, LimitSource::Cgroup));
        let own =
            self.own_limit.map(|limit| Ok((Budget { level: 0, limit, usage: rss? }, LimitSource::Option)));
        match (group, own) {
            (Ok(group), Some(Ok(own))) => Ok(if own.0.share() > group.0.share() { own } else { group }),
            (Ok(group), _) => Ok(group),
            (Err(_), Some(own)) => own,
            (Err(_), None) => machine().map(|budget| (budget, LimitSource::Machine)),
        }
    }

    pub fn rss(&self) -> Figure {
        process::Source::own().rss()
    }

    /// What tells at little cost that a look would see what it saw before: RSS, and what is charged to the group
    /// that governs, which others may fill.
    pub fn glance(&self, seen: &Reading) -> Option<[u64; 2]> {
        let charged = match seen.budget {
            Ok((budget, LimitSource::Cgroup)) => cgroup::Source::own().charged(budget.level).ok()?,
            Ok((_, LimitSource::Option)) => 0,
            Ok((_, LimitSource::Machine)) | Err(_) => return None,
        };
        Some([self.rss().ok()?, charged])
    }

    /// After a purge: what was counted before it is no more.
    pub fn read_anew(&mut self) -> Reading {
        self.dirty.last = None;
        self.read()
    }

    /// Those in the group since the governor was started.
    pub fn oom_kills(&self) -> Figure {
        self.oom.seen
    }
}

fn machine() -> Result<Budget, Absent> {
    let memory = meminfo::read()?;
    let limit = memory.total?;
    Ok(Budget { level: 0, limit, usage: limit.saturating_sub(memory.available?) })
}

/// The pages that the allocator counts as freed.
#[derive(Default)]
struct Dirty {
    last: Option<(Instant, Figure)>,
    cost: Duration,
}

/// With hundreds of arenas jemalloc takes milliseconds to count, and holds its own lock for that long, which other
/// readers wait for: then, a twentieth of the time at the most.
const SLOW: Duration = Duration::from_millis(1);
const REST: u32 = 20;

impl Dirty {
    fn read(&mut self) -> Figure {
        if let Some((at, figure)) = self.last
            && self.cost >= SLOW
            && at.elapsed() < self.cost * REST
        {
            return figure;
        }
        let started = Instant::now();
        let figure = match manners() {
            Manners::Counting => Stats::refresh().freed(),
            _ => Err(Absent::NotCounted(allocator().kind.name())),
        };
        self.cost = started.elapsed();
        self.last = Some((Instant::now(), figure));
        figure
    }
}

/// How fast a time grows against the clock.
#[derive(Default)]
struct Rate {
    last: Option<(Instant, Duration)>,
    share: f64,
}

/// Shorter than this, the clock ticks of what is measured show.
const RATE_OVER: Duration = Duration::from_millis(250);

impl Rate {
    fn share(&mut self, read: impl FnOnce() -> Option<Duration>) -> f64 {
        let now = Instant::now();
        let due = self.last.is_none_or(|(at, _)| now.duration_since(at) >= RATE_OVER);
        if due && let Some(total) = read() {
            self.share = self.last.map_or(0.0, |(at, before)| {
                total.saturating_sub(before).as_secs_f64() / now.duration_since(at).as_secs_f64()
            });
            self.last = Some((now, total));
        }
        self.share
    }
}

/// Of all threads of this process.
fn process_time() -> Option<Duration> {
    Some(process::processor_time(libc::CLOCK_PROCESS_CPUTIME_ID))
}

/// For how long something in the group has waited for memory. Version 1 groups have no such count.
fn stalled_time() -> Option<Duration> {
    cgroup::Source::own().stalled().ok().map(Duration::from_micros)
}

/// What the OOM killer has ended since the first look.
struct OomKills {
    first: Option<u64>,
    seen: Figure,
    at: Option<Instant>,
}

impl Default for OomKills {
    fn default() -> Self {
        Self { first: None, seen: Err(Absent::Because("not looked for yet")), at: None }
    }
}

/// They are counted for people.
const OOM_EVERY: Duration = Duration::from_secs(1);

impl OomKills {
    fn look(&mut self) {
        if self.at.is_some_and(|at| at.elapsed() < OOM_EVERY) {
            return;
        }
        self.at = Some(Instant::now());
        self.seen = cgroup::Source::own().oom_kills().map(|count| {
            let first = *self.first.get_or_insert(count);
            count.saturating_sub(first)
        });
    }
}
