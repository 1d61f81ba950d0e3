//! Reads what jemalloc writes: `prof.dump`, format `heap_v2` (jemalloc's src/prof_data.c, `prof_dump_impl`,
//! and src/prof_sys.c, `prof_dump_maps`).
//!
//! ```text
//! heap_v2/524288
//!   t*: 12: 73728 [0: 0]
//!   t0: 12: 73728 [0: 0] name of the thread
//! @ 0x7f9a0c0a2630 0x563230d24525
//!   t*: 12: 73728 [0: 0]
//!   t0: 12: 73728 [0: 0]
//!
//! MAPPED_LIBRARIES:
//! 563230d22000-563230d24000 r-xp 00000000 fe:00 247847      /usr/bin/node
//! ```
//!
//! Objects and bytes are what is live; in brackets is what was ever allocated, zero without `opt.prof_accum`.

use std::fmt;

use super::{ADDRESS, Dump, Mapping, Stack};
use crate::sources::smaps::{Header, header};

/// What stands between the stacks and the mappings: a copy of `/proc/self/maps`.
const MAPPINGS: &str = "\n\nMAPPED_LIBRARIES:\n";

/// Why a text is no dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// It starts otherwise.
    Foreign,
    /// Its end is missing: there was no room for it, or jemalloc could not open `/proc/self/maps`.
    CutShort,
    /// A part that is not as jemalloc writes it.
    Malformed(String),
    /// Its sums have no room in 64 bits: some counter has run below zero.
    TooMuch,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("not a heap profile of jemalloc: it does not start with heap_v2/"),
            Self::CutShort => f.write_str(
                "the heap profile ends too early: was there no room for it, or is /proc not mounted?",
            ),
            Self::TooMuch => f.write_str("the heap profile counts more bytes than there can be"),
            Self::Malformed(part) => write!(f, "not as jemalloc writes a heap profile: {part:?}"),
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    fn malformed(part: &str) -> Self {
        Self::Malformed(part.chars().take(80).collect())
    }
}

/// A whole dump. What a cut can take unnoticed is mappings, where it falls between two lines of them: names,
/// then, but never bytes.
pub fn parse(text: &str) -> Result<Dump, Error> {
    let rest = text.strip_prefix("heap_v2/").ok_or(Error::Foreign)?;
    let (samples, maps) = rest.split_once(MAPPINGS).ok_or(Error::CutShort)?;
    if !maps.ends_with('\n') {
        return Err(Error::CutShort);
    }
    // Before the first stack are the totals of all threads and of each.
    let mut parts = samples.split("\n@");
    let header = parts.next().unwrap_or_default();
    let sample_bytes = sample_bytes(header).ok_or_else(|| Error::malformed(header))?;
    let stacks = parts
        .map(|part| stack(part, sample_bytes).ok_or_else(|| Error::malformed(part)))
        // With opt.prof_accum, stacks stay of which nothing is live.
        .filter(|stack| !matches!(stack, Ok(Stack { objects: 0, bytes: 0, .. })))
        .collect::<Result<Vec<_>, _>>()?;
    check_sums(&stacks).ok_or(Error::TooMuch)?;
    Ok(Dump { sample_bytes, stacks, mappings: mappings(maps)? })
}

fn sample_bytes(header: &str) -> Option<u64> {
    header.lines().next()?.parse().ok().filter(|&bytes| bytes > 0)
}

/// So that nobody who adds them up needs to look.
fn check_sums(stacks: &[Stack]) -> Option<()> {
    let (mut objects, mut bytes) = (0_i64, 0_i64);
    for stack in stacks {
        objects = objects.checked_add(stack.objects)?;
        bytes = bytes.checked_add(stack.bytes)?;
    }
    Some(())
}

/// The addresses, a line for all threads, and one for each.
fn stack(part: &str, sample_bytes: u64) -> Option<Stack> {
    let mut lines = part.lines();
    let addresses = lines.next()?.split_ascii_whitespace().map(address).collect::<Option<_>>()?;
    let (objects, bytes) = counts(lines.next()?)?;
    let (objects, bytes) = estimate(objects, bytes, sample_bytes)?;
    Some(Stack { addresses, objects, bytes })
}

fn address(word: &str) -> Option<u64> {
    u64::from_str_radix(word.strip_prefix("0x")?, 16).ok()
}

