//! Fixture trees stand for `/`: `__test__/fixtures/cgroup/<case>`.

use super::*;

const UNLIMITED: fn(&'static str) -> Figure = |file| Err(Absent::Unlimited(file));
/// `file` less `shmem` of the fixtures: active_file + inactive_file.
const PAGE_CACHE: u64 = 150_994_944 + 62_914_560;
const SLAB_RECLAIMABLE: u64 = 7_340_032;

/// The process that the fixtures are of.
const PID: u32 = 4711;

fn read(case: &str) -> (Source, Cgroup) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("__test__/fixtures/cgroup").join(case);
    let source = Source::new(&root, PID);
    let cgroup = source.read(Duration::ZERO).value;
    (source, cgroup)
}

#[test]
fn v2_container() {
    let (source, cgroup) = read("v2-container");
    assert_eq!(source.version(), Some(Version::V2));
    assert_eq!(source.path(cgroup.level).as_deref(), Some("/"));
    assert_eq!(cgroup.limit, Ok(536_870_912));
    assert_eq!(cgroup.high, UNLIMITED("memory.high"));
    assert_eq!(cgroup.usage, Ok(350_000_000));
    assert_eq!(cgroup.reclaimable, Ok(PAGE_CACHE + SLAB_RECLAIMABLE));
    assert_eq!(cgroup.unreclaimable(), Ok(350_000_000 - PAGE_CACHE - SLAB_RECLAIMABLE));
    assert_eq!(cgroup.peak, Ok(498_073_600));
    assert_eq!(cgroup.oom_kills, Ok(2));
    let pressure = cgroup.pressure.map(|pressure| (pressure.some.avg10, pressure.full.total_us));
    assert_eq!(pressure, Ok((1.53, 3_500_123)));
}

#[test]
fn v2_limit_on_the_slice_around_the_service() {
    let (source, cgroup) = read("v2-nested");
    assert_eq!(source.path(cgroup.level).as_deref(), Some("/system.slice"));
    assert_eq!(cgroup.limit, Ok(1_073_741_824));
    assert_eq!(cgroup.high, Ok(966_367_641));
    assert_eq!(cgroup.usage, Ok(700_000_000), "of the group that the limit stands on");
    assert_eq!(cgroup.peak, Ok(900_000_000));
    assert_eq!(cgroup.oom_kills, Ok(1), "of the process's own group");
}

#[test]
fn v2_without_a_limit_on_an_old_kernel() {
    let (source, cgroup) = read("v2-old-unlimited");
    assert_eq!(source.path(cgroup.level).as_deref(), Some("/user.slice"));
    assert_eq!(cgroup.limit, UNLIMITED("memory.max"));
    assert_eq!(cgroup.usage, Ok(350_000_000));
    assert_eq!(cgroup.peak, Err(Absent::File("memory.peak", libc::ENOENT)));
    assert_eq!(cgroup.oom_kills, Ok(0));
    assert_eq!(cgroup.pressure, Err(Absent::File("memory.pressure", libc::ENOENT)));
}

#[test]
fn v2_leaf_without_a_memory_controller() {
    let (source, cgroup) = read("v2-no-controller-in-leaf");
    assert_eq!(source.path(cgroup.level).as_deref(), Some("/app"));
    assert_eq!(cgroup.limit, Ok(268_435_456));
}

#[test]
fn v2_process_outside_of_its_namespace() {
    let (source, cgroup) = read("v2-outside-namespace");
    assert_eq!(source.version(), None, "the group at the mount's root is somebody else's");
    assert!(matches!(cgroup.limit, Err(Absent::Because(_))), "{cgroup:?}");
}

#[test]
fn v2_mount_root_that_lists_the_process() {
    let (source, cgroup) = read("v2-mount-root-lists-it");
    assert_eq!(source.path(cgroup.level).as_deref(), Some("/"));
    assert_eq!(cgroup.limit, Ok(134_217_728));
    assert_eq!(cgroup.reclaimable, Err(Absent::File("memory.stat", libc::ENOENT)));
    assert_eq!(cgroup.unreclaimable(), cgroup.reclaimable);
}

#[test]
fn v2_throttled_below_the_limit_of_the_group_around() {
    let (source, cgroup) = read("v2-high-inside");
    assert_eq!(source.path(cgroup.level).as_deref(), Some("/system.slice"));
    assert_eq!(cgroup.limit, Ok(1_073_741_824));
    assert_eq!(cgroup.high, Ok(300_000_000));
}

#[test]
fn a_process_that_is_moved_is_followed_and_a_failure_is_not_kept() {
    let root = std::env::temp_dir().join(format!("heapgap-cgroup-{}", std::process::id()));
    let group = |name: &str| root.join("sys/fs/cgroup").join(name);
    let write = |file: &Path, text: &str| {
        let made = file.parent().map(std::fs::create_dir_all);
        assert!(matches!(made, Some(Ok(()))) && std::fs::write(file, text).is_ok());
    };
    let source = Source::new(&root, PID);
    assert!(matches!(source.now().limit, Err(Absent::File("proc/self/cgroup", _))));
    write(&root.join("proc/self/mountinfo"), "31 1 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    for (name, limit) in [("a", 1000), ("b", 2000)] {
        write(&group(name).join("memory.max"), &format!("{limit}\n"));
        write(&root.join("proc/self/cgroup"), &format!("0::/{name}\n"));
        source.found.lock().unwrap_or_else(PoisonError::into_inner).checked = None;
        assert_eq!(source.now().limit, Ok(limit), "{name}");
    }
    let _ = std::fs::remove_dir_all(&root);
}

