use super::*;
use proptest::prelude::*;

const MIB: u64 = 1 << 20;
const LIMIT: u64 = 200 * MIB;
const MS: fn(u64) -> Duration = Duration::from_millis;

const MARKS: Marks = Marks {
    pressure: 0.8,
    calm: 0.7,
    limit: 0.9,
    dirty: 0.2,
    calm_after: Duration::from_secs(5),
    purge_every: Some(Duration::from_secs(60)),
    least_rest: Duration::from_millis(5),
    most_rest: Duration::from_millis(1000),
    collect: true,
};

fn policy(manners: Manners) -> Policy {
    Policy::new(MARKS, manners, Duration::ZERO)
}

/// `percent` of the limit used, of which `dirty` MiB are freed.
fn view(percent: u64, dirty: u64) -> View {
    let budget = Budget { level: 0, limit: LIMIT, usage: LIMIT * percent / 100 };
    View {
        budget: Some(budget),
        dirty: Some(dirty * MIB),
        stalled: 0.0,
        cpus: 1.0,
        crowded: false,
        machine: false,
    }
}

/// The same under an allocator that does not count what is freed.
fn blind(percent: u64, cpus: f64) -> View {
    View { dirty: None, cpus, ..view(percent, 0) }
}

const RETURNED: u64 = 10 * MIB;
const NOTHING: u64 = 0;
const TOOK: Duration = Duration::from_millis(20);

#[test]
fn calm_below_the_pressure_mark() {
    let mut policy = policy(Manners::Counting);
    let plan = policy.decide(&view(79, 10), MS(0));
    assert_eq!((policy.level(), plan.tighten, plan.purge), (Level::Calm, false, None));
}

#[test]
fn pressure_tightens_and_purges_at_once() {
    let mut policy = policy(Manners::Counting);
    let plan = policy.decide(&view(80, 10), MS(0));
    assert_eq!(policy.level(), Level::Pressure);
    assert_eq!((plan.tighten, plan.purge, plan.cause), (true, Some(Reason::Pressure), Cause::Usage));
}

#[test]
fn pressure_stays_until_it_was_calm_for_long_enough() {
    let mut policy = policy(Manners::Counting);
    policy.decide(&view(85, 10), MS(0));
    for (at, percent) in [(100, 75), (200, 69), (5100, 69), (5150, 71), (5200, 60), (10_100, 60)] {
        assert!(policy.decide(&view(percent, 0), MS(at)).tighten, "at {at} ms, {percent} %");
    }
    assert!(!policy.decide(&view(60, 0), MS(10_200)).tighten);
    assert_eq!(policy.level(), Level::Calm);
}

#[test]
fn what_is_left_after_a_purge_is_the_limit_s() {
    let mut policy = policy(Manners::Counting);
    policy.decide(&view(95, 20), MS(0));
    assert_eq!(policy.level(), Level::Pressure, "a purge may help yet");
    policy.purged(MS(5), TOOK, RETURNED);
    policy.decide(&view(91, 0), MS(10));
    assert_eq!(policy.level(), Level::Limit);
    policy.decide(&view(86, 0), MS(20));
    assert_eq!(policy.level(), Level::Limit, "leaving takes more than arriving");
    policy.decide(&view(84, 0), MS(30));
    assert_eq!(policy.level(), Level::Pressure);
}

#[test]
fn what_is_freed_again_is_not_live() {
    let mut policy = policy(Manners::Counting);
    policy.decide(&view(95, 20), MS(0));
    policy.purged(MS(5), TOOK, RETURNED);
    policy.decide(&view(82, 0), MS(10));
    // Another burst under the same pressure: all it takes above the limit mark is freed by now.
    let plan = policy.decide(&view(95, 20), MS(100));
    assert_eq!((policy.level(), plan.purge), (Level::Pressure, Some(Reason::Pressure)));
}

