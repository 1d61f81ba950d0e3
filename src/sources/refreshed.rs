//! A reading that is costly to refresh: kept with its time, and refreshed where that is harmless.
//!
//! Refreshing jemalloc's epoch takes milliseconds at hundreds of arenas. glibc's `mallinfo2` walks
//! every free chunk, 100 ms for a million of them, and holds the arenas' locks, so that it stalls
//! whoever allocates, whichever thread it runs on. Where refreshing has proved to be slow, synchronous
//! callers get the last reading, and other threads refresh no more than a thousandth of the time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::process::processor_time;

/// What a synchronous refresh may take.
const SYNC_BUDGET: Duration = Duration::from_millis(1);

/// A slow source rests this many times as long as its refresh took.
const REST: u32 = 1000;

/// A reading and when it was made.
#[derive(Clone, Copy, Debug)]
pub struct Sample<T> {
    /// What was read.
    pub value: T,
    /// When.
    pub at: Instant,
    /// It is older than the caller asked for, and due for a refresh in another thread.
    pub overdue: bool,
}

/// The last reading of one source, for the whole process.
pub struct Refreshed<T> {
    last: Mutex<Option<Sample<T>>>,
    /// Held while refreshing.
    cost: Mutex<Cost>,
    /// Whether `cost` is slow, for those who must not wait for it.
    slow: AtomicBool,
}

/// What is known of how long a refresh takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cost {
    /// Within the budget.
    Quick,
    /// The last one took too long on the clock. It may only have been preempted: the next one is
    /// measured in processor time, which costs a system call more.
    Doubtful,
    /// Beyond the budget: this long.
    Slow(Duration),
}

impl Cost {
    fn on_the_clock(taken: Duration) -> Self {
        if taken > SYNC_BUDGET { Cost::Doubtful } else { Cost::Quick }
    }

    fn in_processor_time(taken: Duration) -> Self {
        if taken > SYNC_BUDGET { Cost::Slow(taken) } else { Cost::Quick }
    }

    /// Whether a reading of this age may be followed by another.
    fn is_due(self, age: Duration) -> bool {
        match self {
            Cost::Slow(taken) => age > taken * REST,
            _ => true,
        }
    }
}

impl<T: Copy> Refreshed<T> {
    /// Nothing was read yet.
    pub const fn new() -> Self {
        // Doubtful: the first is measured exactly.
        Self { last: Mutex::new(None), cost: Mutex::new(Cost::Doubtful), slow: AtomicBool::new(false) }
    }

    /// For the JavaScript thread: a reading at most `max_age` old where that is to be had without
    /// waiting, else the last one. `expected` is what a refresh will take at the most, where that can be
    /// told from the last reading.
    pub fn sync(
        &self,
        max_age: Duration,
        expected: impl FnOnce(&T) -> Duration,
        read: impl FnOnce() -> T,
    ) -> Sample<T> {
        let Some(last) = *lock(&self.last) else {
            // There is nothing else to give, whatever it takes.
            return self.refresh(read);
        };
        if !max_age.is_zero() && last.at.elapsed() <= max_age {
            return last;
        }
        match self.cost.try_lock() {
            Ok(mut cost) => {
                if !matches!(*cost, Cost::Slow(_)) {
                    let expected = expected(&last.value);
                    if expected <= SYNC_BUDGET {
                        return self.refresh_holding(cost, read);
                    }
                    *cost = Cost::Slow(expected);
                    self.slow.store(true, Ordering::Relaxed);
                }
                Sample { overdue: cost.is_due(last.at.elapsed()), ..last }
            }
            Err(TryLockError::Poisoned(cost)) => self.refresh_holding(cost.into_inner(), read),
            Err(TryLockError::WouldBlock) => self.join(last, read),
        }
    }

    /// Another thread is refreshing: waits for it where that is quick, and takes what it has read.
    fn join(&self, last: Sample<T>, read: impl FnOnce() -> T) -> Sample<T> {
        if self.slow.load(Ordering::Relaxed) {
            return Sample { overdue: true, ..last };
        }
        let asked = Instant::now();
        let cost = lock(&self.cost);
        // Copied first: within the match the lock would be held on to, which a refresh takes.
        let meanwhile = *lock(&self.last);
        match meanwhile {
            Some(meanwhile) if meanwhile.at >= asked => meanwhile,
            _ => self.refresh_holding(cost, read),
        }
    }

    /// Whether the last refresh took longer than a synchronous caller can wait.
    pub fn is_slow(&self) -> bool {
        self.slow.load(Ordering::Relaxed)
    }

    /// For other threads: a fresh reading, or the last one where the source is slow and must rest.
    pub fn refresh_if_due(&self, read: impl FnOnce() -> T) -> Sample<T> {
        let cost = lock(&self.cost);
        let last = *lock(&self.last);
        match last {
            Some(last) if !cost.is_due(last.at.elapsed()) => last,
            _ => self.refresh_holding(cost, read),
        }
    }

    /// For other threads: a fresh reading, whatever it takes.
    pub fn refresh(&self, read: impl FnOnce() -> T) -> Sample<T> {
        self.refresh_holding(lock(&self.cost), read)
    }

