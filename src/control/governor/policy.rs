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
    /// How long usage must have stayed below the calm mark.
    pub calm_after: Duration,
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
    /// It does not, and a purge stalls threads that allocate, for as long as it takes: glibc.
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
    /// The limit is the machine's.
    pub machine: bool,
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
        self.part(WORTH).max(LITTLE)
    }

    /// What no purge of this process returns.
    fn live(&self) -> u64 {
        self.budget.map_or(0, |budget| budget.usage.saturating_sub(self.dirty.unwrap_or(0)))
    }
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Whether decay is to be tight.
    pub tighten: bool,
    /// Whether to purge, and why.
    pub purge: Option<Reason>,
    /// Whether to ask V8 for a collection, and for which.
    pub collect: Option<Collection>,
    /// Why there is pressure.
    pub cause: Cause,
    /// When to look again.
    pub rest: Duration,
}

/// Which garbage V8 is to collect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collection {
    /// The young, which takes little time, and the old where that frees little.
    Enough,
    /// All of it.
    Full,
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

/// The share of the limit that makes a purge worth it.
const WORTH: f64 = 0.01;

/// How fast a process is taken to grow at the most, which is a page a microsecond: the time to the next look is the
/// room that is left at this pace.
const GROWTH_PER_SECOND: f64 = (4u64 << 30) as f64;

/// The same of freed pages. These kill nobody while there is room, and a busy service always has some: at the pace above
/// looks would be too many.
const FREEING_PER_SECOND: f64 = (1u64 << 30) as f64;

/// For how long a burst is remembered: as much room as it took is kept for the next.
const REMEMBERED: Duration = Duration::from_secs(30);

/// From this share of waiting on there is pressure, and below the other none.
const STALLED: f64 = 0.1;
const NOT_STALLED: f64 = 0.02;

/// A process that uses no more than this is idle.
const IDLE_CPUS: f64 = 0.3;

/// The times between two trims of glibc under pressure, and near the limit; they double while little comes of it.
const TRIM_EVERY: Duration = Duration::from_secs(10);
const TRIM_NEAR_LIMIT_EVERY: Duration = Duration::from_millis(50);
/// Near the limit, too, a trim is followed by so many times its own duration without one.
const TRIMMING_SHARE: u32 = 5;
const MOST_PATIENCE: Duration = Duration::from_secs(120);

/// Where purges harm nobody: the pause after one that yielded little, which doubles with each such.
const PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Less than this is little.
pub const LITTLE: u64 = 1 << 20;

/// The longest time between two looks where little room is left for what will be freed.
const WATCHFUL_REST: Duration = Duration::from_millis(100);

/// The time between two collections: they take a tenth of the JavaScript thread's time at the most. It doubles while
/// little comes of them.
const COLLECTING_SHARE: u32 = 10;
const LEAST_COLLECTING_SHARE: u32 = 100;
const COLLECT_EVERY: Duration = Duration::from_millis(25);
const COLLECT_MOST: Duration = Duration::from_secs(30);

/// So much of the limit, grown since the last collection, may be garbage.
const GARBAGE: f64 = 0.05;

/// A process is quiet that has used no more than this for so long: it waits for the next burst.
const QUIET_CPUS: f64 = 0.05;
const QUIET_FOR: Duration = Duration::from_secs(5);

/// So much of the limit may be what a burst has left for V8 to collect, which by itself may wait longer.
const LEFT_BEHIND: f64 = 0.1;

/// A collection that is noticed.
const LONG: Duration = Duration::from_millis(100);

/// What a collection did.
#[derive(Clone, Copy, Debug)]
pub struct Collected {
    /// Bytes of V8's heap and of Buffers.
    pub freed: u64,
    /// The JavaScript thread's time.
    pub took: Duration,
}

/// A collection that frees less a millisecond is not worth its time: that of a small heap frees ten times as much.
const FRUITFUL_PER_MS: f64 = 512.0 * 1024.0;

impl Collected {
    fn is_fruitful(&self) -> bool {
        self.freed >= LITTLE && self.freed as f64 >= self.took.as_secs_f64() * 1e3 * FRUITFUL_PER_MS
    }
}

/// The state of the governor's mind.
pub struct Policy {
    marks: Marks,
    manners: Manners,
    turn: Duration,
    waiting_since: Option<Duration>,
    level: Level,
    /// Since when usage has been below the calm mark.
    calm_since: Option<Duration>,
    /// When the last purge ended, and when the next may begin.
    last_purge: Duration,
    last_took: Duration,
    not_before: Duration,
    /// Whether there was a purge since pressure began, and since usage was last below the limit mark.
    purged: bool,
    purged_near_limit: bool,
    /// How often in a row purges yielded little.
    fruitless: u32,
    /// What was live at the height of the last bursts.
    live: Peak,
    /// What the last look saw, and how long it rested.
    last: Option<(u64, u64)>,
    rest: Duration,
    /// When the next collection may be asked for: in any case, and where live memory has grown since the last.
    collect_after: Duration,
    collect_not_before: Duration,
    collect_pause: Duration,
    /// The least that was live since the last collection.
    least_live: u64,
    quiet_since: Option<Duration>,
}

