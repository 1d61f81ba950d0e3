//! Keeps the process under its memory limit by itself: a thread that looks how full it is, purges and
//! tightens decay under pressure, and relaxes after it.
//!
//! [`senses`] reads, [`policy`] decides (pure), [`decay`] and [`crate::control::purge`] act.

mod decay;
mod policy;
mod senses;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use crate::error::Error;
use crate::sources::{Absent, Figure};
use policy::{Cause, Plan, Policy};
pub use policy::{Collected, Collection, Level, Marks, Reason};
pub use senses::LimitSource;
use senses::{Reading, Senses};

/// What `govern()` was told; see `GovernOptions` in `index.d.ts`.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes of RSS that the process may hold.
    pub limit: Option<u64>,
    /// When to do what.
    pub marks: Marks,
}

/// What the governor sees and has done; see `GovernorFigures` in `index.d.ts`.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "index.d.ts documents each for those who read them")]
pub struct State {
    pub running: bool,
    pub level: Level,
    pub limit: Figure,
    pub usage: Figure,
    pub source: Option<LimitSource>,
    pub dirty: Figure,
    pub tightened: bool,
    pub purges: u64,
    pub released: u64,
    pub purging: Duration,
    pub flips: u64,
    pub collections: u64,
    pub oom_kills: Figure,
}

const NOT_LOOKED: Absent = Absent::Because("the governor has not looked yet");

impl State {
    /// Before the first look.
    pub const fn new() -> Self {
        Self {
            running: false,
            level: Level::Calm,
            limit: Err(NOT_LOOKED),
            usage: Err(NOT_LOOKED),
            source: None,
            dirty: Err(NOT_LOOKED),
            tightened: false,
            purges: 0,
            released: 0,
            purging: Duration::ZERO,
            flips: 0,
            collections: 0,
            oom_kills: Err(NOT_LOOKED),
        }
    }
}

/// What is told as it happens; see `GovernorEvents` in `index.d.ts`.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// When it happened: whoever hears of it may be busy.
    pub at: SystemTime,
    /// What was seen.
    pub limit: Figure,
    pub usage: Figure,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum EventKind {
    /// Pressure has begun.
    Pressure(Cause),
    /// Freed pages were given back.
    Purge(Reason, Outcome),
    /// Pressure is over; it lasted so long.
    Calm(Duration),
    /// What is left after a purge is near the limit.
    Limit,
    /// Another limit governs.
    LimitChange { previous: Figure },
    /// V8 should collect garbage.
    Collect(Collection),
}

/// What a purge did.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// The call that gave memory back.
    pub method: &'static str,
    /// RSS just before and just after.
    pub before: Figure,
    pub after: Figure,
    /// The allocator's call alone.
    pub duration: Duration,
}

impl Outcome {
    /// How far RSS fell; negative where the process grew meanwhile.
    pub fn released(&self) -> Option<i64> {
        self.before.ok()?.checked_signed_diff(self.after.ok()?)
    }
}

/// Whoever hears of events. Called in the governor's thread.
pub type Listener = Box<dyn Fn(Event) + Send>;

/// What is there of the governor, for the whole process.
struct Shared {
    running: Option<Running>,
    /// One that was told to end, and may not have.
    leaving: Option<JoinHandle<()>>,
}

struct Running {
    id: u64,
    bell: Arc<Bell>,
    thread: JoinHandle<()>,
}

static SHARED: Mutex<Shared> = Mutex::new(Shared { running: None, leaving: None });
/// `None` until the first governor.
static STATE: Mutex<Option<State>> = Mutex::new(None);

/// A panic while holding one of these locks leaves nothing half-written behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes the governor before its time.
#[derive(Default)]
struct Bell {
    rung: Mutex<Rung>,
    sound: Condvar,
}

#[derive(Clone, Copy, Default)]
struct Rung {
    stop: bool,
    /// The governor has left everything as it found it.
    ended: bool,
    /// V8 has collected.
    collected: Option<Collected>,
}

impl Bell {
    fn ring(&self, change: impl FnOnce(&mut Rung)) {
        change(&mut lock(&self.rung));
        self.sound.notify_all();
    }

