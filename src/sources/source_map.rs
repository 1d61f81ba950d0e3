//! Where a script was generated from: the map that its `sourceMappingURL` names (ECMA-426).
//!
//! The map is decoded as it is read, and only what was asked for is kept: the maps of bundles are tens of
//! megabytes. Nothing is fetched, and the sources themselves are not looked at.

use std::io::{self, BufRead, BufReader, Bytes, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::Absent;
use super::regular::{absent, next_line, open};

const SCRIPT: &str = "the script";
const MAP: &str = "its source map";

/// A larger map is not read.
const LARGEST: u64 = 64 << 20;

/// Where V8 says that a function starts: its parameters, or the word `class`. Counted from 0, in UTF-16 units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub line: u32,
    pub column: u32,
    /// How long the function's name is there.
    pub name: u32,
}

/// What a function was generated from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// A path, or the name that a bundler made up: `webpack://…`.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// Where it had another name.
    pub name: Option<String>,
}

/// Reads where the functions at `places` come from. A script that names no map was not generated.
pub fn read(script: &Path, places: &[Place]) -> Result<Vec<Option<Origin>>, Absent> {
    let mut reader = BufReader::new(open(script, SCRIPT, 0)?);
    let Some(url) = find_url(&mut reader).map_err(|error| absent(SCRIPT, &error))? else {
        return Ok(vec![None; places.len()]);
    };
    if let Some(data) = url.text.strip_prefix("data:") {
        let (kind, _) = data.split_once(',').unwrap_or((data, ""));
        if !kind.ends_with(";base64") {
            return Err(Absent::Because("its source map is in no encoding that heapgap reads"));
        }
        let start = url.offset + ("data:".len() + kind.len() + 1) as u64;
        reader.seek(SeekFrom::Start(start)).map_err(|error| absent(SCRIPT, &error))?;
        return decode(Base64::new(reader), script, places);
    }
    let path = path_beside(script, &url.text).ok_or(Absent::Because("its source map is in no file"))?;
    let file = open(&path, MAP, 0)?;
    if file.metadata().map_err(|error| absent(MAP, &error))?.len() > LARGEST {
        return Err(Absent::Because("its source map is larger than 64 MiB"));
    }
    decode(file, &path, places)
}

struct Url {
    /// Where in the script it is.
    offset: u64,
    /// At least what tells a file's name from data.
    text: String,
}

/// Only comments and empty lines can follow the URL (ECMA-426, "Linking generated code to source maps").
fn find_url(script: &mut impl BufRead) -> io::Result<Option<Url>> {
    const MARKS: [&[u8]; 2] = [b"//# sourceMappingURL=", b"//@ sourceMappingURL="];
    let (mut offset, mut line, mut found) = (0, Vec::new(), None);
    loop {
        let length = next_line(script, &mut line)?;
        if length == 0 {
            return Ok(found);
        }
        let text = line.trim_ascii();
        if let Some(url) = MARKS.iter().find_map(|mark| text.strip_prefix(*mark)) {
            let indent = line.len() - line.trim_ascii_start().len();
            let text = String::from_utf8_lossy(url).split_whitespace().next().unwrap_or_default().to_owned();
            found = Some(Url { offset: offset + (indent + MARKS[0].len()) as u64, text });
        } else if !text.is_empty() && !text.starts_with(b"//") {
            found = None;
        }
        offset += length;
    }
}

/// The file that a URL in `from` means; `None` where it is no file.
fn path_beside(from: &Path, url: &str) -> Option<PathBuf> {
    if let Some(path) = url.strip_prefix("file://") {
        return Some(PathBuf::from(percent_decoded(path)));
    }
    if url.contains("://") {
        return None;
    }
    Some(normal(&from.parent()?.join(percent_decoded(url))))
}

/// Without `.` and `..`, which are those of URLs: links are not asked.
fn normal(path: &Path) -> PathBuf {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts
}

/// What a URL stands for; what is no escape, or no text, stays.
pub fn percent_decoded(encoded: &str) -> String {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((&byte, others)) = rest.split_first() {
        let value = (byte == b'%').then(|| others.first_chunk()).flatten().and_then(hexadecimal);
        bytes.push(value.unwrap_or(byte));
        rest = if value.is_some() { &others[2..] } else { others };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| encoded.to_owned())
}