impl Policy {
    /// `turn` is for how long this process lets others of its group go first.
    pub fn new(marks: Marks, manners: Manners, turn: Duration) -> Self {
        Self {
            marks,
            manners,
            turn,
            waiting_since: None,
            level: Level::Calm,
            calm_since: None,
            last_purge: Duration::ZERO,
            last_took: Duration::ZERO,
            not_before: Duration::ZERO,
            purged: false,
            purged_near_limit: false,
            fruitless: 0,
            live: Peak::default(),
            last: None,
            rest: marks.least_rest,
            collect_after: Duration::ZERO,
            collect_not_before: Duration::ZERO,
            collect_pause: COLLECT_EVERY,
            least_live: u64::MAX,
            quiet_since: None,
        }
    }

    pub fn level(&self) -> Level {
        self.level
    }

    /// What to do about what was seen at `now`.
    pub fn decide(&mut self, view: &View, now: Duration) -> Plan {
        let share = view.share();
        let stalled = view.stalled >= STALLED;
        self.live.see(view.live(), now);
        self.level = self.next_level(view, now);
        let reason = self.reason_to_purge(view, now);
        let purge = self.in_turn(reason, view, now);
        let collect = self.wants_collection(view, now);
        Plan {
            tighten: self.level != Level::Calm,
            purge,
            collect,
            cause: if stalled && share < self.marks.pressure { Cause::Stall } else { Cause::Usage },
            rest: self.next_rest(view),
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
        if self.is_at_limit(view) { Level::Limit } else { Level::Pressure }
    }

    /// Whether what is left after a purge is near the limit. Not where other processes fill the machine: to turn
    /// requests away here would not help them.
    fn is_at_limit(&mut self, view: &View) -> bool {
        // Leaving takes more than arriving, or each request that is turned away would let the next in.
        let near = if self.level == Level::Limit { self.near() } else { self.marks.limit };
        if view.share() < near {
            self.purged_near_limit = false;
        }
        let is_live = view.live() >= view.part(near);
        self.purged_near_limit && is_live && !(view.machine && view.crowded)
    }

    /// Between the marks of pressure and of the limit: from here on it is urgent.
    fn near(&self) -> f64 {
        (self.marks.pressure + self.marks.limit) / 2.0
    }

    fn begin_pressure(&mut self) {
        self.level = Level::Pressure;
        self.calm_since = None;
        self.purged = false;
        self.purged_near_limit = false;
        self.fruitless = 0;
        self.not_before = Duration::ZERO;
        self.collect_pause = COLLECT_EVERY;
        // What was in vain while it was calm may help now.
        self.collect_after = self.collect_not_before;
    }

    fn is_over(&mut self, view: &View, now: Duration) -> bool {
        if view.share() >= self.marks.calm || view.stalled >= NOT_STALLED {
            self.calm_since = None;
            return false;
        }
        now.saturating_sub(*self.calm_since.get_or_insert(now)) >= self.marks.calm_after
    }

    fn reason_to_purge(&self, view: &View, now: Duration) -> Option<Reason> {
        match view.dirty {
            Some(dirty) => self.reason_to_purge_counted(view, dirty, now),
            None if self.level != Level::Calm && self.may_trim(view, now) => Some(Reason::Pressure),
            None => self.is_periodic_due(view, now).then_some(Reason::Periodic),
        }
    }

    fn reason_to_purge_counted(&self, view: &View, dirty: u64, now: Duration) -> Option<Reason> {
        // Once in any case: what is left after it is live.
        if self.level != Level::Calm && view.share() >= self.marks.limit && !self.purged_near_limit {
            return Some(Reason::Pressure);
        }
        let is_much = dirty >= view.part(self.marks.dirty / 2.0).max(LITTLE);
        if dirty < view.worth() || (now < self.not_before && !is_much) {
            return None;
        }
        if self.level != Level::Calm {
            return Some(Reason::Pressure);
        }
        if view.budget.is_some() && dirty >= self.room_for_dirty(view) {
            return Some(Reason::Dirty);
        }
        self.is_periodic_due(view, now).then_some(Reason::Periodic)
    }

    /// What may stay freed and resident: less than the dirty mark, and so little that another burst like the
    /// highest of the last fits under the limit mark.
    fn room_for_dirty(&self, view: &View) -> u64 {
        let room = view.part(self.marks.limit).saturating_sub(self.live.highest());
        room.min(view.part(self.marks.dirty))
    }

    /// The workers of a cluster see the same pressure at the same moment. Where one's purge ends it, the others
    /// need none.
    fn in_turn(&mut self, reason: Option<Reason>, view: &View, now: Duration) -> Option<Reason> {
        if reason.is_none() || !view.crowded || view.share() >= self.near() {
            self.waiting_since = None;
            return reason;
        }
        let since = *self.waiting_since.get_or_insert(now);
        reason.filter(|_| now.saturating_sub(since) >= self.turn)
    }

    /// Where a trim stalls threads it is for idle moments, unless the limit is near.
    fn may_trim(&self, view: &View, now: Duration) -> bool {
        if self.manners == Manners::Counting {
            return true;
        }
        let near = view.share() >= self.near();
        let busy = self.manners == Manners::Stalling && view.cpus > IDLE_CPUS;
        let every =
            if near { TRIM_NEAR_LIMIT_EVERY.max(self.last_took * TRIMMING_SHARE) } else { TRIM_EVERY };
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

    /// Where a purge alone does not help, and garbage can have come together since the last collection; or where a
    /// burst has left some, and few wait. What others of the group have grown by is not this process's garbage.
    fn wants_collection(&mut self, view: &View, now: Duration) -> Option<Collection> {
        let live = view.live();
        self.least_live = self.least_live.min(live);
        let grown = live - self.least_live;
        let is_quiet = self.is_quiet(view, now);
        if !self.marks.collect || view.budget.is_none() {
            return None;
        }
        let (which, wanted) = if self.level == Level::Calm {
            let left = grown >= view.part(LEFT_BEHIND).max(LITTLE);
            (Collection::Full, is_quiet && !view.crowded && left && now >= self.collect_not_before)
        } else {
            let grew = grown >= view.part(GARBAGE).max(LITTLE);
            let due = if grew { self.collect_not_before } else { self.collect_after };
            (Collection::Enough, live >= view.part(self.marks.calm) && now >= due)
        };
        if wanted {
            // The answer may come late: until then none is asked for.
            self.collect_after = now + COLLECT_MOST;
            self.collect_not_before = self.collect_after;
        }
        wanted.then_some(which)
    }

    fn is_quiet(&mut self, view: &View, now: Duration) -> bool {
        if view.cpus > QUIET_CPUS {
            self.quiet_since = None;
            return false;
        }
        now.saturating_sub(*self.quiet_since.get_or_insert(now)) >= QUIET_FOR
    }

    /// V8 has collected.
    pub fn collected(&mut self, now: Duration, collected: Collected) {
        let least = (collected.took * COLLECTING_SHARE).max(COLLECT_EVERY);
        let most = (collected.took * LEAST_COLLECTING_SHARE).max(COLLECT_MOST);
        let pause = if collected.is_fruitful() { least } else { least.max(self.collect_pause * 2) };
        self.collect_pause = pause.min(most);
        self.collect_after = now + self.collect_pause;
        // Where a second of collecting frees little, growth is no reason to try again.
        let is_long = collected.took >= LONG && !collected.is_fruitful();
        self.collect_not_before = if is_long { self.collect_after } else { now + least };
        self.least_live = u64::MAX;
    }

    /// A purge has ended at `now`.
    pub fn purged(&mut self, now: Duration, took: Duration, given_back: u64) {
        let yielded = given_back >= LITTLE;
        self.last_took = took;
        self.purged = true;
        // Forgotten at the next look, where usage is below the mark.
        self.purged_near_limit = true;
        self.waiting_since = None;
        self.last_purge = now;
        self.fruitless = if yielded { 0 } else { self.fruitless.saturating_add(1) };
        let pause = (PAUSE * 2u32.saturating_pow(self.fruitless.min(16))).min(LONGEST_PAUSE);
        self.not_before = if yielded { now } else { now + pause };
    }

    /// The time in which a process can grow into the room that is left. Where nothing moves, some times
    /// that: what has been seen to rest does not start at full pace.
    fn next_rest(&mut self, view: &View) -> Duration {
        let Some(budget) = view.budget else { return self.marks.most_rest };
        let mark = if self.level == Level::Calm { self.marks.pressure } else { 1.0 };
        let room = view.part(mark).saturating_sub(budget.usage);
        let room_for_dirty = match view.dirty {
            Some(dirty) if self.level == Level::Calm => self.room_for_dirty(view).saturating_sub(dirty),
            _ => u64::MAX,
        };
        let at_pace = |room: u64, pace: f64| Duration::from_secs_f64(room as f64 / pace);
        let until = at_pace(room, GROWTH_PER_SECOND).min(at_pace(room_for_dirty, FREEING_PER_SECOND));
        let least = until.clamp(self.marks.least_rest, self.marks.most_rest);
        let seen = (budget.usage, view.dirty.unwrap_or(0));
        let moved = self
            .last
            .replace(seen)
            .is_none_or(|last| last.0.abs_diff(seen.0).max(last.1.abs_diff(seen.1)) >= LITTLE);
        let most = (least * 2).max(WATCHFUL_REST).min(self.marks.most_rest);
        self.rest = if moved { least } else { (self.rest * 2).clamp(least, most) };
        self.rest
    }
}

/// The highest value of the last one to two times [`REMEMBERED`].
#[derive(Default)]
struct Peak {
    current: u64,
    previous: u64,
    since: Duration,
}

impl Peak {
    fn see(&mut self, value: u64, now: Duration) {
        if now.saturating_sub(self.since) >= REMEMBERED {
            self.previous = std::mem::take(&mut self.current);
            self.since = now;
        }
        self.current = self.current.max(value);
    }

    fn highest(&self) -> u64 {
        self.current.max(self.previous)
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