#[test]
fn a_machine_that_others_fill_is_no_limit_of_ours() {
    let mut policy = policy(Manners::Counting);
    let full = View { machine: true, crowded: true, ..view(95, 0) };
    policy.decide(&full, MS(0));
    policy.purged(MS(1), TOOK, NOTHING);
    policy.decide(&full, MS(10));
    assert_eq!(policy.level(), Level::Pressure);
    policy.decide(&View { crowded: false, ..full }, MS(20));
    assert_eq!(policy.level(), Level::Limit);
}

#[test]
fn near_the_limit_it_is_purged_once_whatever_there_is_to_purge() {
    let mut policy = policy(Manners::Counting);
    assert_eq!(policy.decide(&view(95, 0), MS(0)).purge, Some(Reason::Pressure));
    policy.purged(MS(1), TOOK, NOTHING);
    assert_eq!(policy.decide(&view(95, 0), MS(5)).purge, None);
    assert_eq!(policy.level(), Level::Limit);
}

#[test]
fn freed_pages_may_fill_what_the_last_bursts_leave() {
    let mut policy = policy(Manners::Counting);
    assert_eq!(policy.decide(&view(40, 39), MS(0)).purge, None);
    assert_eq!(policy.decide(&view(40, 40), MS(10)).purge, Some(Reason::Dirty), "the dirty mark");
    // A burst of 75 % leaves 15 % of the limit below the limit mark: 30 MiB.
    policy.decide(&view(75, 0), MS(20));
    assert_eq!(policy.decide(&view(40, 29), MS(30)).purge, None);
    assert_eq!(policy.decide(&view(40, 30), MS(40)).purge, Some(Reason::Dirty));
    // It is forgotten.
    policy.decide(&view(10, 0), MS(30_100));
    policy.decide(&view(10, 0), MS(60_200));
    policy.purged(MS(60_200), TOOK, RETURNED);
    assert_eq!(policy.decide(&view(40, 30), MS(60_300)).purge, None);
}

#[test]
fn purges_that_yield_little_come_less_often() {
    let mut policy = policy(Manners::Counting);
    assert!(policy.decide(&view(85, 10), MS(0)).purge.is_some());
    policy.purged(MS(5), TOOK, NOTHING);
    assert_eq!(policy.decide(&view(85, 10), MS(10)).purge, None);
    assert!(policy.decide(&view(85, 10), MS(26)).purge.is_some());
    policy.purged(MS(30), TOOK, NOTHING);
    assert_eq!(policy.decide(&view(85, 10), MS(60)).purge, None);
    assert!(policy.decide(&view(85, 25), MS(61)).purge.is_some(), "unless much has been freed");
    policy.purged(MS(65), TOOK, RETURNED);
    assert!(policy.decide(&view(85, 10), MS(66)).purge.is_some());
}

#[test]
fn a_service_that_is_never_idle_is_purged_now_and_then() {
    let mut policy = policy(Manners::Counting);
    assert_eq!(policy.decide(&view(30, 10), MS(59_999)).purge, None);
    assert_eq!(policy.decide(&view(30, 10), MS(60_000)).purge, Some(Reason::Periodic));
    assert_eq!(policy.decide(&view(30, 1), MS(60_000)).purge, None, "where it is worth it");
}

#[test]
fn glibc_is_trimmed_in_an_idle_moment() {
    let mut policy = policy(Manners::Stalling);
    assert_eq!(policy.decide(&blind(85, 0.9), MS(0)).purge, None);
    assert_eq!(policy.decide(&blind(85, 0.1), MS(100)).purge, Some(Reason::Pressure));
    policy.purged(MS(150), TOOK, RETURNED);
    assert_eq!(policy.decide(&blind(85, 0.1), MS(10_000)).purge, None, "seldom");
    assert_eq!(policy.decide(&blind(85, 0.1), MS(10_150)).purge, Some(Reason::Pressure));
}