fn hexadecimal(digits: &[u8; 2]) -> Option<u8> {
    let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
    u8::try_from(high? * 16 + low?).ok()
}

/// The value of a digit, in the base64 of data and of mappings alike.
fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

/// Decodes base64 up to what is none: its padding, or the end of the line.
struct Base64<R> {
    encoded: Bytes<R>,
    bits: u32,
    count: u32,
}

impl<R: BufRead> Base64<R> {
    fn new(encoded: R) -> Self {
        Self { encoded: encoded.bytes(), bits: 0, count: 0 }
    }

    fn byte(&mut self) -> io::Result<Option<u8>> {
        while self.count < 8 {
            let Some(digit) = self.encoded.next().transpose()?.and_then(digit) else { return Ok(None) };
            self.bits = self.bits << 6 | u32::from(digit);
            self.count += 6;
        }
        self.count -= 8;
        Ok(Some((self.bits >> self.count) as u8))
    }
}

impl<R: BufRead> Read for Base64<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut read = 0;
        for place in bytes {
            let Some(byte) = self.byte()? else { break };
            *place = byte;
            read += 1;
        }
        Ok(read)
    }
}

/// The parts of a map that are needed. Its sources' text, which is most of it, is passed over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Map {
    #[serde(default)]
    mappings: String,
    source_root: Option<String>,
    #[serde(default)]
    sources: Vec<Option<String>>,
    #[serde(default)]
    names: Vec<String>,
    /// In their place, maps of parts of the script.
    sections: Option<Vec<Section>>,
}

#[derive(Deserialize)]
struct Section {
    offset: Start,
    map: Map,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Start {
    line: u32,
    column: u32,
}

/// `path` is the map's own, or the script's that it is in: what its sources' names are relative to.
fn decode(map: impl Read, path: &Path, places: &[Place]) -> Result<Vec<Option<Origin>>, Absent> {
    let map: Map = serde_json::from_reader(BufReader::new(map.take(LARGEST))).map_err(|error| match error
        .io_error_kind()
    {
        Some(kind) => absent(MAP, &kind.into()),
        None => Absent::Malformed(MAP),
    })?;
    map.origins(path, places).ok_or(Absent::Malformed(MAP))
}

impl Map {
    fn origins(&self, path: &Path, places: &[Place]) -> Option<Vec<Option<Origin>>> {
        if let Some(sections) = &self.sections {
            return origins_in(sections, path, places);
        }
        let mut wanted: Vec<_> = places.iter().flat_map(|&place| wanted_for(place)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let found = find(&self.mappings, &wanted)?;
        let segment_at = |start: Start| found[wanted.binary_search(&start).ok()?];
        Some(places.iter().map(|&place| self.origin(path, place, segment_at)).collect())
    }

    fn origin(
        &self,
        path: &Path,
        place: Place,
        segment_at: impl Fn(Start) -> Option<Segment>,
    ) -> Option<Origin> {
        let source = segment_at(place.start())?.source?;
        Some(Origin {
            file: self.file(path, source.file)?,
            line: source.line.checked_add(1)?,
            name: self.name(place, segment_at),
        })
    }

    /// Only where a segment with a name is just as far away as the name must be: others are of something else.
    fn name(&self, place: Place, segment_at: impl Fn(Start) -> Option<Segment>) -> Option<String> {
        let before = Start { column: place.column.checked_sub(1)?, ..place.start() };
        let last = segment_at(before)?.column;
        let (start, _) = names_before(place).find(|&(start, expected)| {
            last == expected && segment_at(start).is_some_and(|segment| segment.column == start.column)
        })?;
        self.names.get(segment_at(start)?.source?.name?).cloned()
    }

    fn file(&self, path: &Path, index: usize) -> Option<String> {
        let source = self.sources.get(index)?.as_deref()?;
        let url = match self.source_root.as_deref() {
            None | Some("") => source.to_owned(),
            Some(root) => format!("{}/{source}", root.trim_end_matches('/')),
        };
        Some(path_beside(path, &url).map_or(url, |path| path.to_string_lossy().into_owned()))
    }
}

/// Each place in the last section that starts before it.
fn origins_in(sections: &[Section], path: &Path, places: &[Place]) -> Option<Vec<Option<Origin>>> {
    let section_of = |place: &Place| {
        sections
            .iter()
            .rposition(|section| section.offset <= Start { line: place.line, column: place.column })
    };
    let mut origins = vec![None; places.len()];
    for (index, section) in sections.iter().enumerate() {
        let inside: Vec<_> =
            (0..places.len()).filter(|&place| section_of(&places[place]) == Some(index)).collect();
        let moved: Vec<_> = inside.iter().map(|&place| places[place].after(section.offset)).collect();
        if !moved.is_empty() {
            for (place, origin) in inside.into_iter().zip(section.map.origins(path, &moved)?) {
                origins[place] = origin;
            }
        }
    }
    Some(origins)
}

impl Place {
    fn start(self) -> Start {
        Start { line: self.line, column: self.column }
    }