#[test]
fn v1_container() {
    let (source, cgroup) = read("v1-container");
    assert_eq!(source.version(), Some(Version::V1), "the unified line of a hybrid system does not count");
    assert_eq!(source.path(cgroup.level).as_deref(), Some("/"));
    assert_eq!(cgroup.limit, Ok(536_870_912));
    assert_eq!(cgroup.high, Err(NO_HIGH));
    assert_eq!(cgroup.usage, Ok(350_000_000));
    assert_eq!(cgroup.reclaimable, Ok(PAGE_CACHE), "the total_ lines");
    assert_eq!(cgroup.peak, Ok(498_073_600));
    assert_eq!(cgroup.oom_kills, Ok(3));
    assert_eq!(cgroup.pressure.map(|pressure| pressure.some.avg60), Ok(0.87), "the machine's");
}

#[test]
fn v1_pod_limit_below_the_container_limit() {
    let (source, cgroup) = read("v1-nested");
    assert_eq!(source.path(cgroup.level).as_deref(), Some("/kubepods/burstable/pod1"));
    assert_eq!(cgroup.limit, Ok(536_870_912));
    assert_eq!(cgroup.usage, Ok(500_000_000));
    assert_eq!(cgroup.oom_kills, Ok(1), "of the process's own group");
}

#[test]
fn v1_limit_on_a_group_that_cannot_be_seen() {
    let (source, cgroup) = read("v1-limit-outside");
    assert_eq!(source.path(cgroup.level).as_deref(), Some("/"));
    assert_eq!(cgroup.limit, Ok(805_306_368));
}

#[test]
fn broken_files_are_missing_figures() {
    let (_, cgroup) = read("v2-broken");
    assert_eq!(cgroup.limit, Err(Absent::Malformed("memory.max")));
    assert_eq!(cgroup.high, Err(Absent::File("memory.high", libc::ENOENT)));
    assert_eq!(cgroup.usage, Err(Absent::Malformed("memory.current")));
    assert_eq!(cgroup.reclaimable, Err(Absent::NoLine("memory.stat", "active_file")));
    assert_eq!(cgroup.peak, Err(Absent::Malformed("memory.peak")));
    assert_eq!(cgroup.oom_kills, Err(Absent::Malformed("memory.events")));
    assert_eq!(cgroup.pressure, Err(Absent::Malformed("memory.pressure")));
}

#[test]
fn no_memory_cgroup() {
    let (source, cgroup) = read("none");
    assert_eq!(source.version(), None);
    assert!(matches!(cgroup.limit, Err(Absent::Because(_))), "{cgroup:?}");
    let (source, cgroup) = read("no-such-fixture");
    assert_eq!(source.version(), None);
    assert_eq!(cgroup.usage, Err(Absent::File("proc/self/cgroup", libc::ENOENT)));
}

/// Limit and usage of the fullest group.
fn budget(case: &str) -> Result<(u64, u64), Absent> {
    read(case).0.budget().map(|budget| (budget.limit, budget.usage))
}

#[test]
fn budgets() {
    let used = 350_000_000 - PAGE_CACHE;
    assert_eq!(budget("v1-container"), Ok((536_870_912, used)));
    assert_eq!(budget("v1-limit-outside").map(|(limit, _)| limit), Ok(805_306_368));
    assert_eq!(budget("v2-old-unlimited"), UNLIMITED_BUDGET);
    assert!(budget("v2-broken").is_err_and(|reason| reason == Absent::Malformed("memory.max")));
    assert!(matches!(budget("none"), Err(Absent::Because(_))));
}

const UNLIMITED_BUDGET: Result<(u64, u64), Absent> = Err(Absent::Unlimited("memory.max"));

#[test]
fn a_budget_is_of_the_fullest_group_and_memory_high_counts() {
    // Of the inner group's 300,000,000 (its memory.high) 45 % are used, of the outer one's 50 %; that one's
    // memory.max is further away.
    let [cache, outer_cache] = [PAGE_CACHE + SLAB_RECLAIMABLE, 700_000_000 - 478_750_464];
    assert!((350_000_000 - cache) * 2 < 300_000_000);
    assert_eq!(budget("v2-high-inside"), Ok((966_367_641, 700_000_000 - outer_cache)));
}

#[test]
fn the_time_that_tasks_have_waited_for_memory() {
    // As in the file that `v2_container` reads.
    assert_eq!(read("v2-container").0.stalled(), Ok(4_710_235));
    assert!(
        matches!(read("v1-container").0.stalled(), Err(Absent::Because(_))),
        "the machine's is another's"
    );
}

#[test]
fn what_is_charged_to_a_group() {
    let (source, _) = read("v2-high-inside");
    assert_eq!((source.charged(0), source.charged(1)), (Ok(350_000_000), Ok(700_000_000)));
    assert!(source.charged(7).is_err());
}
