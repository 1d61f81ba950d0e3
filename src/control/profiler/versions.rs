//! Which code is at an address now: V8 puts code where it has dropped other, and a sample from before must not be
//! named after it.
//!
//! So each address that a backtrace finds in generated code is handed to jemalloc with a version above its 48 bits, which
//! jemalloc takes for a part of it. Looking one up takes no lock and no memory: it happens inside malloc.

use std::sync::atomic::{AtomicU16, Ordering};

use crate::profile::{ADDRESS, ADDRESS_BITS};

/// V8 aligns code to so many bytes at the least (kCodeAlignment in its src/common/globals.h).
const SLOT_BITS: u32 = 5;
/// So much code, 64 MB, before two pieces share a slot. Only what is used is resident.
const INDEX_BITS: u32 = 21;

/// By slot: in the low byte the version, in the high one what tells most addresses apart that share it.
static SLOTS: [AtomicU16; 1 << INDEX_BITS] = [const { AtomicU16::new(0) }; 1 << INDEX_BITS];

/// Any odd number: where the code of each thread begins at the same low bits, it is not to lie in the same slots.
const SPREAD: u64 = 0x9e37_79b9;

fn above(address: u64) -> u64 {
    address >> (SLOT_BITS + INDEX_BITS)
}

fn slot(address: u64) -> &'static AtomicU16 {
    let index = (address >> SLOT_BITS).wrapping_add(above(address).wrapping_mul(SPREAD));
    &SLOTS[index as usize & (SLOTS.len() - 1)]
}

fn tag(address: u64) -> u16 {
    let above = above(address);
    ((above ^ (above >> 8) ^ (above >> 16)) as u16) << 8
}

/// The version of the code at `address`; 0 where none is known.
fn version(address: u64) -> u8 {
    let found = slot(address).load(Ordering::Relaxed);
    if found & 0xff00 == tag(address) { found as u8 } else { 0 }
}

/// The return address with the version of the code that it returns to.
pub fn mark(address: u64) -> u64 {
    let address = address & ADDRESS;
    u64::from(version(address.saturating_sub(1))) << ADDRESS_BITS | address
}

/// Tells apart what is sampled there from now on, and answers its version.
pub fn renew(start: u64, len: u64) -> u8 {
    let slots = || (start..start.saturating_add(len)).step_by(1 << SLOT_BITS);
    let next = unused(slots().map(|address| slot(address).load(Ordering::Relaxed) as u8));
    for address in slots() {
        slot(address).store(tag(address) | u16::from(next), Ordering::Relaxed);
    }
    next
}

/// The next version that is none of those in `used`, whosever they are.
fn unused(used: impl Iterator<Item = u8>) -> u8 {
    let mut taken = [false; 256];
    let mut last = 0;
    for version in used {
        taken[usize::from(version)] = true;
        last = last.max(version);
    }
    let mut others = (last..=u8::MAX).chain(1..=last).filter(|&version| version != 0);
    others.find(|&version| !taken[usize::from(version)]).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 0x7f12_3456_0000;

    #[test]
    fn code_that_comes_later_has_another_version() {
        let first = renew(START, 100);
        assert_eq!(mark(START + 50) >> ADDRESS_BITS, u64::from(first));
        assert_eq!(mark(START + 100) & ADDRESS, START + 100);
        let second = renew(START + 64, 64);
        assert_ne!(first, second);
        assert_eq!(mark(START + 50) >> ADDRESS_BITS, u64::from(first), "the rest is as it was");
        assert_eq!(
            mark(START + 128) >> ADDRESS_BITS,
            u64::from(second),
            "a call at its very end returns behind it"
        );
        assert_eq!(mark(START + 129), START + 129);
    }

    #[test]
    fn versions_begin_anew_and_never_at_none() {
        let start = START + (1 << 20);
        assert!((0..600).all(|_| renew(start, 32) != 0));
    }

    #[test]
    fn one_that_is_in_use_is_not_taken() {
        assert_eq!(unused([1, 255].into_iter()), 2);
        assert_eq!(unused([0, 0].into_iter()), 1);
        assert_eq!(unused([7, 3].into_iter()), 8);
    }

    /// An address in the slot of `address`, far away.
    fn neighbour(address: u64) -> u64 {
        let far = address + (5 << 26);
        let mut others = (0..1_u64 << INDEX_BITS).map(|index| far & !((1 << 26) - 1) | index << SLOT_BITS);
        others.find(|&other| std::ptr::eq(slot(other), slot(address))).unwrap_or(0)
    }

    #[test]
    fn what_shares_a_slot_has_no_version_of_it_and_takes_none_back() {
        let start = START + (2 << 20);
        let other = neighbour(start);
        let first = renew(start, 32);
        assert_eq!(mark(other + 8), other + 8);
        let second = renew(other, 32);
        assert_eq!(mark(start + 8), start + 8);
        assert!(![first, second].contains(&renew(start, 32)));
    }

    #[test]
    fn each_thread_s_code_has_slots_of_its_own() {
        assert!(!std::ptr::eq(slot(START), slot(START + (1 << 26))));
    }
}
