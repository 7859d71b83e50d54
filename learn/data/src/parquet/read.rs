//! Reading a file that anybody wrote: nothing in it is trusted.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::schema::{Leaf, leaves};
use super::thrift::{Struct, read_struct};
use super::{MAGIC, Physical, Rows, Values, codec, encoding, levels, page};
use crate::{Error, ErrorKind, Result};
use keiko_model::error::Location;

/// Largest footer \[byte\].
const MAX_FOOTER: u64 = 32 << 20;
/// Largest page, as stored and unpacked \[byte\].
const MAX_PAGE: usize = 1 << 30;
/// Most values of a column in one group of rows.
const MAX_VALUES: usize = 1 << 24;

/// A file whose footer was read.
#[derive(Clone, Debug)]
pub struct ParquetFile {
    path: PathBuf,
    leaves: Vec<Leaf>,
    groups: Vec<Group>,
}

/// A group of rows.
#[derive(Clone, Debug)]
struct Group {
    rows: usize,
    chunks: Vec<Chunk>,
}

/// Where the pages of a leaf column are.
#[derive(Clone, Debug)]
struct Chunk {
    codec: i64,
    num_values: usize,
    start: u64,
    size: usize,
}

impl ParquetFile {
    /// Reads the footer.
    ///
    /// # Errors
    /// If this is no parquet file, or a damaged one.
    pub fn open(path: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(|error| unreadable(path, &error))?;
        let size = file.metadata().map_err(|error| unreadable(path, &error))?.len();
        let mut read = |start: u64, len: usize| {
            let mut bytes = vec![0; len];
            let done = file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(&mut bytes));
            done.map(|()| bytes).map_err(|error| unreadable(path, &error))
        };
        let head = read(0, size.min(32) as usize)?;
        if !head.starts_with(MAGIC) {
            return Err(foreign(path, &head));
        }
        let cut = || {
            Error::new(
                ErrorKind::Syntax,
                Location::file(path),
                "the parquet file has no end: it is truncated",
            )
            .allowed("a file whose writer finished it")
        };
        if size < 12 {
            return Err(cut());
        }
        let tail = read(size - 8, 8)?;
        let length = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
        if tail[4..] != *MAGIC || length + 12 > size {
            return Err(cut());
        }
        if length > MAX_FOOTER {
            let message = format!("a footer of {length} bytes");
            return Err(Error::new(ErrorKind::Limit, Location::file(path), message)
                .allowed(format!("at most {MAX_FOOTER}")));
        }
        let footer = read(size - 8 - length, length as usize)?;
        let (footer, _) = read_struct(&footer).map_err(|why| damaged(path, &format!("its footer: {why}")))?;
        let leaves = leaves(footer.structs(2)).map_err(|why| damaged(path, &why))?;
        let groups = footer
            .structs(4)
            .map(|group| Group::of(group, &leaves, size))
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|why| damaged(path, &why))?;
        if footer.count(3) != groups.iter().try_fold(0, |sum: usize, group| sum.checked_add(group.rows)) {
            return Err(damaged(path, "its groups have other rows than the file"));
        }
        Ok(Self { path: path.to_owned(), leaves, groups })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Groups of rows.
    pub fn num_groups(&self) -> usize {
        self.groups.len()
    }

    /// Rows of a group.
    pub fn rows(&self, group: usize) -> usize {
        self.groups[group].rows
    }

    /// Rows of all groups.
    pub fn num_rows(&self) -> usize {
        self.groups.iter().map(|group| group.rows).sum()
    }

    /// Names of the columns, in order.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        let mut last = None;
        self.leaves
            .iter()
            .map(|leaf| leaf.path[0].as_str())
            .filter(move |name| last.replace(*name) != Some(*name))
    }

    /// The leaf of a column; of a struct the field with the name `field`.
    ///
    /// # Errors
    /// If there is no such column, and which there are.
    pub fn leaf(&self, column: &str, field: Option<&str>) -> Result<usize> {
        let found = self.leaves.iter().position(|leaf| {
            leaf.path[0] == column
                && field.is_none_or(|field| leaf.path.get(1).is_some_and(|name| name == field))
        });
        found.ok_or_else(|| {
            let wanted = field.map_or(column.to_owned(), |field| format!("{column}.{field}"));
            let columns: Vec<&str> = self.columns().collect();
            let message = format!("there is no column `{wanted}`");
            Error::new(ErrorKind::Unknown, Location::file(&self.path), message)
                .allowed(format!("it has {}", columns.join(", ")))
                .nearest(&wanted, columns)
        })
    }

    /// A whole column, all groups.
    ///
    /// # Errors
    /// If it is not there, damaged, or stored in a way that is not supported.
    pub fn column(&self, column: &str, field: Option<&str>) -> Result<Rows> {
        let leaf = self.leaf(column, field)?;
        let mut all: Option<Rows> = None;
        for group in 0..self.groups.len() {
            let more = self.read(group, leaf)?;
            match &mut all {
                None => all = Some(more),
                Some(all) => {
                    let before = all.values.len();
                    all.ends.extend(more.ends.iter().map(|end| before + end));
                    all.values.extend(more.values);
                }
            }
        }
        let physical = self.leaves[leaf].physical.unwrap_or(Physical::Bytes);
        Ok(all.unwrap_or_else(|| Rows { ends: Vec::new(), values: Values::empty(physical) }))
    }

    /// A leaf column of one group.
    ///
    /// # Errors
    /// As [`ParquetFile::column`].
    pub fn read(&self, group: usize, leaf: usize) -> Result<Rows> {
        let column = &self.leaves[leaf];
        let name = column.path.join(".");
        let chunk = &self.groups[group].chunks[leaf];
        let mut bytes = vec![0; chunk.size];
        File::open(&self.path)
            .and_then(|mut file| {
                file.seek(SeekFrom::Start(chunk.start))?;
                file.read_exact(&mut bytes)
            })
            .map_err(|error| unreadable(&self.path, &error))?;
        let rows = Pages::new(column, chunk).and_then(|mut pages| {
            pages.all(&bytes)?;
            pages.rows(self.groups[group].rows)
        });
        rows.map_err(|trouble| match trouble {
            Trouble::Damaged(why) => damaged(&self.path, &format!("column `{name}`: {why}")),
            Trouble::Unsupported(what) => Error::new(
                ErrorKind::Unsupported,
                Location::file(&self.path),
                format!("column `{name}`: {what}"),
            )
            .allowed("plain or dictionary pages without compression, with snappy or gzip"),
        })
    }
}