    fn wait_for_end(&self) {
        let rung = lock(&self.rung);
        drop(self.sound.wait_while(rung, |rung| !rung.ended).unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits for `rest`, or until it rings.
    fn wait(&self, rest: Duration) -> Rung {
        let rung = lock(&self.rung);
        let is_quiet = |rung: &mut Rung| !rung.stop && rung.collected.is_none();
        let (mut rung, _) =
            self.sound.wait_timeout_while(rung, rest, is_quiet).unwrap_or_else(PoisonError::into_inner);
        let heard = *rung;
        rung.collected = None;
        heard
    }
}

/// What the governor's stack may grow to. It is touched as far as it is used only.
const STACK: usize = 256 << 10;

/// Starts the governor; answers its number. `Err` where one runs, or no thread can be started.
pub fn start(options: Options, listener: Listener) -> Result<u64, Error> {
    static LAST_ID: Mutex<u64> = Mutex::new(0);
    let mut shared = lock(&SHARED);
    if shared.running.is_some() {
        return Err(Error::Governed);
    }
    let id = {
        let mut last = lock(&LAST_ID);
        *last += 1;
        *last
    };
    let bell = Arc::new(Bell::default());
    let leaving = shared.leaving.take();
    let heard = Arc::clone(&bell);
    let run = move || {
        // Two would restore each other's decay settings.
        leaving.map(JoinHandle::join);
        if govern(options, &heard, &listener).is_err() {
            // Nobody has told it to end: another may be started.
            dismiss(id);
        }
        heard.ring(|rung| rung.ended = true);
    };
    let thread = thread::Builder::new().name("heapgap-govern".to_owned()).stack_size(STACK).spawn(run);
    let thread = thread.map_err(Error::Thread)?;
    shared.running = Some(Running { id, bell, thread });
    renew_state();
    Ok(id)
}

/// What a new governor has done is added to what those before it did; what they saw is of the past.
fn renew_state() {
    let mut state = lock(&STATE);
    let State { purges, released, purging, flips, collections, .. } = state.unwrap_or(State::new());
    *state = Some(State { running: true, purges, released, purging, flips, collections, ..State::new() });
}

fn update(change: impl FnOnce(&mut State)) {
    if let Some(state) = &mut *lock(&STATE) {
        change(state);
    }
}

/// One that was told to end.
pub struct Leaving(Option<Arc<Bell>>);

impl Leaving {
    /// Waits until it has ended. For other threads than JavaScript's: it may be purging.
    pub fn wait(self) {
        if let Some(bell) = self.0 {
            bell.wait_for_end();
        }
        // Where another was started meanwhile, that one does this.
        let thread = lock(&SHARED).leaving.take();
        thread.map(JoinHandle::join);
    }
}

/// Tells the governor of that number to end, if it runs, without waiting for it.
pub fn dismiss(id: u64) -> Leaving {
    let mut shared = lock(&SHARED);
    let Some(running) = shared.running.take_if(|running| running.id == id) else { return Leaving(None) };
    running.bell.ring(|rung| rung.stop = true);
    shared.leaving = Some(running.thread);
    update(|state| state.running = false);
    Leaving(Some(running.bell))
}

/// The answer to [`EventKind::Collect`].
pub fn collected(collected: Collected) {
    if let Some(running) = &lock(&SHARED).running {
        running.bell.ring(|rung| rung.collected = Some(collected));
    }
}

/// What the governor sees and has done, as of its last look; `None` where there never was one.
pub fn state() -> Option<State> {
    *lock(&STATE)
}

/// The governor's thread. `Err` where it has panicked: that ends the governor, and leaves no decay setting behind.
fn govern(options: Options, bell: &Bell, listener: &Listener) -> thread::Result<()> {
    let mut governor = Governor::new(options, listener);
    let ended = catch_unwind(AssertUnwindSafe(|| governor.run(bell)));
    let left = catch_unwind(AssertUnwindSafe(|| governor.leave()));
    ended.and(left)
}

/// The last look.
struct Looked {
    at: Instant,
    reading: Reading,
    glance: Option<[u64; 2]>,
}

struct Governor<'a> {
    senses: Senses,
    policy: Policy,
    decay: Option<decay::Tightened>,
    listener: &'a Listener,
    started: Instant,
    looked: Option<Looked>,
    most_rest: Duration,
    last_limit: Option<Figure>,
    /// Each that has governed, and what it was.
    limits: Vec<(Option<(LimitSource, usize)>, Figure)>,
    pressed_since: Option<Instant>,
}

impl<'a> Governor<'a> {
    fn new(options: Options, listener: &'a Listener) -> Self {
        Self {
            senses: Senses::new(options.limit),
            policy: Policy::new(options.marks, senses::manners(), senses::turn()),
            decay: None,
            listener,
            started: Instant::now(),
            looked: None,
            most_rest: options.marks.most_rest,
            last_limit: None,
            limits: Vec::new(),
            pressed_since: None,
        }
    }

    fn run(&mut self, bell: &Bell) {
        let mut rest = Duration::ZERO;
        loop {
            let heard = bell.wait(rest);
            if heard.stop {
                return;
            }
            if let Some(collected) = heard.collected {
                self.policy.collected(self.started.elapsed(), collected);
                self.looked = None;
            }
            if !self.is_still() {
                rest = self.look();
            }
        }
    }