/// jemalloc's text with addresses that are such and nothing else.
pub fn without_versions(text: &[u8]) -> Vec<u8> {
    let plain = |line: &[u8]| {
        let words = std::str::from_utf8(line).ok()?.strip_prefix("@ ")?.split(' ');
        let places: Vec<_> =
            words.map(|word| Some(format!("{:#x}", address(word)? & ADDRESS))).collect::<Option<_>>()?;
        Some(format!("@ {}", places.join(" ")).into_bytes())
    };
    let lines: Vec<_> =
        text.split(|&byte| byte == b'\n').map(|line| plain(line).unwrap_or_else(|| line.to_vec())).collect();
    lines.join(&b'\n')
}

/// `  t*: objects: bytes [objects ever: bytes ever]`
fn counts(line: &str) -> Option<(u64, u64)> {
    let (live, ever) = line.trim_start().strip_prefix("t*: ")?.split_once(" [")?;
    let (objects, bytes) = live.split_once(": ")?;
    ever.ends_with(']').then_some(())?;
    Some((objects.parse().ok()?, bytes.parse().ok()?))
}

/// What the samples stand for.
///
/// jemalloc samples an object of x bytes with the probability 1 − exp(−x ÷ rate), so each sampled one stands
/// for 1 ÷ that many. A dump has only sums by stack; jeprof (`AdjustSamples`) divides by the probability of
/// their mean size, which alone would be wrong where one stack allocates different sizes. Therefore jemalloc,
/// from 5.3 on and unless `opt.prof_unbias` is false, estimates object by object, and writes those figures
/// with which jeprof's division yields its estimates (src/prof_data.c, `prof_do_unbias`): the mean stays what
/// it is, and the division here undoes jemalloc's multiplication. So jeprof's formula is the one for every
/// version: right but for rounding from 5.3 on, and before for stacks with one size. Only 5.3.1 (with
/// `opt.disable_large_size_classes`, its default) has sizes above the small ones that its estimate takes for those of the next
/// size class, up to a quarter more (src/prof_data.c, `prof_unbias_map_init`); a dump does not tell.
fn estimate(objects: u64, bytes: u64, sample_bytes: u64) -> Option<(i64, i64)> {
    if objects == 0 || bytes == 0 {
        return Some((i64::try_from(objects).ok()?, i64::try_from(bytes).ok()?));
    }
    let (objects, bytes) = (objects as f64, bytes as f64);
    let probability = -(-bytes / objects / sample_bytes as f64).exp_m1();
    Some((whole(objects / probability)?, whole(bytes / probability)?))
}

fn whole(figure: f64) -> Option<i64> {
    (figure < i64::MAX as f64).then_some(figure.round() as i64)
}

/// Those that hold code.
fn mappings(maps: &str) -> Result<Vec<Mapping>, Error> {
    let mut mappings: Vec<Mapping> = Vec::new();
    for line in maps.lines() {
        let (mapping, executable) = mapping(line).ok_or_else(|| Error::malformed(line))?;
        make_room(&mut mappings, mapping.start);
        if executable {
            mappings.push(mapping);
        }
    }
    Ok(mappings)
}

/// The kernel writes page after page, and goes on with the first mapping that ends behind the last one: other
/// threads may have changed what it overlaps with. What it says later counts.
fn make_room(mappings: &mut Vec<Mapping>, start: u64) {
    while mappings.pop_if(|last| last.start >= start).is_some() {}
    if let Some(last) = mappings.last_mut() {
        last.end = last.end.min(start);
    }
}

