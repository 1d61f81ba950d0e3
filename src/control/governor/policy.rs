//! When to purge, tighten, collect, and look again. Pure: what was seen in, what to do out; times are counted
//! from the governor's start.

use std::time::Duration;

use crate::sources::cgroup::Budget;

/// How full the process is, and what is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Below the pressure mark.
    Calm,
    /// Above it, and not below the calm mark since.
    Pressure,
    /// Near the limit although purged: what is left is live.
    Limit,
}

/// See `GovernOptions` in `index.d.ts`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Marks {
    /// Shares of the limit.
    pub pressure: f64,
    pub calm: f64,
    pub limit: f64,
    /// The share of the limit that freed pages may take.
    pub dirty: f64,
    /// Without pressure, freed pages go after this time.
    pub purge_every: Option<Duration>,
    /// The bounds of the time between two looks.
    pub least_rest: Duration,
    pub most_rest: Duration,
    /// Whether V8 is asked for collections.
    pub collect: bool,
}

/// How an allocator wants to be treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manners {
    /// It counts what a purge returns, and a purge harms nobody: jemalloc, tcmalloc.
    Counting,
    /// It does not, and a purge harms nobody: mimalloc.
    Blind,
    /// It does not, and a purge stalls threads that allocate, by up to 90 ms a GiB: glibc.
    Stalling,
}

/// What was seen.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// `None` where no limit can be read.
    pub budget: Option<Budget>,
    /// Freed pages; `None` where the allocator does not count them.
    pub dirty: Option<u64>,
    /// The share of time in which something waited for memory.
    pub stalled: f64,
    /// The CPUs that the process uses.
    pub cpus: f64,
    /// Most of what counts against the limit is other processes'.
    pub crowded: bool,
}

impl View {
    fn share(&self) -> f64 {
        self.budget.map_or(0.0, |budget| budget.share())
    }

    fn part(&self, share: f64) -> u64 {
        self.budget.map_or(0, |budget| (budget.limit as f64 * share) as u64)
    }

    /// Less than this is not worth a purge.
    fn worth(&self) -> u64 {
        self.part(WORTH).max(1 << 20)
    }

    fn has_worthwhile_dirt(&self) -> bool {
        self.dirty.is_some_and(|dirty| dirty >= self.worth())
    }
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Whether decay is to be tight.
    pub tighten: bool,
    /// Whether to purge, and why.
    pub purge: Option<Reason>,
    /// Whether to ask V8 for a collection.
    pub collect: bool,
    /// Why there is pressure.
    pub cause: Cause,
    /// When to look again.
    pub rest: Duration,
}

/// Why there is pressure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The limit is near.
    Usage,
    /// The kernel makes tasks wait for memory.
    Stall,
}

impl Cause {
    /// As in `index.d.ts`.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Usage => "usage",
            Cause::Stall => "stall",
        }
    }
}

/// Why to purge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Pressure,
    Dirty,
    Periodic,
}

impl Reason {
    /// As in `index.d.ts`.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Pressure => "pressure",
            Reason::Dirty => "dirty",
            Reason::Periodic => "periodic",
        }
    }
}

/// What came of a purge.
#[derive(Clone, Copy, Debug)]
pub struct Purged {
    pub took: Duration,
    pub given_back: u64,
}

/// The share of the limit that makes a purge worth it.
const WORTH: f64 = 0.01;

/// How fast a process may grow. It takes its pages from the kernel one by one, at some 0.5 µs each with two threads:
/// the time to the next look is the room that is left at this pace.
const GROWTH_PER_SECOND: f64 = (4u64 << 30) as f64;

/// How long usage must have stayed below the calm mark: bursts follow each other.
const CALM_FOR: Duration = Duration::from_secs(1);

/// From this share of waiting on there is pressure, and below the other none.
const STALLED: f64 = 0.1;
const NOT_STALLED: f64 = 0.02;

/// A process that uses no more than this is idle.
const IDLE_CPUS: f64 = 0.3;

/// The times between two trims of glibc under pressure, and near the limit; they double while little comes of it.
const TRIM_EVERY: Duration = Duration::from_secs(10);
const TRIM_NEAR_LIMIT_EVERY: Duration = Duration::from_millis(500);
const MOST_PATIENCE: Duration = Duration::from_secs(120);

/// Where purges harm nobody, so much of the time may go to those that yield little.
const PURGING_SHARE: u32 = 20;

/// The time between two collections; it doubles while little comes of them.
const COLLECT_EVERY: Duration = Duration::from_millis(200);
const COLLECT_MOST: Duration = Duration::from_secs(30);

/// The state of the governor's mind.
pub struct Policy {
    marks: Marks,
    manners: Manners,
    level: Level,
    /// Since when usage has been below the calm mark.
    calm_since: Option<Duration>,
    /// When the last purge ended, and when the next may begin.
    last_purge: Duration,
    not_before: Duration,
    /// Whether there was a purge since pressure began.
    purged: bool,
    /// How often in a row purges yielded little.
    fruitless: u32,
    collect_after: Duration,
    collect_pause: Duration,
}

impl Policy {
    pub fn new(marks: Marks, manners: Manners) -> Self {
        Self {
            marks,
            manners,
            level: Level::Calm,
            calm_since: None,
            last_purge: Duration::ZERO,
            not_before: Duration::ZERO,
            purged: false,
            fruitless: 0,
            collect_after: Duration::ZERO,
            collect_pause: COLLECT_EVERY,
        }
    }

