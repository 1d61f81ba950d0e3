//! A reading that is costly to refresh: kept with its time, and refreshed where that is harmless.
//!
//! Refreshing jemalloc's epoch takes milliseconds at hundreds of arenas, and glibc's `mallinfo2`
//! walks every free chunk. The JavaScript thread must not wait that long, so a synchronous caller
//! gets the last reading where a refresh has proved to be slow, or is under way in another thread.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// What a synchronous refresh may take. Beyond it, only [`Refreshed::refresh`] refreshes.
const SYNC_BUDGET: Duration = Duration::from_millis(1);

/// A reading and when it was made.
#[derive(Clone, Copy, Debug)]
pub struct Sample<T> {
    /// What was read.
    pub value: T,
    /// When.
    pub at: Instant,
    /// The caller asked for fresher figures than a synchronous call may get.
    pub overdue: bool,
}

/// The last reading of one source, for the whole process.
pub struct Refreshed<T> {
    last: Mutex<Option<Sample<T>>>,
    /// Held while refreshing.
    cost: Mutex<Cost>,
}

/// What is known of how long a refresh takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cost {
    /// Within the budget.
    Quick,
    /// The last one took too long on the clock. It may only have been preempted: the next one is
    /// measured in processor time, which costs a system call more.
    Doubtful,
    /// Beyond the budget.
    Slow,
}

impl Cost {
    fn of(taken: Duration, if_slow: Cost) -> Self {
        if taken > SYNC_BUDGET { if_slow } else { Cost::Quick }
    }
}

impl<T: Copy> Refreshed<T> {
    /// Nothing was read yet.
    pub const fn new() -> Self {
        Self { last: Mutex::new(None), cost: Mutex::new(Cost::Quick) }
    }

    /// For the JavaScript thread: a reading at most `max_age` old where that is to be had without
    /// waiting, else the last one.
    pub fn sync(&self, max_age: Duration, read: impl FnOnce() -> T) -> Sample<T> {
        let Some(last) = *lock(&self.last) else {
            // There is nothing else to give, whatever it takes.
            return self.refresh(read);
        };
        if !max_age.is_zero() && last.at.elapsed() <= max_age {
            return last;
        }
        match self.cost.try_lock() {
            Ok(cost) if *cost != Cost::Slow => self.refresh_holding(cost, read),
            Err(TryLockError::Poisoned(cost)) => self.refresh_holding(cost.into_inner(), read),
            // Slow, or under way in another thread.
            _ => Sample { overdue: true, ..last },
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
                (value, Cost::of(started.elapsed(), Cost::Doubtful))
            }
            Cost::Doubtful | Cost::Slow => {
                let started = thread_time();
                let value = read();
                (value, Cost::of(thread_time().saturating_sub(started), Cost::Slow))
            }
        };
        *cost = next;
        let sample = Sample { value, at: Instant::now(), overdue: false };
        *lock(&self.last) = Some(sample);
        sample
    }
}

/// The processor time that this thread has used.
fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is writable; the clock is always there on Linux (clock_gettime(2)).
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
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
        assert_eq!(source.sync(Duration::ZERO, || 1).value, 1);
        assert_eq!(source.sync(Duration::ZERO, || 2).value, 2);
    }

    #[test]
    fn a_young_reading_is_reused_when_the_caller_allows_it() {
        let source = Refreshed::new();
        source.sync(Duration::ZERO, || 1);
        let sample = source.sync(Duration::from_secs(3600), || 2);
        assert_eq!((sample.value, sample.overdue), (1, false));
    }

    #[test]
    fn a_slow_source_is_left_to_other_threads_after_two_slow_refreshes() {
        let source = Refreshed::new();
        source.sync(Duration::ZERO, slowly(1));
        source.sync(Duration::ZERO, slowly(2));
        let sample = source.sync(Duration::ZERO, || 3);
        assert_eq!((sample.value, sample.overdue), (2, true));
        assert_eq!(source.refresh(|| 5).value, 5);
        let sample = source.sync(Duration::ZERO, || 6);
        assert_eq!((sample.value, sample.overdue), (6, false), "one quick refresh clears it");
    }

    #[test]
    fn a_reading_that_was_only_preempted_does_not_count() {
        let source = Refreshed::new();
        source.sync(Duration::ZERO, || thread::sleep(SLOW));
        source.sync(Duration::ZERO, || thread::sleep(SLOW));
        assert!(!source.sync(Duration::ZERO, || ()).overdue);
    }

    #[test]
    fn a_reading_in_another_thread_is_not_waited_for() {
        let source = Refreshed::new();
        source.refresh(|| 1);
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
            let sample = source.sync(Duration::ZERO, || 3);
            assert_eq!((sample.value, sample.overdue), (1, true));
            let _ = go.send(());
        });
        assert_eq!(source.sync(Duration::from_secs(3600), || 4).value, 2);
    }
}