    fn refresh_holding(&self, mut cost: MutexGuard<'_, Cost>, read: impl FnOnce() -> T) -> Sample<T> {
        let (value, next) = match *cost {
            Cost::Quick => {
                let started = Instant::now();
                let value = read();
                (value, Cost::on_the_clock(started.elapsed()))
            }
            Cost::Doubtful | Cost::Slow(_) => {
                let started = thread_time();
                let value = read();
                (value, Cost::in_processor_time(thread_time().saturating_sub(started)))
            }
        };
        *cost = next;
        self.slow.store(matches!(next, Cost::Slow(_)), Ordering::Relaxed);
        let sample = Sample { value, at: Instant::now(), overdue: false };
        *lock(&self.last) = Some(sample);
        sample
    }
}

/// The processor time that this thread has used.
fn thread_time() -> Duration {
    processor_time(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// A panic while holding one of these locks leaves nothing half-written behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;

    const SLOW: Duration = Duration::from_millis(2);
    const QUICK: fn(&u32) -> Duration = |_| Duration::ZERO;

    fn slowly(value: u32) -> impl FnOnce() -> u32 {
        move || {
            let started = thread_time();
            while thread_time() - started < SLOW {
                std::hint::spin_loop();
            }
            value
        }
    }

    #[test]
    fn a_cheap_source_is_read_every_time() {
        let source = Refreshed::new();
        assert_eq!(source.sync(Duration::ZERO, QUICK, || 1).value, 1);
        assert_eq!(source.sync(Duration::ZERO, QUICK, || 2).value, 2);
    }

    #[test]
    fn a_young_reading_is_reused_when_the_caller_allows_it() {
        let source = Refreshed::new();
        source.sync(Duration::ZERO, QUICK, || 1);
        let sample = source.sync(Duration::from_secs(3600), QUICK, || 2);
        assert_eq!((sample.value, sample.overdue), (1, false));
    }

    #[test]
    fn a_slow_source_is_left_alone() {
        let source = Refreshed::new();
        source.sync(Duration::ZERO, QUICK, || 1);
        source.sync(Duration::ZERO, QUICK, slowly(1));
        source.sync(Duration::ZERO, QUICK, slowly(2));
        let sample = source.sync(Duration::ZERO, QUICK, || 3);
        assert_eq!((sample.value, sample.overdue), (2, false), "it rests");
        assert_eq!(source.refresh_if_due(|| 4).value, 2, "in other threads too");
        assert_eq!(source.refresh(|| 5).value, 5);
        assert_eq!(source.sync(Duration::ZERO, QUICK, || 6).value, 6, "one quick refresh clears it");
    }

    #[test]
    fn a_source_that_is_expected_to_be_slow_is_not_tried() {
        let source = Refreshed::new();
        source.refresh(|| 1);
        let sample = source.sync(Duration::ZERO, |_| SLOW, || 2);
        assert_eq!((sample.value, sample.overdue), (1, false));
        assert_eq!(source.sync(Duration::ZERO, QUICK, || 3).value, 1, "until it was refreshed");
    }

    #[test]
    fn a_slow_source_has_rested_after_a_thousand_times_its_cost() {
        assert!(!Cost::Slow(SLOW).is_due(SLOW * REST));
        assert!(Cost::Slow(SLOW).is_due(SLOW * REST + SLOW));
        assert!(Cost::Quick.is_due(Duration::ZERO));
    }

    #[test]
    fn a_reading_that_was_only_preempted_does_not_count() {
        let source = Refreshed::new();
        let preempted = || {
            thread::sleep(SLOW);
            1
        };
        source.sync(Duration::ZERO, QUICK, preempted);
        source.sync(Duration::ZERO, QUICK, preempted);
        assert_eq!(source.sync(Duration::ZERO, QUICK, || 2).value, 2);
    }

    /// Refreshes in another thread; calls `meanwhile` while that is under way, and then lets it end.
    fn while_refreshing(source: &Refreshed<u32>, meanwhile: impl FnOnce(mpsc::Sender<()>)) {
        let (go, wait) = mpsc::channel::<()>();
        let (entered, inside) = mpsc::channel::<()>();
        thread::scope(|scope| {
            scope.spawn(|| {
                source.refresh(move || {
                    let _ = entered.send(());
                    let _ = wait.recv();
                    2
                })
            });
            let _ = inside.recv();
            meanwhile(go);
        });
    }

    #[test]
    fn a_slow_refresh_in_another_thread_is_not_waited_for() {
        let source = Refreshed::new();
        source.refresh(slowly(1));
        while_refreshing(&source, |go| {
            let sample = source.sync(Duration::ZERO, QUICK, || 3);
            assert_eq!((sample.value, sample.overdue), (1, true));
            drop(go);
        });
    }

    #[test]
    fn a_refresh_that_ended_before_it_was_asked_for_is_made_again() {
        static SOURCE: Refreshed<u32> = Refreshed::new();
        let last = SOURCE.refresh(|| 1);
        let (answer, answered) = mpsc::channel();
        // In a thread of its own: one that waits for itself would hang the tests.
        thread::spawn(move || answer.send(SOURCE.join(last, || 2).value));
        assert_eq!(answered.recv_timeout(Duration::from_secs(10)), Ok(2));
    }

    #[test]
    fn a_quick_refresh_in_another_thread_is_shared() {
        let source = Refreshed::new();
        source.refresh(|| 1);
        while_refreshing(&source, |go| {
            let last = source.sync(Duration::from_secs(3600), QUICK, || 3);
            let release = thread::spawn(move || {
                thread::sleep(SLOW);
                drop(go);
            });
            assert_eq!(source.join(last, || 3).value, 2);
            assert!(release.join().is_ok());
        });
    }
}