/// `563230d22000-563230d24000 r-xp 00000000 fe:00 247847                     /usr/bin/node`, and whether it
/// holds code.
///
/// The path is as the kernel writes it: a newline is `\012`, and that of a file that is gone ends in
/// ` (deleted)`. A name that is no path (`[heap]`, `[anon:v8]`) says what memory is for: such code has no
/// file. Nor has `[vdso]`, which never allocates.
fn mapping(line: &str) -> Option<(Mapping, bool)> {
    let Header { start, end, permissions, offset, path, .. } = header(line)?;
    let path = path.filter(|path| path.starts_with('/')).map(str::to_owned);
    Some((Mapping { start, end, offset, path, build_id: None }, permissions[2] == b'x'))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Debian 12's node and jemalloc 5.3.0, `lg_prof_sample:14`; stacks and mappings left out.
    const REAL: &str = include_str!("../../__test__/fixtures/heap-profile/node.heap");

    #[test]
    fn a_real_dump_has_the_figures_that_pprof_util_reads() -> Result<(), Box<dyn std::error::Error>> {
        let dump = parse(REAL)?;
        let reference = pprof_util::parse_jeheap(REAL.as_bytes(), None)?;
        let reference: Vec<_> =
            reference.stacks.into_iter().map(|(stack, _)| stack).filter(|stack| stack.weight > 0.0).collect();
        assert_eq!(dump.sample_bytes, 16384);
        assert_eq!(dump.stacks.len(), reference.len());
        assert!(dump.stacks.len() > 20);
        for (stack, expected) in dump.stacks.iter().zip(&reference) {
            // pprof_util has the outermost first.
            assert!(
                stack.addresses.iter().rev().eq(expected
                    .addrs
                    .iter()
                    .map(|&address| address as u64)
                    .collect::<Vec<_>>()
                    .iter())
            );
            assert!((stack.bytes as f64 - expected.weight).abs() <= 0.5 + expected.weight * 1e-9);
        }
        let sum: i64 = dump.stacks.iter().map(|stack| stack.bytes).sum();
        let expected: f64 = reference.iter().map(|stack| stack.weight).sum();
        assert!((sum as f64 - expected).abs() <= reference.len() as f64);
        Ok(())
    }

    #[test]
    fn its_code_is_where_the_addresses_are() -> Result<(), Error> {
        let dump = parse(REAL)?;
        let holds = |path: Option<&str>| {
            dump.stacks.iter().flat_map(|stack| &stack.addresses).any(|address| {
                dump.mappings.iter().any(|mapping| {
                    mapping.path.as_deref() == path && (mapping.start..mapping.end).contains(address)
                })
            })
        };
        assert!(holds(Some("/usr/bin/node")));
        assert!(holds(Some("/usr/lib/x86_64-linux-gnu/libjemalloc.so.2")));
        // Code that V8 generated: without heapgap's hook no stack goes there.
        assert!(
            dump.mappings.iter().any(|mapping| mapping.path.is_none() && mapping.start == 0x7f44401c3000)
        );
        assert!(!dump.mappings.iter().any(|mapping| mapping.path.as_deref() == Some("[vdso]")));
        Ok(())
    }

    /// Objects of three sizes on one stack, sampled as often as is to be expected. Their mean size alone would
    /// make 105 objects and 25 MB of them.
    #[test]
    fn what_jemalloc_unbiased_comes_out_as_it_was() {
        let rate = 524_288_f64;
        let population = [(1_000_000.0, 8.0), (1.0, 8_388_608.0), (300.0, 40_960.0)];
        let objects: f64 = population.iter().map(|(count, _)| count).sum();
        let bytes: f64 = population.iter().map(|(count, size)| count * size).sum();
        // prof_do_unbias.
        let written_bytes = bytes * (1.0 - (-(bytes / objects) / rate).exp());
        let written = ((written_bytes / (bytes / objects)).round(), written_bytes.round());
        let rounding = 0.5 / written.0;
        let estimate = estimate(written.0 as u64, written.1 as u64, 524_288);
        assert!(
            matches!(estimate, Some((o, b))
                if (o as f64 / objects - 1.0).abs() <= 2.0 * rounding && (b as f64 / bytes - 1.0).abs() <= rounding),
            "{estimate:?}, written {written:?}"
        );
    }

    #[test]
    fn versions_are_taken_off_and_nothing_else() {
        let text = b"heap_v2/64\n  t*: 1: 8 [0: 0]\n@ 0x30010 0x7f00000000ab\n  t*: 1: 8 [0: 0]\n@ 0x20007f0000000010 0x5\n\xff @ 0x1\n";
        let plain = b"heap_v2/64\n  t*: 1: 8 [0: 0]\n@ 0x30010 0x7f00000000ab\n  t*: 1: 8 [0: 0]\n@ 0x7f0000000010 0x5\n\xff @ 0x1\n";
        assert_eq!(without_versions(text), plain);
    }

    #[test]
    fn nothing_live_is_no_stack() {
        let text = "heap_v2/1024\n  t*: 0: 0 [3: 99]\n@ 0x10\n  t*: 0: 0 [3: 99]\n  t1: 0: 0 [3: 99]\n\nMAPPED_LIBRARIES:\n1000-2000 r-xp 00000000 00:00 0 \n";
        let dump = parse(text);
        assert!(
            matches!(dump, Ok(Dump { sample_bytes: 1024, stacks, mappings }) if stacks.is_empty() && mappings.len() == 1)
        );
    }

    #[test]
    fn a_large_object_counts_as_one() {
        assert_eq!(estimate(1, 1 << 30, 1024), Some((1, 1 << 30)));
        assert_eq!(estimate(5, 0, 1024), Some((5, 0)));
    }

    #[test]
    fn counters_below_zero_are_refused() {
        for counts in ["18446744073709551615: 64", "1: 18446744073709551615"] {
            let text = format!("heap_v2/64\n@ 0x10\n  t*: {counts} [0: 0]\n\nMAPPED_LIBRARIES:\n");
            assert!(parse(&(text + "1000-2000 r-xp 00000000 00:00 0 \n")).is_err());
        }
    }

    #[test]
    fn a_sum_that_has_no_room_is_refused() {
        let stack = "\n@ 0x10\n  t*: 1: 6000000000000000000 [0: 0]";
        let end = "\n\nMAPPED_LIBRARIES:\n1000-2000 r-xp 00000000 00:00 0 \n";
        assert!(parse(&format!("heap_v2/64{stack}{end}")).is_ok());
        assert_eq!(parse(&format!("heap_v2/64{stack}{stack}{end}")), Err(Error::TooMuch));
    }

    #[test]
    fn what_the_kernel_says_later_counts() -> Result<(), Error> {
        let maps = "1000-3000 r-xp 00000000 00:00 0 /a\n2000-4000 r-xp 00000000 00:00 0 /b\n2000-5000 rw-p 00000000 00:00 0 \n";
        let mappings = mappings(maps)?;
        assert_eq!(mappings.len(), 1);
        assert_eq!((mappings[0].start, mappings[0].end), (0x1000, 0x2000));
        Ok(())
    }

    #[test]
    fn errors_name_what_is_wrong() {
        assert_eq!(parse("heap profile: 1: 2"), Err(Error::Foreign));
        let cut = parse("heap_v2/1024\n  t*: 1: 8 [0: 0]\n@ 0x10\n");
        assert_eq!(cut, Err(Error::CutShort));
        let wrong = "heap_v2/1024\n@ 0x10 main\n  t*: 1: 8 [0: 0]\n\nMAPPED_LIBRARIES:\n1-2 r-xp 0 0:0 0\n";
        assert!(matches!(parse(wrong), Err(Error::Malformed(part)) if part.contains("main")));
    }

    #[test]
    fn whatever_is_cut_off_is_missed() {
        let maps = REAL.find(MAPPINGS).map_or(0, |at| at + MAPPINGS.len());
        for end in (0..REAL.len()).filter(|&end| end <= maps || !REAL[..end].ends_with('\n')) {
            assert!(parse(&REAL[..end]).is_err(), "cut at {end}");
        }
    }

    /// As jemalloc writes them; sizes, so that no object has less than a byte.
    fn stacks() -> impl Strategy<Value = Vec<(Vec<u64>, u64, u64)>> {
        vec((vec(any::<u64>(), 0..20), 1..1_000_000_u64, 1..10_000_000_u64), 0..20)
    }

    proptest! {
        #[test]
        fn foreign_text_never_panics(text in any::<String>(), at in any::<proptest::sample::Index>()) {
            let _ = parse(&text);
            let _ = parse(&format!("heap_v2/{text}"));
            let mut dump = REAL.to_owned();
            let at = at.index(dump.len());
            dump.insert_str(at, &text);
            let _ = parse(&dump);
        }

        #[test]
        fn what_is_written_is_read(stacks in stacks(), threads in 1..4_usize, exponent in 0..30_u32) {
            let mut text = format!("heap_v2/{}\n  t*: 1: 2 [3: 4]\n  t3: 1: 2 [3: 4] a @ name\n", 1_u64 << exponent);
            for (addresses, objects, size) in &stacks {
                text.push('@');
                addresses.iter().try_for_each(|address| write!(text, " {address:#x}"))?;
                write!(text, "\n  t*: {objects}: {} [0: 0]\n", objects * size)?;
                (0..threads).try_for_each(|thread| writeln!(text, "  t{thread}: 1: 8 [0: 0]"))?;
            }
            text += "\nMAPPED_LIBRARIES:\n400000-401000 r-xp 00001000 fe:00 1    /a b (deleted)\n";
            let dump = parse(&text)?;
            prop_assert_eq!(dump.sample_bytes, 1 << exponent);
            prop_assert_eq!(dump.stacks.len(), stacks.len());
            for (stack, (addresses, objects, size)) in dump.stacks.iter().zip(&stacks) {
                prop_assert_eq!(&stack.addresses, addresses);
                let factor = stack.objects as f64 / *objects as f64;
                prop_assert!(factor >= 1.0);
                prop_assert!((stack.bytes as f64 / stack.objects as f64 / *size as f64 - 1.0).abs() < 0.5 / stack.objects as f64 + 1e-9);
            }
            prop_assert_eq!(&dump.mappings, &vec![Mapping {
                start: 0x400000,
                end: 0x401000,
                offset: 0x1000,
                path: Some("/a b (deleted)".to_owned()),
                build_id: None,
            }]);
        }
    }
}