impl Group {
    fn of(group: &Struct, leaves: &[Leaf], size: u64) -> std::result::Result<Self, String> {
        let rows = group.count(3).ok_or("a group of rows does not say how many")?;
        let chunks = group
            .structs(1)
            .map(|chunk| {
                let meta = chunk.fields(3).ok_or("a column does not say where it is")?;
                let data = meta.count(9).ok_or("a column does not say where it is")?;
                let start = meta.count(11).filter(|at| (4..data).contains(at)).unwrap_or(data) as u64;
                let length = meta.count(7).ok_or("a column does not say how long it is")?;
                if start.checked_add(length as u64).is_none_or(|end| end > size) {
                    return Err("a column lies past the end of the file: it is truncated");
                }
                let num_values = meta.count(5).filter(|count| *count <= MAX_VALUES);
                Ok(Chunk {
                    codec: meta.int(4).unwrap_or(codec::UNCOMPRESSED),
                    num_values: num_values.ok_or("a column of too many values")?,
                    start,
                    size: length,
                })
            })
            .collect::<std::result::Result<Vec<_>, _>>()?;
        if chunks.len() != leaves.len() {
            return Err(format!("a group has {} columns and the file {}", chunks.len(), leaves.len()));
        }
        Ok(Self { rows, chunks })
    }
}

