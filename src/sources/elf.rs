//! What an ELF file calls its functions, and its build id (elf(5)).
//!
//! The file is read, never mapped: one that is cut short meanwhile would end the process.

use std::path::Path;

use object::Endianness;
use object::elf::{FileHeader64, ProgramHeader64, SHT_DYNSYM, SHT_SYMTAB, STB_LOCAL, Sym64};
use object::elf::{PT_LOAD, STT_FUNC, STT_GNU_IFUNC, STT_NOTYPE};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, SectionTable, Sym, SymbolTable};
use object::{ReadCache, ReadRef, SectionIndex};

use super::Absent;
use super::regular::open;

const FILE: &str = "an ELF file";

/// What was found of one file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// In lower-case hexadecimal.
    pub build_id: Option<String>,
    /// As the linker has them, in the order of the places asked for.
    pub functions: Vec<Option<String>>,
}

type Header = FileHeader64<Endianness>;

/// Reads the names of the functions that cover `places`, which are offsets in the file.
pub fn read(path: &Path, places: &[u64]) -> Result<Names, Absent> {
    let cache = ReadCache::new(open(path, FILE, 0)?);
    parse(&cache, places).map_err(|_| Absent::Malformed(FILE))
}

fn parse<'data, R: ReadRef<'data>>(data: R, places: &[u64]) -> object::read::Result<Names> {
    let header = Header::parse(data)?;
    let endian = header.endian()?;
    let segments = header.program_headers(endian, data)?;
    let addresses: Vec<_> = places.iter().map(|&place| address_of(endian, segments, place)).collect();
    let sections = header.sections(endian, data)?;
    let table = match sections.symbols(endian, data, SHT_SYMTAB)? {
        // A stripped file keeps what it exports.
        none if none.is_empty() => sections.symbols(endian, data, SHT_DYNSYM)?,
        all => all,
    };
    let symbols = Symbols { endian, sections, table };
    Ok(Names { build_id: build_id(endian, segments, data)?, functions: symbols.functions(&addresses) })
}

/// Where the file's byte at `place` is loaded to, as the file itself has it.
fn address_of(endian: Endianness, segments: &[ProgramHeader64<Endianness>], place: u64) -> Option<u64> {
    segments.iter().filter(|segment| segment.p_type(endian) == PT_LOAD).find_map(|segment| {
        let inside = place.checked_sub(segment.p_offset(endian))?;
        (inside < segment.p_filesz(endian)).then(|| segment.p_vaddr(endian).wrapping_add(inside))
    })
}

fn build_id<'data, R: ReadRef<'data>>(
    endian: Endianness,
    segments: &[ProgramHeader64<Endianness>],
    data: R,
) -> object::read::Result<Option<String>> {
    for segment in segments {
        let Some(mut notes) = segment.notes(endian, data)? else { continue };
        while let Some(note) = notes.next()? {
            if note.name() == b"GNU" && note.n_type(endian) == object::elf::NT_GNU_BUILD_ID {
                return Ok(Some(note.desc().iter().map(|byte| format!("{byte:02x}")).collect()));
            }
        }
    }
    Ok(None)
}

/// What a file's symbols are, and where.
struct Symbols<'data, R: ReadRef<'data>> {
    endian: Endianness,
    sections: SectionTable<'data, Header, R>,
    table: SymbolTable<'data, Header, R>,
}

type Symbol = Sym64<Endianness>;

