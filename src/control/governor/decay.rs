//! jemalloc's decay times while there is pressure: nothing freed is kept. Afterwards, exactly what there
//! was (jemalloc(3), `arenas.dirty_decay_ms`, `arena.<i>.dirty_decay_ms`, and the same for muzzy pages).

use tikv_jemalloc_ctl::raw;

use crate::live::{Kind, allocator};

/// Returned at once.
const AT_ONCE: isize = 0;

/// The settings that were found.
pub struct Tightened {
    dirty: Found,
    muzzy: Found,
}

impl Tightened {
    /// Has every arena return what is freed at once, and what has been freed already. `None` where no
    /// jemalloc is live.
    pub fn tighten() -> Option<Self> {
        if allocator().kind != Kind::Jemalloc {
            return None;
        }
        make_oversize_arena();
        let arenas = unsigned(b"arenas.narenas\0")?;
        // Muzzy first: else pages that leave the dirty state would stop there.
        let muzzy = Found::tighten(b"arenas.muzzy_decay_ms\0", b"arena.0.muzzy_decay_ms\0", arenas)?;
        let dirty = Found::tighten(b"arenas.dirty_decay_ms\0", b"arena.0.dirty_decay_ms\0", arenas)?;
        Some(Self { dirty, muzzy })
    }

    /// Puts back what was found.
    pub fn restore(self) {
        self.dirty.restore();
        self.muzzy.restore();
    }
}

/// The settings for one kind of page.
struct Found {
    /// What new arenas get.
    default_key: &'static [u8],
    default: isize,
    /// Of arena 0; the index is to be replaced.
    mib: [usize; 3],
    /// By arena; `None` for one that is not in use yet.
    arenas: Vec<Option<isize>>,
}

impl Found {
    fn tighten(default_key: &'static [u8], key: &'static [u8], count: u32) -> Option<Self> {
        let mut mib = [0; 3];
        raw::name_to_mib(key, &mut mib).ok()?;
        let default = read(default_key)?;
        let mut found = Self { default_key, default, mib, arenas: Vec::with_capacity(count as usize) };
        // The default first: an arena that is made meanwhile has ours.
        write(default_key, AT_ONCE);
        for index in 0..count as usize {
            let setting = read_mib(&found.arena(index));
            found.arenas.push(setting);
            if setting.is_some_and(|setting| setting != AT_ONCE) {
                write_mib(&found.arena(index), AT_ONCE);
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
        if read(self.default_key) == Some(AT_ONCE) {
            write(self.default_key, self.default);
        }
        let count = unsigned(b"arenas.narenas\0").unwrap_or(0) as usize;
        for index in 0..count {
            // One that was not there would have had the default.
            let setting = self.arenas.get(index).copied().flatten().unwrap_or(self.default);
            let arena = self.arena(index);
            if setting != AT_ONCE && read_mib(&arena) == Some(AT_ONCE) {
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
    let mut key = [0; 3];
    let Ok(()) = raw::name_to_mib(b"arena.0.dirty_decay_ms\0", &mut key) else { return };
    key[1] = index as usize;
    let is_there = read_mib(&key).is_some();
    // SAFETY: every bit pattern is a `usize`, and a key of another size answers EINVAL.
    let threshold = unsafe { raw::read::<usize>(b"opt.oversize_threshold\0") }.unwrap_or(0);
    if !is_there && threshold > 0 {
        // Never touched, so that only the arena takes memory.
        drop(std::hint::black_box(Vec::<u8>::with_capacity(threshold)));
    }
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