    pub fn level(&self) -> Level {
        self.level
    }

    /// What to do about what was seen at `now`.
    pub fn decide(&mut self, view: &View, now: Duration) -> Plan {
        let share = view.share();
        let stalled = view.stalled >= STALLED;
        self.level = self.next_level(view, now);
        let purge = self.reason_to_purge(view, now);
        let collect = self.wants_collection(view, purge, now);
        Plan {
            tighten: self.level != Level::Calm,
            purge,
            collect,
            cause: if stalled && share < self.marks.pressure { Cause::Stall } else { Cause::Usage },
            rest: self.rest(view),
        }
    }

    fn next_level(&mut self, view: &View, now: Duration) -> Level {
        let share = view.share();
        if self.level == Level::Calm {
            if share < self.marks.pressure && view.stalled < STALLED {
                return Level::Calm;
            }
            self.begin_pressure();
        }
        if self.is_over(view, now) {
            return Level::Calm;
        }
        // Leaving takes more than arriving, or each request that is turned away would let the next in.
        let near = match self.level {
            Level::Limit => (self.marks.limit + self.marks.pressure) / 2.0,
            _ => self.marks.limit,
        };
        if share >= near && self.purged { Level::Limit } else { Level::Pressure }
    }

    fn begin_pressure(&mut self) {
        self.level = Level::Pressure;
        self.calm_since = None;
        self.purged = false;
        self.fruitless = 0;
        self.not_before = Duration::ZERO;
        self.collect_pause = COLLECT_EVERY;
    }

    fn is_over(&mut self, view: &View, now: Duration) -> bool {
        if view.share() >= self.marks.calm || view.stalled >= NOT_STALLED {
            self.calm_since = None;
            return false;
        }
        now.saturating_sub(*self.calm_since.get_or_insert(now)) >= CALM_FOR
    }

    fn reason_to_purge(&self, view: &View, now: Duration) -> Option<Reason> {
        if now < self.not_before {
            return None;
        }
        if self.manners == Manners::Counting && !view.has_worthwhile_dirt() {
            return None;
        }
        if self.level != Level::Calm && self.may_trim(view, now) {
            return Some(Reason::Pressure);
        }
        if view.budget.is_some() && view.dirty.is_some_and(|dirty| dirty >= view.part(self.marks.dirty)) {
            return Some(Reason::Dirty);
        }
        self.is_periodic_due(view, now).then_some(Reason::Periodic)
    }

    /// Where a trim stalls threads it is for idle moments, unless the limit is near.
    fn may_trim(&self, view: &View, now: Duration) -> bool {
        if self.manners == Manners::Counting {
            return true;
        }
        let near = view.share() >= self.marks.limit;
        let busy = self.manners == Manners::Stalling && view.cpus > IDLE_CPUS;
        let every = if near { TRIM_NEAR_LIMIT_EVERY } else { TRIM_EVERY };
        let patience = (every * 2u32.saturating_pow(self.fruitless.min(16))).min(MOST_PATIENCE);
        let rested = !self.purged || now.saturating_sub(self.last_purge) >= patience;
        rested && (near || !busy)
    }

    fn is_periodic_due(&self, view: &View, now: Duration) -> bool {
        let Some(every) = self.marks.purge_every else { return false };
        let every = every * 2u32.saturating_pow(self.fruitless.min(4));
        let waited = now.saturating_sub(self.last_purge);
        let busy = self.manners == Manners::Stalling && view.cpus > IDLE_CPUS;
        waited >= every && (!busy || waited >= 2 * every)
    }

    fn wants_collection(&mut self, view: &View, purge: Option<Reason>, now: Duration) -> bool {
        let wanted = self.marks.collect
            && self.level != Level::Calm
            && view.share() >= self.marks.pressure
            && now >= self.collect_after;
        // First what costs nothing.
        let can_purge = self.manners == Manners::Counting && purge.is_some();
        if !wanted || can_purge {
            return false;
        }
        // The answer may come late: until then none is asked for.
        self.collect_after = now + COLLECT_MOST;
        true
    }

    /// V8 has collected.
    pub fn collected(&mut self, now: Duration, freed: u64) {
        let worth = 4 << 20;
        self.collect_pause =
            if freed >= worth { COLLECT_EVERY } else { (self.collect_pause * 2).min(COLLECT_MOST) };
        self.collect_after = now + self.collect_pause;
    }

    /// A purge has ended at `now`.
    pub fn purged(&mut self, now: Duration, purged: Purged) {
        let yielded = purged.given_back >= 1 << 20;
        self.purged = true;
        self.last_purge = now;
        self.fruitless = if yielded { 0 } else { self.fruitless.saturating_add(1) };
        self.not_before = if yielded { now } else { now + purged.took * PURGING_SHARE };
    }

    /// The room that is left to where something is to be done, at the pace at which a process can grow.
    fn rest(&self, view: &View) -> Duration {
        let Some(budget) = view.budget else { return self.marks.most_rest };
        let mark = if self.level == Level::Calm { self.marks.pressure } else { 1.0 };
        let room = (view.part(mark)).saturating_sub(budget.usage);
        let time = Duration::from_secs_f64(room as f64 / GROWTH_PER_SECOND);
        time.clamp(self.marks.least_rest, self.marks.most_rest)
    }
}