/// Why a column cannot be read.
enum Trouble {
    Damaged(String),
    Unsupported(String),
}

impl From<&str> for Trouble {
    fn from(why: &str) -> Self {
        Self::Damaged(why.to_owned())
    }
}

/// The pages of one leaf column, while they are read.
struct Pages<'a> {
    leaf: &'a Leaf,
    chunk: &'a Chunk,
    physical: Physical,
    dictionary: Option<Values>,
    repetition: Vec<u32>,
    definition: Vec<u32>,
    values: Values,
}

impl<'a> Pages<'a> {
    fn new(leaf: &'a Leaf, chunk: &'a Chunk) -> std::result::Result<Self, Trouble> {
        let unknown = || Trouble::Unsupported("values of 96 bits or of fixed length".into());
        let physical = leaf.physical.ok_or_else(unknown)?;
        let values = Values::empty(physical);
        let (repetition, definition) = (Vec::new(), Vec::new());
        Ok(Self { leaf, chunk, physical, dictionary: None, repetition, definition, values })
    }

    fn all(&mut self, bytes: &[u8]) -> std::result::Result<(), Trouble> {
        let mut at = 0;
        while self.definition.len() < self.chunk.num_values {
            let (header, len) = read_struct(&bytes[at..])?;
            at += len;
            let size = |field| header.count(field).filter(|size| *size <= MAX_PAGE);
            let (unpacked, stored) = size(2).zip(size(3)).ok_or("a page without a size")?;
            let stored = bytes[at..].get(..stored).ok_or("a page that is cut")?;
            at += stored.len();
            if header.int(4).is_some_and(|sum| sum as u32 != crc32fast::hash(stored)) {
                return Err("a page is not what was written: its checksum differs".into());
            }
            match header.int(1) {
                Some(page::DATA) => {
                    let head = header.fields(5).ok_or("a page without a header")?;
                    self.data(head, &self.unpack(stored, unpacked)?)?;
                }
                Some(page::DATA_V2) => {
                    let head = header.fields(8).ok_or("a page without a header")?;
                    self.data_v2(head, stored, unpacked)?;
                }
                Some(page::DICTIONARY) => {
                    let head = header.fields(7).ok_or("a page without a header")?;
                    let count = head
                        .count(1)
                        .filter(|count| *count <= MAX_VALUES)
                        .ok_or("a dictionary of no size")?;
                    self.dictionary = Some(plain(self.physical, &self.unpack(stored, unpacked)?, count)?);
                }
                // Pages of other kinds hold nothing that is needed.
                _ => {}
            }
        }
        Ok(())
    }

    fn unpack(&self, stored: &[u8], size: usize) -> std::result::Result<Vec<u8>, Trouble> {
        let unpacked = match self.chunk.codec {
            codec::UNCOMPRESSED => stored.to_vec(),
            codec::SNAPPY => {
                if snap::raw::decompress_len(stored).ok() != Some(size) {
                    return Err("a compressed page of another size than it says".into());
                }
                snap::raw::Decoder::new()
                    .decompress_vec(stored)
                    .map_err(|_| "a compressed page is damaged")?
            }
            codec::GZIP => {
                let mut unpacked = Vec::new();
                let reader = flate2::read::MultiGzDecoder::new(stored);
                reader
                    .take(size as u64 + 1)
                    .read_to_end(&mut unpacked)
                    .map_err(|_| "a compressed page is damaged")?;
                unpacked
            }
            other => {
                const NAMES: [&str; 8] =
                    ["none", "snappy", "gzip", "lzo", "brotli", "lz4", "zstd", "lz4 (raw)"];
                let name = usize::try_from(other).ok().and_then(|code| NAMES.get(code)).unwrap_or(&"unknown");
                return Err(Trouble::Unsupported(format!("compression {name}")));
            }
        };
        if unpacked.len() == size { Ok(unpacked) } else { Err("a page of another size than it says".into()) }
    }