    /// Far from the limit, a glance tells whether a look is worth it, which takes ten times as long.
    fn is_still(&self) -> bool {
        let Some(Looked { at, reading, glance: Some(before) }) = &self.looked else { return false };
        let is_near = |(now, before): (&u64, &u64)| now.abs_diff(*before) < policy::LITTLE;
        self.policy.level() == Level::Calm
            && at.elapsed() < self.most_rest
            && self.senses.glance(reading).is_some_and(|now| now.iter().zip(before).all(is_near))
    }

    /// One look, and what follows from it. Answers when to look again.
    fn look(&mut self) -> Duration {
        let reading = self.senses.read();
        self.notice_limit(&reading);
        let before = self.policy.level();
        let plan = self.policy.decide(&reading.view(), self.started.elapsed());
        self.publish(&reading);
        self.tell_level(&reading, before, &plan);
        // Before decay is tightened, which gives back the same, and does not tell how much.
        if let Some(reason) = plan.purge {
            self.purge(&reading, reason);
        }
        self.set_decay(plan.tighten);
        if let Some(which) = plan.collect {
            update(|state| state.collections += 1);
            self.tell(&reading, EventKind::Collect(which));
        }
        self.looked = Some(Looked { at: Instant::now(), reading, glance: self.senses.glance(&reading) });
        plan.rest
    }

    /// Where two limits are nearly as full as each other, which of them governs may change at every look:
    /// that is no news.
    fn notice_limit(&mut self, reading: &Reading) {
        let (key, limit) = (reading.key(), reading.limit());
        let known = self.limits.iter_mut().find(|known| known.0 == key);
        let is_new = match known {
            Some(known) => std::mem::replace(&mut known.1, limit) != limit,
            None => {
                self.limits.push((key, limit));
                true
            }
        };
        let previous = self.last_limit.replace(limit);
        if is_new && let Some(previous) = previous {
            self.tell(reading, EventKind::LimitChange { previous });
        }
    }

    fn tell_level(&mut self, reading: &Reading, before: Level, plan: &Plan) {
        let now = self.policy.level();
        if before == Level::Calm && now != Level::Calm {
            self.pressed_since = Some(Instant::now());
            update(|state| state.flips += 1);
            self.tell(reading, EventKind::Pressure(plan.cause));
        }
        if before != Level::Limit && now == Level::Limit {
            self.tell(reading, EventKind::Limit);
        }
        if before != Level::Calm && now == Level::Calm {
            let lasted = self.pressed_since.take().map_or(Duration::ZERO, |since| since.elapsed());
            // Restored before it is said.
            self.set_decay(false);
            update(|state| state.flips += 1);
            self.tell(reading, EventKind::Calm(lasted));
        }
    }

    fn tell(&self, reading: &Reading, kind: EventKind) {
        (self.listener)(Event {
            at: SystemTime::now(),
            limit: reading.limit(),
            usage: reading.usage(),
            kind,
        });
    }

    fn set_decay(&mut self, tighten: bool) {
        if tighten && self.decay.is_none() {
            self.decay = decay::Tightened::tighten();
        } else if !tighten && let Some(decay) = self.decay.take() {
            decay.restore();
        }
        update(|state| state.tightened = self.decay.is_some());
    }

    fn purge(&mut self, reading: &Reading, reason: Reason) {
        let before = self.senses.rss();
        let started = Instant::now();
        let Some(purged) = super::purge::once(reading.dirty.unwrap_or(0)) else { return };
        let Ok(method) = purged else {
            // heapgap cannot purge this allocator: nothing comes of it, and what is there stays.
            self.policy.purged(self.started.elapsed(), Duration::ZERO, 0);
            return;
        };
        let outcome = Outcome { method, before, after: self.senses.rss(), duration: started.elapsed() };
        let after = self.senses.read_anew();
        let given_back = match (reading.dirty, after.dirty) {
            // A process that grows meanwhile hides what was given back from RSS.
            (Ok(before), Ok(after)) => before.saturating_sub(after),
            _ => outcome.released().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0),
        };
        self.policy.purged(self.started.elapsed(), outcome.duration, given_back);
        update(|state| {
            state.purges += 1;
            state.released += outcome.released().map_or(0, |bytes| bytes.max(0) as u64);
            state.purging += outcome.duration;
        });
        self.publish(&after);
        self.tell(&after, EventKind::Purge(reason, outcome));
    }

    fn publish(&self, reading: &Reading) {
        update(|state| {
            state.level = self.policy.level();
            state.limit = reading.limit();
            state.usage = reading.usage();
            state.source = reading.source();
            state.dirty = reading.dirty;
            state.oom_kills = self.senses.oom_kills();
        });
    }

    fn leave(&mut self) {
        self.set_decay(false);
        update(|state| state.level = Level::Calm);
    }
}