#[test]
fn glibc_is_trimmed_at_once_near_the_limit() {
    let mut policy = policy(Manners::Stalling);
    assert_eq!(policy.decide(&blind(84, 2.0), MS(0)).purge, None);
    assert_eq!(policy.decide(&blind(86, 2.0), MS(10)).purge, Some(Reason::Pressure));
    policy.purged(MS(30), TOOK, RETURNED);
    assert_eq!(policy.decide(&blind(95, 2.0), MS(129)).purge, None, "a fifth of the time at the most");
    assert_eq!(policy.level(), Level::Limit);
    assert_eq!(policy.decide(&blind(95, 2.0), MS(130)).purge, Some(Reason::Pressure));
    policy.purged(MS(150), TOOK, NOTHING);
    assert_eq!(policy.decide(&blind(95, 2.0), MS(349)).purge, None, "less often where little comes of it");
    assert_eq!(policy.decide(&blind(95, 2.0), MS(350)).purge, Some(Reason::Pressure));
}

#[test]
fn glibc_s_periodic_trim_waits_for_an_idle_moment_as_long_again() {
    let mut policy = policy(Manners::Stalling);
    assert_eq!(policy.decide(&blind(30, 0.9), MS(60_000)).purge, None);
    assert_eq!(policy.decide(&blind(30, 0.1), MS(60_001)).purge, Some(Reason::Periodic));
    assert_eq!(policy.decide(&blind(30, 0.9), MS(120_000)).purge, Some(Reason::Periodic));
}

#[test]
fn v8_is_asked_where_a_purge_cannot_help() {
    let mut policy = policy(Manners::Counting);
    assert!(policy.decide(&view(80, 22), MS(0)).collect.is_none(), "69 % are left after the purge");
    assert_eq!(policy.decide(&view(85, 5), MS(10)).collect, Some(Collection::Enough));
    assert!(policy.decide(&view(85, 5), MS(500)).collect.is_none(), "it has not answered");
    policy.collected(MS(500), Collected { freed: 10 * MIB, took: MS(5) });
    assert!(policy.decide(&view(85, 5), MS(549)).collect.is_none(), "a tenth of the time");
    assert!(policy.decide(&view(85, 5), MS(550)).collect.is_some());
    policy.collected(MS(560), Collected { freed: 0, took: MS(5) });
    assert!(policy.decide(&view(85, 5), MS(659)).collect.is_none(), "less often where little is freed");
    assert!(policy.decide(&view(85, 5), MS(660)).collect.is_some());
}

#[test]
fn v8_is_asked_again_where_live_memory_has_grown_since() {
    let mut policy = policy(Manners::Counting);
    assert!(policy.decide(&view(85, 0), MS(0)).collect.is_some());
    let fruitless = Collected { freed: 0, took: MS(5) };
    for at in [10, 1000, 2000, 3000] {
        policy.decide(&view(85, 0), MS(at));
        policy.collected(MS(at), fruitless);
    }
    assert!(policy.decide(&view(85, 0), MS(3100)).collect.is_none());
    assert!(policy.decide(&view(89, 0), MS(3200)).collect.is_none(), "a little");
    assert!(policy.decide(&view(91, 0), MS(3300)).collect.is_some());
    let long = Collected { freed: MIB, took: MS(1000) };
    policy.collected(MS(4300), long);
    policy.decide(&view(85, 0), MS(4400));
    assert!(
        policy.decide(&view(95, 0), MS(14_000)).collect.is_none(),
        "not where it takes long and frees little"
    );
}

/// An idle process.
fn quiet(percent: u64) -> View {
    View { cpus: 0.01, ..view(percent, 0) }
}

#[test]
fn what_a_burst_left_is_collected_when_it_is_quiet() {
    let mut policy = policy(Manners::Counting);
    assert!(policy.decide(&view(20, 0), MS(0)).collect.is_none());
    assert!(policy.decide(&view(60, 0), MS(1000)).collect.is_none(), "not while it works");
    assert!(policy.decide(&quiet(60), MS(2000)).collect.is_none());
    assert!(policy.decide(&quiet(60), MS(6999)).collect.is_none());
    assert_eq!(policy.decide(&quiet(60), MS(7000)).collect, Some(Collection::Full));
    assert!(policy.decide(&quiet(60), MS(8000)).collect.is_none(), "it has not answered");
    policy.collected(MS(8000), Collected { freed: 70 * MIB, took: MS(100) });
    for second in 8..100 {
        assert!(policy.decide(&quiet(25), MS(second * 1000)).collect.is_none(), "once, at {second} s");
    }
    assert!(policy.decide(&view(40, 0), MS(100_000)).collect.is_none());
    assert!(policy.decide(&quiet(34), MS(101_000)).collect.is_none());
    assert!(policy.decide(&quiet(34), MS(106_000)).collect.is_none(), "the next burst left too little");
    assert!(policy.decide(&quiet(36), MS(107_000)).collect.is_some());
}