    /// How many values a page says it has, those of nulls included.
    fn count(&self, head: &Struct) -> std::result::Result<usize, Trouble> {
        let left = self.chunk.num_values - self.definition.len();
        let count = head.count(1).ok_or("a page without a number of values")?;
        if (1..=left).contains(&count) {
            Ok(count)
        } else {
            Err("pages of more or fewer values than the column".into())
        }
    }

    fn data(&mut self, head: &Struct, page: &[u8]) -> std::result::Result<(), Trouble> {
        let count = self.count(head)?;
        let mut rest = page;
        let mut take = |max: u32, kind: i64| -> std::result::Result<Vec<u32>, Trouble> {
            if max == 0 {
                return Ok(vec![0; count]);
            }
            if kind != encoding::RLE {
                return Err(Trouble::Unsupported("levels in packed bits".into()));
            }
            let (length, after) = rest.split_first_chunk::<4>().ok_or("a page that is cut")?;
            let length = u32::from_le_bytes(*length) as usize;
            let bytes = after.get(..length).ok_or("a page that is cut")?;
            rest = &after[length..];
            Ok(levels::read(bytes, levels::bits_for(max), count)?)
        };
        let repetition = take(self.leaf.max_repetition, head.int(4).unwrap_or(encoding::RLE))?;
        let definition = take(self.leaf.max_definition, head.int(3).unwrap_or(encoding::RLE))?;
        self.push(repetition, definition, head.int(2), rest)
    }

    fn data_v2(&mut self, head: &Struct, stored: &[u8], size: usize) -> std::result::Result<(), Trouble> {
        let count = self.count(head)?;
        let (definition, repetition) =
            head.count(5).zip(head.count(6)).ok_or("a page without lengths of levels")?;
        let levels_end = repetition.checked_add(definition).filter(|end| *end <= stored.len());
        let levels_end = levels_end.ok_or("a page that is cut")?;
        let read = |bytes: &[u8], max: u32| match max {
            0 => Ok(vec![0; count]),
            max => levels::read(bytes, levels::bits_for(max), count),
        };
        let repetitions = read(&stored[..repetition], self.leaf.max_repetition)?;
        let definitions = read(&stored[repetition..levels_end], self.leaf.max_definition)?;
        let values = &stored[levels_end..];
        let size = size.checked_sub(levels_end).ok_or("a page of another size than it says")?;
        match head.bool(7).unwrap_or(true) && size > 0 {
            true => self.push(repetitions, definitions, head.int(4), &self.unpack(values, size)?),
            false => self.push(repetitions, definitions, head.int(4), values),
        }
    }

    fn push(
        &mut self,
        repetition: Vec<u32>,
        definition: Vec<u32>,
        kind: Option<i64>,
        bytes: &[u8],
    ) -> std::result::Result<(), Trouble> {
        let max = self.leaf.max_definition;
        if definition.iter().any(|level| *level > max)
            || repetition.iter().any(|level| *level > self.leaf.max_repetition)
        {
            return Err("levels deeper than the column".into());
        }
        let there = definition.iter().filter(|level| **level == max).count();
        let values = match kind {
            _ if there == 0 => Values::empty(self.physical),
            Some(encoding::PLAIN) => plain(self.physical, bytes, there)?,
            Some(encoding::PLAIN_DICTIONARY | encoding::RLE_DICTIONARY) => {
                let dictionary =
                    self.dictionary.as_ref().ok_or("places in a dictionary that is not there")?;
                let (bits, places) = bytes.split_first().ok_or("a page that is cut")?;
                let places = levels::read(places, u32::from(*bits), there)?;
                dictionary.pick(&places).ok_or("a place past the end of the dictionary")?
            }
            Some(encoding::RLE) if self.physical == Physical::Boolean => {
                let runs = bytes.get(4..).ok_or("a page that is cut")?;
                Values::Bool(levels::read(runs, 1, there)?.into_iter().map(|bit| bit == 1).collect())
            }
            other => {
                let what = other.map_or("none".into(), |code| code.to_string());
                return Err(Trouble::Unsupported(format!("encoding {what}")));
            }
        };
        self.repetition.extend(repetition);
        self.definition.extend(definition);
        self.values.extend(values);
        Ok(())
    }