    fn after(self, offset: Start) -> Place {
        let column = if self.line == offset.line { offset.column } else { 0 };
        Place {
            line: self.line.saturating_sub(offset.line),
            column: self.column.saturating_sub(column),
            ..self
        }
    }
}

/// What may stand between a function's name and its place: a sign, and a word, which has a segment of its own.
const BETWEEN: [(&str, &str); 7] = [
    ("", ""),
    ("=", ""),
    ("=", "function"),
    ("=", "async function"),
    (" = ", ""),
    (" = ", "function"),
    (" = ", "function "),
];

/// Where the name of the function at a place may be, and where its last segment must start if it is there.
fn names_before(place: Place) -> impl Iterator<Item = (Start, u32)> {
    let columns = BETWEEN.iter().filter_map(move |(sign, word)| {
        let word_at = place.column.checked_sub(word.len() as u32)?;
        let name_at = word_at.checked_sub(sign.len() as u32)?.checked_sub(place.name)?;
        Some((name_at, if word.is_empty() { name_at } else { word_at }))
    });
    let columns = columns.filter(move |_| place.name > 0);
    columns.map(move |(name_at, last)| (Start { line: place.line, column: name_at }, last))
}

/// All that has to be known for the origin of a place.
fn wanted_for(place: Place) -> impl Iterator<Item = Start> {
    let before = place.column.checked_sub(1).map(|column| Start { line: place.line, column });
    names_before(place).map(|(name_at, _)| name_at).chain(before).chain([place.start()])
}

/// A piece of a line of the script, up to the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    column: u32,
    source: Option<Source>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Source {
    file: usize,
    line: u32,
    name: Option<usize>,
}

/// The segments that `wanted`, which is sorted, is in. All segments are looked at once: each is noted at the first place in its
/// line that it does not start behind, and what is noted is then passed on.
fn find(mappings: &str, wanted: &[Start]) -> Option<Vec<Option<Segment>>> {
    let mut found: Vec<Option<Segment>> = vec![None; wanted.len()];
    let mut position = [0_u32; 5];
    for (line, segments) in mappings.split(';').enumerate() {
        let line = u32::try_from(line).ok()?;
        position[0] = 0;
        for text in segments.split(',').filter(|text| !text.is_empty()) {
            let segment = segment(text.as_bytes(), &mut position)?;
            let first = wanted.partition_point(|start| *start < Start { line, column: segment.column });
            let noted = found.get_mut(first).filter(|_| wanted[first].line == line);
            if let Some(noted) =
                noted.filter(|noted| noted.is_none_or(|noted| noted.column <= segment.column))
            {
                *noted = Some(segment);
            }
        }
    }
    for index in 1..found.len() {
        if found[index].is_none() && wanted[index].line == wanted[index - 1].line {
            found[index] = found[index - 1];
        }
    }
    Some(found)
}

/// Reads 1, 4 or 5 numbers, each the difference from the last of its kind: the script's column, the source, its
/// line and column, the name.
fn segment(mut text: &[u8], position: &mut [u32; 5]) -> Option<Segment> {
    let mut count = 0;
    while !text.is_empty() {
        let (difference, rest) = number(text)?;
        let field = position.get_mut(count)?;
        *field = u32::try_from(i64::from(*field) + difference).ok()?;
        (count, text) = (count + 1, rest);
    }
    let [column, file, line, _, name] = *position;
    let source = match count {
        1 => None,
        4 => Some(Source { file: file as usize, line, name: None }),
        5 => Some(Source { file: file as usize, line, name: Some(name as usize) }),
        _ => return None,
    };
    Some(Segment { column, source })
}

/// A number of variable length: five bits a digit, the lowest first, of which the very lowest is the sign.
fn number(text: &[u8]) -> Option<(i64, &[u8])> {
    let mut value = 0_i64;
    for (index, &byte) in text.iter().enumerate().take(7) {
        let digit = digit(byte)?;
        value |= i64::from(digit & 31) << (5 * index);
        if digit & 32 == 0 {
            let magnitude = value >> 1;
            return Some((if value & 1 == 1 { -magnitude } else { magnitude }, &text[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("__test__/fixtures/source-maps").join(name)
    }

    /// As V8 counts: from 1.
    fn place(name: &str, line: u32, column: u32) -> Place {
        Place { line: line - 1, column: column - 1, name: name.encode_utf16().count() as u32 }
    }

    /// What a fixture's functions come from, which V8's map has at these places: lines and names.
    fn origins(script: &str, functions: &[(&str, u32, u32)]) -> Vec<(String, u32, Option<String>)> {
        let places: Vec<_> =
            functions.iter().map(|&(name, line, column)| place(name, line, column)).collect();
        let origins = read(&fixture(script), &places).unwrap_or_default();
        let folder = normal(&fixture("..")).to_string_lossy().into_owned();
        let shown = |origin: Origin| {
            let file = origin.file.strip_prefix(&folder).unwrap_or_default().to_owned();
            (file, origin.line, origin.name)
        };
        origins.into_iter().flatten().map(shown).collect()
    }

    fn expected(all: &[(&str, u32, &str)]) -> Vec<(String, u32, Option<String>)> {
        let one = |&(file, line, name): &(&str, u32, &str)| {
            (file.to_owned(), line, (!name.is_empty()).then(|| name.to_owned()))
        };
        all.iter().map(one).collect()
    }

    /// Lines as @jridgewell/trace-mapping has them.
    #[test]
    fn functions_of_a_bundle_by_esbuild_are_found() {
        let functions = [
            ("", 1, 56),
            ("", 1, 134),
            ("", 1, 289),
            ("a", 1, 11),
            ("add", 1, 68),
            ("i", 1, 151),
            ("r", 1, 50),
            ("render", 1, 109),
            ("s", 1, 259),
        ];
        let (shop, main) = ("/src/shop.ts", "/src/main.ts");
        assert_eq!(
            origins("minified.mjs", &functions),
            expected(&[
                (shop, 12, ""),
                (shop, 20, ""),
                (main, 11, ""),
                (shop, 7, "makeThumbnail"),
                (shop, 14, ""),
                (main, 3, "renderBasket"),
                (shop, 11, "Basket"),
                (shop, 19, ""),
                (main, 9, "handleRequest"),
            ])
        );
    }

    /// Terser has segments without names, or in other places, for what belongs to classes.
    #[test]
    fn functions_minified_by_terser_are_found() {
        let functions = [
            ("#n", 1, 226),
            ("e", 1, 58),
            ("e", 1, 90),
            ("fill", 1, 208),
            ("get size", 1, 246),
            ("l", 1, 189),
            ("r", 1, 118),
            ("t", 1, 20),
            ("u", 1, 161),
        ];
        let old = "/src/old.js";
        assert_eq!(
            origins("old.min.mjs", &functions),
            expected(&[
                (old, 18, ""),
                (old, 5, "outerOld"),
                (old, 6, "inner"),
                (old, 18, ""),
                (old, 18, ""),
                (old, 18, ""),
                (old, 10, "later"),
                (old, 2, "allocateOld"),
                (old, 14, "laterOld"),
            ])
        );
    }

    #[test]
    fn a_map_can_be_in_the_script() {
        let functions = [("", 12, 27), ("Basket", 5, 14), ("einmalig", 24, 35), ("renderBasket", 17, 20)];
        let (shop, main) = ("/src/shop.ts", "/src/main.ts");
        let expected = expected(&[(shop, 20, ""), (shop, 11, ""), (main, 11, ""), (main, 3, "")]);
        assert_eq!(origins("inline.mjs", &functions), expected);
    }

    fn decoded(map: &str, places: &[Place]) -> Result<Vec<Option<Origin>>, Absent> {
        decode(map.as_bytes(), Path::new("/app/dist/x.js.map"), places)
    }

    fn origin(file: &str, line: u32) -> Option<Origin> {
        Some(Origin { file: file.to_owned(), line, name: None })
    }

    #[test]
    fn sources_are_beside_the_map_unless_they_are_elsewhere() {
        for (root, source, file) in [
            ("", "../src/a%20b.ts", "/app/src/a b.ts"),
            ("..", "src/a.ts", "/app/src/a.ts"),
            ("/app/", "a.ts", "/app/a.ts"),
            ("", "/a.ts", "/a.ts"),
            ("", "file:///x/a.ts", "/x/a.ts"),
            ("", "webpack://app/./src/a.ts", "webpack://app/./src/a.ts"),
            ("webpack://app", "src/a.ts", "webpack://app/src/a.ts"),
        ] {
            let map =
                format!(r#"{{"version":3,"sourceRoot":"{root}","sources":["{source}"],"mappings":"AAAA"}}"#);
            assert_eq!(decoded(&map, &[place("", 1, 1)]), Ok(vec![origin(file, 1)]), "{root} {source}");
        }
    }

    #[test]
    fn a_place_is_looked_for_in_its_section() {
        let map = r#"{"version":3,"sections":[
            {"offset":{"line":0,"column":0},"map":{"version":3,"sources":["a"],"mappings":"AAAA;AACA"}},
            {"offset":{"line":1,"column":10},"map":{"version":3,"sources":["b"],"mappings":"AAEA,EACA;AAAA"}}]}"#;
        let places = [(1, 1), (2, 10), (2, 11), (2, 12), (2, 13), (3, 1), (4, 1)];
        let found = decoded(map, &places.map(|(line, column)| place("", line, column)));
        let [a, b] = ["/app/dist/a", "/app/dist/b"];
        assert_eq!(
            found,
            Ok(vec![
                origin(a, 1),
                origin(a, 2),
                origin(b, 3),
                origin(b, 3),
                origin(b, 4),
                origin(b, 4),
                None
            ])
        );
    }

    #[test]
    fn code_that_nobody_wrote_has_no_origin() {
        let map = r#"{"version":3,"sources":["a",null],"mappings":"EAAA,E,ECAA"}"#;
        let found = decoded(map, &[1, 3, 4, 5, 7].map(|column| place("", 1, column)));
        assert_eq!(found, Ok(vec![None, origin("/app/dist/a", 1), origin("/app/dist/a", 1), None, None]));
    }

    #[test]
    fn a_map_that_is_none_is_malformed() {
        for map in [
            "",
            "[]",
            r#"{"mappings":"!"}"#,
            r#"{"mappings":"A"#,
            r#"{"mappings":"AA"}"#,
            r#"{"mappings":"D"}"#,
        ] {
            assert_eq!(decoded(map, &[place("", 1, 1)]), Err(Absent::Malformed(MAP)), "{map}");
        }
    }

    fn url_in(script: &str) -> Option<(u64, String)> {
        find_url(&mut script.as_bytes()).ok().flatten().map(|url| (url.offset, url.text))
    }

    #[test]
    fn the_url_is_in_the_last_comment() {
        let mark = "//# sourceMappingURL=";
        assert_eq!(url_in(&format!("x\n{mark}a.map\n")), Some((23, "a.map".to_owned())));
        assert_eq!(
            url_in(&format!("{mark}a\nx\r\n {mark}b \r\n\n//# debugId=1")),
            Some((48, "b".to_owned()))
        );
        assert_eq!(url_in(&format!("{mark}a.map\nconst more = 1;")), None);
        assert_eq!(url_in(&format!("const url = '{mark}';")), None);
        assert_eq!(url_in(""), None);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let path = std::env::temp_dir().join(format!("heapgap-script-{}.js", std::process::id()));
        let read_with = |url: &str| {
            let written = std::fs::write(&path, format!("//# sourceMappingURL={url}"));
            written.map_err(|error| absent(SCRIPT, &error)).and_then(|()| read(&path, &[place("", 1, 1)]))
        };
        let found =
            ["https://a/b.map", "nowhere.map", "/dev/zero", "data:application/json,%7B"].map(read_with);
        let data = read_with("data:application/json;base64,eyJzb3VyY2VzIjpbImEiXSwibWFwcGluZ3MiOiJBQUFBIn0=");
        assert!(std::fs::remove_file(&path).is_ok());
        assert_eq!(
            found,
            [
                Err(Absent::Because("its source map is in no file")),
                Err(Absent::File(MAP, libc::ENOENT)),
                Err(Absent::Because("it is no regular file")),
                Err(Absent::Because("its source map is in no encoding that heapgap reads")),
            ]
        );
        assert_eq!(data, Ok(vec![origin(&std::env::temp_dir().join("a").to_string_lossy(), 1)]));
    }

    fn encoded(number: i64) -> String {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut rest = number.unsigned_abs() << 1 | u64::from(number < 0);
        let mut text = String::new();
        loop {
            let more = if rest > 31 { 32 } else { 0 };
            text.push(char::from(DIGITS[(rest & 31 | more) as usize]));
            rest >>= 5;
            if rest == 0 {
                return text;
            }
        }
    }

    proptest! {
        #[test]
        fn numbers_are_read_as_they_are_written(value in -(1_i64 << 32)..1 << 32) {
            let text = encoded(value);
            prop_assert_eq!(number(text.as_bytes()), Some((value, &[][..])));
        }

        /// Against looking at all segments for each place.
        #[test]
        fn the_nearest_segment_is_found(
            lines in prop::collection::vec(prop::collection::btree_map(0_u32..40, 0_u32..9, 0..6), 0..5),
            places in prop::collection::vec((0_u32..6, 0_u32..50), 0..8),
        ) {
            let (mut mappings, mut last_source) = (String::new(), 0);
            for line in &lines {
                let mut last_column = 0;
                for (&column, &source) in line {
                    let differences = [column - last_column, 0, 0, 0].map(i64::from);
                    mappings.push_str(&encoded(differences[0]));
                    mappings.push('A');
                    mappings.push_str(&encoded(i64::from(source) - last_source));
                    mappings.push_str("A,");
                    (last_column, last_source) = (column, i64::from(source));
                }
                mappings.push(';');
            }
            let map = format!(r#"{{"sources":["a"],"mappings":"{mappings}"}}"#);
            let wanted: Vec<_> = places.iter().map(|&(line, column)| Place { line, column, name: 0 }).collect();
            let nearest = |&(line, column): &(u32, u32)| {
                lines.get(line as usize)?.range(..=column).next_back().and_then(|(_, &at)| origin("/app/dist/a", at + 1))
            };
            prop_assert_eq!(decoded(&map, &wanted), Ok(places.iter().map(nearest).collect()));
        }

        #[test]
        fn any_script_and_map_are_survived(
            script in "(//# sourceMappingURL=)?(data:)?[\\n;,a-z]{0,20}",
            mappings in "[A-Za-z0-9+/;,]{0,60}",
            text in "(?s).{0,100}",
            line in any::<u32>(), column in any::<u32>(), name in any::<u32>(),
        ) {
            let place = Place { line, column, name };
            let near = Place { line: line % 4, column: column % 40, name: name % 5 };
            let map = format!(r#"{{"sources":["a"],"names":["b"],"mappings":"{mappings}"}}"#);
            let _ = (url_in(&script), decoded(&map, &[place, near]), decoded(&text, &[place]), percent_decoded(&text));
            let _ = Base64::new(text.as_bytes()).read_to_end(&mut Vec::new());
        }
    }
}