#[test]
fn what_others_of_the_group_grow_by_is_not_collected() {
    let mut policy = policy(Manners::Counting);
    policy.decide(&quiet(20), MS(0));
    for second in 1..60 {
        let crowded = View { crowded: true, ..quiet(60) };
        assert!(policy.decide(&crowded, MS(second * 1000)).collect.is_none());
    }
}

#[test]
fn a_collection_in_vain_while_it_was_calm_delays_none_under_pressure() {
    let mut policy = policy(Manners::Counting);
    policy.decide(&view(20, 0), MS(0));
    policy.decide(&quiet(78), MS(1000));
    assert!(policy.decide(&quiet(78), MS(6000)).collect.is_some());
    policy.collected(MS(6010), Collected { freed: 0, took: MS(5) });
    assert!(policy.decide(&view(82, 0), MS(6200)).collect.is_some());
}

#[test]
fn work_in_between_is_not_quiet() {
    let mut policy = policy(Manners::Counting);
    policy.decide(&quiet(20), MS(0));
    for second in 1..60 {
        let view = if second % 2 == 0 { quiet(60) } else { view(60, 0) };
        assert!(policy.decide(&view, MS(second * 1000)).collect.is_none());
    }
}

#[test]
fn nothing_is_collected_in_quiet_without_leave_or_without_a_limit() {
    for (collect, budget) in [(false, quiet(0).budget), (true, None)] {
        let mut policy = Policy::new(Marks { collect, ..MARKS }, Manners::Counting, Duration::ZERO);
        policy.decide(&View { budget, ..quiet(0) }, MS(0));
        for second in 1..60 {
            let usage = budget.map(|budget| Budget { usage: LIMIT / 2, ..budget });
            assert!(policy.decide(&View { budget: usage, ..quiet(0) }, MS(second * 1000)).collect.is_none());
        }
    }
}

#[test]
fn a_large_heap_that_is_live_is_collected_less_and_less() {
    let mut policy = policy(Manners::Counting);
    let one_second = Collected { freed: 100 * MIB, took: MS(1000) };
    policy.decide(&view(95, 0), MS(0));
    let pauses: Vec<Duration> = (0..6)
        .map(|_| {
            policy.collected(MS(0), one_second);
            policy.collect_after
        })
        .collect();
    assert_eq!(pauses.first(), Some(&MS(10_000)));
    assert_eq!(pauses.last(), Some(&MS(100_000)));
}

#[test]
fn v8_is_not_asked_unless_wanted() {
    let marks = Marks { collect: false, ..MARKS };
    let mut policy = Policy::new(marks, Manners::Counting, Duration::ZERO);
    assert!(policy.decide(&view(95, 0), MS(0)).collect.is_none());
}

#[test]
fn tasks_that_wait_for_memory_are_pressure() {
    let mut policy = policy(Manners::Counting);
    let plan = policy.decide(&View { stalled: 0.2, ..view(50, 10) }, MS(0));
    assert_eq!((plan.tighten, plan.cause, plan.purge), (true, Cause::Stall, Some(Reason::Pressure)));
    assert!(policy.decide(&View { stalled: 0.05, ..view(50, 0) }, MS(10_000)).tighten);
    policy.decide(&view(50, 0), MS(10_000));
    assert!(!policy.decide(&view(50, 0), MS(15_000)).tighten);
}