impl<'data, R: ReadRef<'data>> Symbols<'data, R> {
    /// The names of the functions that cover `addresses`.
    fn functions(&self, addresses: &[Option<u64>]) -> Vec<Option<String>> {
        let mut sorted: Vec<u64> = addresses.iter().flatten().copied().collect();
        sorted.sort_unstable();
        sorted.dedup();
        let functions = self.nearest(&sorted, |symbol| symbol.st_size(self.endian) > 0);
        let labels =
            self.nearest(&sorted, |symbol| symbol.st_size(self.endian) == 0 && self.is_label(symbol));
        let name = |address: u64| {
            let index = sorted.binary_search(&address).ok()?;
            self.name(self.covering(address, functions[index], labels[index])?)
        };
        addresses.iter().map(|address| address.and_then(name)).collect()
    }

    /// Labels, which have no size, reach to the next symbol or the end of their section, and count where no
    /// function covers.
    fn covering(
        &self,
        address: u64,
        function: Option<&'data Symbol>,
        label: Option<&'data Symbol>,
    ) -> Option<&'data Symbol> {
        let start = |symbol: &Symbol| symbol.st_value(self.endian);
        match (function, label) {
            (Some(function), _) if address - start(function) < function.st_size(self.endian) => {
                Some(function)
            }
            (Some(function), Some(label)) if start(label) <= start(function) => None,
            (_, label) => label.filter(|label| self.is_in_section_of(label, address)),
        }
    }

    /// For each address, the symbol that starts nearest before it. The symbols, of which an executable has a
    /// hundred thousand, are looked at once and not sorted: each is noted at the first address behind it, and what
    /// is noted then passed on.
    fn nearest(&self, sorted: &[u64], is_wanted: impl Fn(&Symbol) -> bool) -> Vec<Option<&'data Symbol>> {
        // Of several names for one function, that which others can call.
        let rank = |symbol: &Symbol| (symbol.st_value(self.endian), symbol.st_bind() != STB_LOCAL);
        let mut nearest: Vec<Option<&Symbol>> = vec![None; sorted.len()];
        for symbol in self.table.symbols().iter().filter(|symbol| self.is_code(symbol)) {
            let first = sorted.partition_point(|&address| address < symbol.st_value(self.endian));
            let Some(noted) = nearest.get_mut(first) else { continue };
            if noted.is_none_or(|noted| rank(noted) < rank(symbol)) && is_wanted(symbol) {
                *noted = Some(symbol);
            }
        }
        let mut last = None;
        for noted in &mut nearest {
            last = noted.or(last);
            *noted = last;
        }
        nearest
    }

    /// Assembly without a type is NOTYPE.
    fn is_code(&self, symbol: &Symbol) -> bool {
        let is_function = matches!(symbol.st_type(), STT_FUNC | STT_GNU_IFUNC | STT_NOTYPE);
        is_function && !symbol.is_undefined(self.endian)
    }

    /// Others are marks: where arm64's code and data start (`$x`, `$d`; AAELF64), or a compiler's own.
    fn is_label(&self, symbol: &Symbol) -> bool {
        let name = self.table.symbol_name(self.endian, symbol).unwrap_or_default();
        !matches!(name.first(), None | Some(b'$' | b'.'))
    }

    fn is_in_section_of(&self, symbol: &Symbol, address: u64) -> bool {
        let index = symbol.st_shndx(self.endian).index();
        let section = index.and_then(|index| self.sections.section(SectionIndex(index.into())).ok());
        section.is_some_and(|section| {
            let inside = address.checked_sub(section.sh_addr(self.endian));
            inside.is_some_and(|inside| inside < section.sh_size(self.endian))
        })
    }

    fn name(&self, symbol: &Symbol) -> Option<String> {
        let name = self.table.symbol_name(self.endian, symbol).ok()?;
        (!name.is_empty()).then(|| String::from_utf8_lossy(name).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;
    use crate::sources::smaps::header;

    fn this_program() -> std::path::PathBuf {
        std::env::current_exe().unwrap_or_default()
    }

    /// Wherever this system has it.
    fn libc() -> std::path::PathBuf {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        let mut files = maps.lines().filter_map(header).filter_map(|mapping| mapping.path);
        files
            .rfind(|path| path.contains("/libc.so") || path.contains("/libc.musl"))
            .unwrap_or_default()
            .into()
    }

    /// Where `nm` says that this program's functions are.
    fn functions_by_nm() -> Vec<(u64, u64, String)> {
        let printed = Command::new("nm").args(["--defined-only", "-S"]).arg(this_program()).output();
        let text =
            String::from_utf8(printed.map(|output| output.stdout).unwrap_or_default()).unwrap_or_default();
        let functions = text.lines().filter_map(|line| {
            let mut words = line.split(' ');
            let start = u64::from_str_radix(words.next()?, 16).ok()?;
            let size = u64::from_str_radix(words.next()?, 16).ok()?;
            let is_function = words.next()?.eq_ignore_ascii_case("t");
            (is_function && size > 0).then(|| (start, size, words.collect::<Vec<_>>().join(" ")))
        });
        functions.collect()
    }

    /// As `readelf` has the segments: where the file's byte for an address is.
    fn place_of(path: &Path, address: u64) -> Option<u64> {
        let printed = Command::new("readelf").args(["-lW"]).arg(path).output().ok()?;
        let text = String::from_utf8(printed.stdout).ok()?;
        let number = |word: &str| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok();
        text.lines().filter(|line| line.trim_start().starts_with("LOAD")).find_map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let (offset, start, size) = (number(words[1])?, number(words[2])?, number(words[4])?);
            (start..start + size).contains(&address).then(|| address - start + offset)
        })
    }

    #[test]
    fn functions_are_named_as_by_nm() {
        let (path, functions) = (this_program(), functions_by_nm());
        assert!(functions.len() > 1000, "{}", functions.len());
        let some: Vec<_> = functions.iter().step_by(functions.len() / 40).collect();
        let places: Vec<_> =
            some.iter().filter_map(|(start, size, _)| place_of(&path, start + size - 1)).collect();
        assert_eq!(places.len(), some.len());
        let found = read(&path, &places).unwrap_or_default().functions;
        for ((start, _, name), found) in some.into_iter().zip(found) {
            // The linker folds functions of the same code into one, which then has several names.
            let names: Vec<_> =
                functions.iter().filter(|(other, ..)| other == start).map(|(_, _, name)| name).collect();
            assert!(found.as_ref().is_some_and(|found| names.contains(&found)), "{name}: {found:?}");
        }
    }

    #[test]
    fn the_build_id_is_that_of_readelf() {
        let path = libc();
        let printed = Command::new("readelf").arg("-n").arg(&path).output().map(|output| output.stdout);
        let text = String::from_utf8(printed.unwrap_or_default()).unwrap_or_default();
        let id = text.lines().find_map(|line| line.trim().strip_prefix("Build ID: ")).map(str::to_owned);
        assert!(id.is_some());
        assert_eq!(read(&path, &[]), Ok(Names { build_id: id, functions: vec![] }));
    }

    #[test]
    fn a_place_outside_every_function_has_no_name() {
        assert_eq!(read(&this_program(), &[0, u64::MAX]).map(|names| names.functions), Ok(vec![None, None]));
    }

    #[test]
    fn what_is_no_file_is_absent() {
        assert_eq!(read(Path::new("/dev/null"), &[]), Err(Absent::Because("it is no regular file")));
        assert_eq!(read(Path::new("/nowhere"), &[]), Err(Absent::File("an ELF file", libc::ENOENT)));
        assert_eq!(read(Path::new("/proc/self/status"), &[1]), Err(Absent::Malformed("an ELF file")));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(mut bytes in prop::collection::vec(any::<u8>(), 0..2000), place in any::<u64>()) {
            let _ = parse(bytes.as_slice(), &[place]);
            if let Some(start) = bytes.get_mut(..6) {
                start.copy_from_slice(b"\x7fELF\x02\x01");
            }
            let _ = parse(bytes.as_slice(), &[place]);
        }

        /// A real file with a few bytes changed.
        #[test]
        fn a_damaged_file_is_survived(changes in prop::collection::vec((0_usize..4096, any::<u8>()), 1..20)) {
            let mut bytes = std::fs::read(libc()).unwrap_or_default();
            prop_assert!(bytes.len() > 1 << 20);
            for (index, byte) in changes {
                if let Some(place) = bytes.get_mut(index) {
                    *place = byte;
                }
            }
            let _ = parse(bytes.as_slice(), &[0x1100, 0x2000]);
        }
    }
}
