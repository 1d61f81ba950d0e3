//! jemalloc's decay times while there is pressure: what is freed goes back soon. Afterwards, exactly what there
//! was (jemalloc(3), `arenas.dirty_decay_ms`, `arena.<i>.dirty_decay_ms`, and the same for muzzy pages).

use tikv_jemalloc_ctl::raw;

use crate::live::{Kind, allocator};
use crate::sources::jemalloc::{mib, signed, size, unsigned};

/// Not 0, with which every thread returns each page itself as it frees it: put here for `npm run bench:governor`, that
/// took two fifths more processor time at a limit of 220 MB, and survived no more.
const TIGHT_DIRTY_MS: i64 = 100;
/// Pages on their way through the muzzy state count against the limit.
const TIGHT_MUZZY_MS: i64 = 0;

/// The settings that were found.
pub struct Tightened {
    dirty: Found,
    muzzy: Found,
}

impl Tightened {
    /// Has every arena return soon what is freed. `None` where no jemalloc is live.
    pub fn tighten() -> Option<Self> {
        if allocator().kind != Kind::Jemalloc {
            return None;
        }
        make_oversize_arena();
        let arenas = arena_count()?;
        // Muzzy first: else pages that leave the dirty state would stop there.
        let muzzy = Found::tighten(&MUZZY, arenas)?;
        match Found::tighten(&DIRTY, arenas) {
            Some(dirty) => Some(Self { dirty, muzzy }),
            None => {
                muzzy.restore();
                None
            }
        }
    }

    /// Puts back what was found.
    pub fn restore(self) {
        self.dirty.restore();
        self.muzzy.restore();
    }
}

/// The keys for one kind of page, and what is written to them.
struct Keys {
    /// What new arenas get.
    default: &'static [u8],
    arena_0: &'static [u8],
    tight: i64,
}

const DIRTY: Keys =
    Keys { default: b"arenas.dirty_decay_ms\0", arena_0: b"arena.0.dirty_decay_ms\0", tight: TIGHT_DIRTY_MS };
const MUZZY: Keys =
    Keys { default: b"arenas.muzzy_decay_ms\0", arena_0: b"arena.0.muzzy_decay_ms\0", tight: TIGHT_MUZZY_MS };

impl Keys {
    /// −1 is for ever.
    fn is_loose(&self, setting: i64) -> bool {
        setting < 0 || setting > self.tight
    }
}

/// The settings for one kind of page.
struct Found {
    keys: &'static Keys,
    default_mib: [usize; 2],
    default: i64,
    /// Of arena 0; the index is to be replaced.
    mib: [usize; 3],
    /// By arena; `None` for one that is not in use yet.
    arenas: Vec<Option<i64>>,
}

impl Found {
    fn tighten(keys: &'static Keys, count: usize) -> Option<Self> {
        let default_mib = mib(keys.default)?;
        let default = signed(&default_mib)?;
        let mut found =
            Self { keys, default_mib, default, mib: mib(keys.arena_0)?, arenas: Vec::with_capacity(count) };
        // The default first: an arena that is made meanwhile has ours.
        if keys.is_loose(default) {
            write(&default_mib, keys.tight);
        }
        for index in 0..count {
            let arena = found.arena(index);
            let setting = signed(&arena);
            found.arenas.push(setting);
            if setting.is_some_and(|setting| keys.is_loose(setting)) {
                write(&arena, keys.tight);
            }
        }
        Some(found)
    }

    fn arena(&self, index: usize) -> [usize; 3] {
        let [first, _, last] = self.mib;
        [first, index, last]
    }

    /// What somebody else has set meanwhile stays.
    fn restore(self) {
        let tight = self.keys.tight;
        if self.keys.is_loose(self.default) && signed(&self.default_mib) == Some(tight) {
            write(&self.default_mib, self.default);
        }
        for index in 0..arena_count().unwrap_or(0) {
            // One that was not there would have had the default.
            let setting = self.arenas.get(index).copied().flatten().unwrap_or(self.default);
            let arena = self.arena(index);
            if self.keys.is_loose(setting) && signed(&arena) == Some(tight) {
                write(&arena, setting);
            }
        }
    }
}

/// Has jemalloc make its arena for blocks of `opt.oversize_threshold` and more, which comes after the automatic ones.
/// What decay times it gets depends on the default, the version and the background threads (arena_choose_huge in
/// jemalloc's src/arena.c): made under pressure, it would have ours, and nothing would tell what to restore.
fn make_oversize_arena() {
    let automatic = mib::<2>(b"opt.narenas\0").and_then(|mib| unsigned(&mib));
    let threshold = mib::<2>(b"opt.oversize_threshold\0").and_then(|mib| size(&mib)).unwrap_or(0);
    let (Some(index), Some([first, _, last])) = (automatic, mib(DIRTY.arena_0)) else { return };
    let Ok(threshold) = usize::try_from(threshold) else { return };
    if threshold > 0 && signed(&[first, index as usize, last]).is_none() {
        // Never touched, so that only the arena takes memory. Some set a threshold that no memory is enough for.
        let mut block = Vec::<u8>::new();
        let _ = block.try_reserve_exact(threshold);
        drop(std::hint::black_box(block));
    }
}

fn arena_count() -> Option<usize> {
    mib::<2>(b"arenas.narenas\0").and_then(|mib| unsigned(&mib)).map(|count| count as usize)
}

fn write(mib: &[usize], setting: i64) {
    let Ok(setting) = isize::try_from(setting) else { return };
    // SAFETY: the key takes an `ssize_t` (jemalloc(3)), and no index is MALLCTL_ARENAS_ALL, which these keys read
    // beyond their table for. One that is refused stays as it is.
    let _ = unsafe { raw::write_mib(mib, setting) };
}