#[test]
fn workers_of_a_cluster_take_turns() {
    let mut policy = Policy::new(MARKS, Manners::Counting, MS(50));
    let crowded = |percent| View { crowded: true, ..view(percent, 10) };
    assert_eq!(policy.decide(&crowded(84), MS(0)).purge, None);
    assert_eq!(policy.decide(&crowded(84), MS(49)).purge, None);
    assert_eq!(policy.decide(&crowded(84), MS(50)).purge, Some(Reason::Pressure));
    policy.purged(MS(55), TOOK, RETURNED);
    assert_eq!(policy.decide(&crowded(84), MS(60)).purge, None, "each time");
    assert_eq!(policy.decide(&crowded(86), MS(61)).purge, Some(Reason::Pressure), "not near the limit");
}

#[test]
fn the_nearer_the_limit_the_sooner_it_looks_again() {
    let mut far = policy(Manners::Counting);
    let mut near = policy(Manners::Counting);
    assert!(far.decide(&view(10, 0), MS(0)).rest > near.decide(&view(70, 0), MS(0)).rest);
    assert_eq!(near.decide(&view(100, 0), MS(10)).rest, MARKS.least_rest);
    let unlimited = View { budget: None, ..view(0, 0) };
    assert_eq!(near.decide(&unlimited, MS(20)).rest, MARKS.most_rest);
}

#[test]
fn it_looks_less_often_where_nothing_moves() {
    let mut policy = policy(Manners::Counting);
    let first = policy.decide(&view(75, 0), MS(0)).rest;
    let rests: Vec<Duration> = (1..9).map(|at| policy.decide(&view(75, 0), MS(at)).rest).collect();
    assert!(rests.is_sorted() && rests.last() == Some(&WATCHFUL_REST), "{first:?}, {rests:?}");
    assert!(policy.decide(&view(77, 0), MS(10)).rest <= first);
}

#[test]
fn without_a_limit_that_can_be_read_there_is_no_pressure() {
    let mut policy = policy(Manners::Counting);
    policy.decide(&view(95, 20), MS(0));
    let unknown = View { budget: None, ..view(0, 20) };
    policy.decide(&unknown, MS(10));
    let plan = policy.decide(&unknown, MS(6000));
    assert_eq!((policy.level(), plan.tighten, plan.purge), (Level::Calm, false, None));
}

fn any_view() -> impl Strategy<Value = View> {
    let budget = prop::option::of((any::<u64>(), any::<u64>()));
    let dirty = prop::option::of(any::<u64>());
    (budget, dirty, 0.0..2.0f64, 0.0..64.0f64, any::<bool>()).prop_map(
        |(budget, dirty, stalled, cpus, crowded)| View {
            budget: budget.map(|(limit, usage)| Budget { level: 0, limit, usage }),
            dirty,
            stalled,
            cpus,
            crowded,
            machine: crowded && cpus > 1.0,
        },
    )
}

proptest! {
    #[test]
    fn no_reading_panics_or_breaks_a_rule(
        steps in prop::collection::vec((any_view(), 0u64..100_000, any::<bool>(), any::<u64>()), 1..60),
        kind in 0..3,
    ) {
        let manners = [Manners::Counting, Manners::Blind, Manners::Stalling][kind as usize];
        let mut policy = policy(manners);
        let mut now = Duration::ZERO;
        let mut collected_at = None;
        for (view, ms, acts, freed) in steps {
            now += MS(ms);
            let plan = policy.decide(&view, now);
            prop_assert_eq!(plan.tighten, policy.level() != Level::Calm);
            prop_assert!(plan.rest >= MARKS.least_rest && plan.rest <= MARKS.most_rest);
            let dirty = view.dirty.unwrap_or(u64::MAX);
            prop_assert!(plan.purge.is_none() || dirty >= view.worth() || view.share() >= MARKS.limit);
            if plan.collect.is_some() {
                prop_assert!(collected_at.is_none_or(|at| now - at >= COLLECT_EVERY));
                collected_at = Some(now);
                policy.collected(now, Collected { freed, took: MS(ms) });
            }
            if plan.purge.is_some() && acts {
                policy.purged(now, TOOK, freed);
            }
        }
    }
}
