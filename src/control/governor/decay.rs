//! jemalloc's decay times while there is pressure: what is freed goes back soon. Afterwards, exactly what there
//! was (jemalloc(3), `arenas.dirty_decay_ms`, `arena.<i>.dirty_decay_ms`, and the same for muzzy pages).

use tikv_jemalloc_ctl::raw;

use crate::live::{Kind, allocator};

/// Not 0, with which every thread returns each page itself as it frees it: at a limit of 220 MB that took two fifths
/// more processor time than this, and survived no more (docs/governor.md).
const TIGHT_DIRTY_MS: isize = 100;
/// Pages on their way through the muzzy state count against the limit.
const TIGHT_MUZZY_MS: isize = 0;

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
        let arenas = unsigned(b"arenas.narenas\0")?;
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
    tight: isize,
}

const DIRTY: Keys =
    Keys { default: b"arenas.dirty_decay_ms\0", arena_0: b"arena.0.dirty_decay_ms\0", tight: TIGHT_DIRTY_MS };
const MUZZY: Keys =
    Keys { default: b"arenas.muzzy_decay_ms\0", arena_0: b"arena.0.muzzy_decay_ms\0", tight: TIGHT_MUZZY_MS };

impl Keys {
    /// −1 is for ever.
    fn is_loose(&self, setting: isize) -> bool {
        setting < 0 || setting > self.tight
    }
}

/// The settings for one kind of page.
struct Found {
    keys: &'static Keys,
    default: isize,
    /// Of arena 0; the index is to be replaced.
    mib: [usize; 3],
    /// By arena; `None` for one that is not in use yet.
    arenas: Vec<Option<isize>>,
}

impl Found {
    fn tighten(keys: &'static Keys, count: u32) -> Option<Self> {
        let mib = mib(keys.arena_0)?;
        let default = read(keys.default)?;
        let mut found = Self { keys, default, mib, arenas: Vec::with_capacity(count as usize) };
        // The default first: an arena that is made meanwhile has ours.
        if keys.is_loose(default) {
            write(keys.default, keys.tight);
        }
        for index in 0..count as usize {
            let arena = found.arena(index);
            let setting = read_mib(&arena);
            found.arenas.push(setting);
            if setting.is_some_and(|setting| keys.is_loose(setting)) {
                write_mib(&arena, keys.tight);
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
        let Keys { default, tight, .. } = *self.keys;
        if self.keys.is_loose(self.default) && read(default) == Some(tight) {
            write(default, self.default);
        }
        let count = unsigned(b"arenas.narenas\0").unwrap_or(0) as usize;
        for index in 0..count {
            // One that was not there would have had the default.
            let setting = self.arenas.get(index).copied().flatten().unwrap_or(self.default);
            let arena = self.arena(index);
            if self.keys.is_loose(setting) && read_mib(&arena) == Some(tight) {
                write_mib(&arena, setting);
            }
        }
    }
}

/// Has jemalloc make its arena for blocks of `opt.oversize_threshold` and more, which comes after the automatic ones.
/// What decay times it gets depends on the default, the version and the background threads (arena_choose_huge in
/// jemalloc's src/arena.c): made under pressure, it would have ours, and nothing would tell what to restore.
fn make_oversize_arena() {
    let Some(index) = unsigned(b"opt.narenas\0") else { return };
    let Some([first, _, last]) = mib(DIRTY.arena_0) else { return };
    // SAFETY: every bit pattern is a `usize`, and a key of another size answers EINVAL.
    let threshold = unsafe { raw::read::<usize>(b"opt.oversize_threshold\0") }.unwrap_or(0);
    if threshold > 0 && read_mib(&[first, index as usize, last]).is_none() {
        // Never touched, so that only the arena takes memory. Some set a threshold that no memory is enough for.
        let mut block = Vec::<u8>::new();
        let _ = block.try_reserve_exact(threshold);
        drop(std::hint::black_box(block));
    }
}

fn mib(key: &[u8]) -> Option<[usize; 3]> {
    let mut mib = [0; 3];
    raw::name_to_mib(key, &mut mib).ok().map(|()| mib)
}

fn unsigned(key: &'static [u8]) -> Option<u32> {
    // SAFETY: every bit pattern is a `u32`, and a key of another size answers EINVAL.
    unsafe { raw::read::<u32>(key) }.ok()
}

fn read(key: &'static [u8]) -> Option<isize> {
    // SAFETY: every bit pattern is an `isize`, and a key of another size answers EINVAL.
    unsafe { raw::read::<isize>(key) }.ok()
}

fn read_mib(mib: &[usize]) -> Option<isize> {
    // SAFETY: as above. An arena that is not in use answers EFAULT.
    unsafe { raw::read_mib::<isize>(mib) }.ok()
}

fn write(key: &'static [u8], setting: isize) {
    // SAFETY: the key takes an `ssize_t` (jemalloc(3)). One that is refused stays as it is.
    let _ = unsafe { raw::write(key, setting) };
}

fn write_mib(mib: &[usize], setting: isize) {
    // SAFETY: as above; no index is MALLCTL_ARENAS_ALL, which these keys read beyond their table for.
    let _ = unsafe { raw::write_mib(mib, setting) };
}