    /// What was read, by rows.
    fn rows(self, rows: usize) -> std::result::Result<Rows, Trouble> {
        let mut ends = Vec::with_capacity(rows.min(self.definition.len()));
        let mut end = 0;
        for (at, (repetition, definition)) in self.repetition.iter().zip(&self.definition).enumerate() {
            match (*repetition == 0, at) {
                (true, 0) => {}
                (true, _) => ends.push(end),
                (false, 0) => return Err("a list that goes on before it began".into()),
                (false, _) => {}
            }
            end += usize::from(*definition == self.leaf.max_definition);
        }
        if !self.definition.is_empty() {
            ends.push(end);
        }
        if ends.len() == rows {
            Ok(Rows { ends, values: self.values })
        } else {
            Err(Trouble::Damaged(format!("{} rows where the file says {rows}", ends.len())))
        }
    }
}

/// `count` values, one after the other.
fn plain(physical: Physical, bytes: &[u8], count: usize) -> std::result::Result<Values, Trouble> {
    fn fixed<const N: usize, T>(bytes: &[u8], count: usize, of: impl Fn([u8; N]) -> T) -> Option<Vec<T>> {
        let bytes = bytes.get(..count.checked_mul(N)?)?;
        Some(bytes.as_chunks::<N>().0.iter().map(|chunk| of(*chunk)).collect())
    }
    let values = match physical {
        Physical::Boolean => bytes
            .get(..count.div_ceil(8))
            .map(|bytes| Values::Bool((0..count).map(|k| bytes[k / 8] >> (k % 8) & 1 == 1).collect())),
        Physical::Int32 => fixed(bytes, count, |chunk| i64::from(i32::from_le_bytes(chunk))).map(Values::Int),
        Physical::Int64 => fixed(bytes, count, i64::from_le_bytes).map(Values::Int),
        Physical::Float => fixed(bytes, count, f32::from_le_bytes).map(Values::Float),
        Physical::Double => fixed(bytes, count, f64::from_le_bytes).map(Values::Double),
        Physical::Bytes => {
            let mut rest = bytes;
            let mut next = || {
                let (length, after) = rest.split_first_chunk::<4>()?;
                let length = u32::from_le_bytes(*length) as usize;
                let bytes = after.get(..length)?;
                rest = &after[length..];
                Some(bytes)
            };
            (0..count).map(|_| next()).collect::<Option<_>>().map(Values::Bytes)
        }
    };
    values.ok_or_else(|| "a page of fewer values than it says".into())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Io, Location::file(path), error.to_string())
}

fn damaged(path: &Path, why: &str) -> Error {
    Error::new(ErrorKind::Syntax, Location::file(path), format!("the parquet file is damaged: {why}"))
}

/// Says what a file is that is no parquet file.
fn foreign(path: &Path, head: &[u8]) -> Error {
    let (kind, what, advice) = match head {
        [0x80, 2..=5, ..] => (
            ErrorKind::Unsupported,
            "this is a Python pickle; reading one runs what it says, and keiko does not",
            "a parquet file: write the table with pandas' `to_parquet`",
        ),
        [b'P', b'K', 3, 4, ..] => (
            ErrorKind::Unsupported,
            "this is a zip archive, as torch keeps its pickles in; keiko reads no pickles",
            "a parquet file",
        ),
        _ if head.starts_with(b"version https://git-lfs") => (
            ErrorKind::Syntax,
            "this is a pointer to a file kept elsewhere, not the file",
            "the file itself: `git lfs pull` fetches it",
        ),
        _ => (ErrorKind::Syntax, "this is not a parquet file", "a file that begins with PAR1"),
    };
    Error::new(kind, Location::file(path), what).allowed(advice)
}
