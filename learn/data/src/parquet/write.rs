//! Writing a file: every column one plain page, all rows one group.

use super::thrift::Writer;
use super::{Blobs, MAGIC, Values, codec, encoding, levels, page};

/// How a row of a column is built.
#[derive(Clone, Debug, PartialEq)]
pub enum Layout {
    /// One value.
    Scalar,
    /// Lists inside lists of this shape, the same in every row: `[7]` or `[3, 1, 1]`.
    Lists(Vec<usize>),
    /// A list of any length; where each row ends in the values.
    Ragged(Vec<usize>),
    /// A struct of the values as `bytes` and these as `path`: an image of the library `datasets`.
    Image(Blobs),
}

/// A column to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Name.
    pub name: String,
    /// How a row is built.
    pub layout: Layout,
    /// Values of all rows.
    pub values: Values,
}

/// A leaf column: where it is in the tree, its levels and its page.
struct Chunk {
    path: Vec<String>,
    physical: i32,
    num_values: usize,
    page: Vec<u8>,
}

// Codes of `FieldRepetitionType`, `ConvertedType` and `LogicalType`.
const OPTIONAL: i32 = 1;
const REPEATED: i32 = 2;
const UTF8: i32 = 0;
const CONVERTED_LIST: i32 = 3;
const LOGICAL_STRING: i16 = 1;
const LOGICAL_LIST: i16 = 3;

/// The bytes of a file of `rows` rows, with `metadata` by key in its footer.
///
/// # Panics
/// If a column has not as many values as its layout asks for.
pub fn to_bytes(columns: &[Column], rows: usize, metadata: &[(&str, String)]) -> Vec<u8> {
    let mut file = MAGIC.to_vec();
    let mut offsets = Vec::new();
    let chunks: Vec<Chunk> = columns.iter().flat_map(|column| column.chunks(rows)).collect();
    for chunk in &chunks {
        let start = file.len();
        file.extend(page_header(chunk));
        file.extend(&chunk.page);
        offsets.push((start, file.len() - start));
    }
    let size: usize = offsets.iter().map(|(_, size)| size).sum();
    let mut footer = Writer::default();
    footer.i32(1, 1);
    let elements = elements(columns);
    footer.structs(2, elements.iter(), |writer, element| element.write(writer));
    footer.i64(3, rows as i64);
    footer.structs(4, std::iter::once(()), |group, ()| {
        group.structs(1, chunks.iter().zip(&offsets), |writer, (chunk, (start, size))| {
            writer.i64(2, 0);
            writer.fields(3, |meta| {
                meta.i32(1, chunk.physical);
                meta.i32s(2, &[encoding::PLAIN as i32, encoding::RLE as i32]);
                meta.texts(3, &chunk.path);
                meta.i32(4, codec::UNCOMPRESSED as i32);
                meta.i64(5, chunk.num_values as i64);
                meta.i64(6, *size as i64);
                meta.i64(7, *size as i64);
                meta.i64(9, *start as i64);
            });
        });
        group.i64(2, size as i64);
        group.i64(3, rows as i64);
    });
    footer.structs(5, metadata.iter(), |writer, (key, value)| {
        writer.text(1, key);
        writer.text(2, value);
    });
    footer.text(6, concat!("keiko version ", env!("CARGO_PKG_VERSION")));
    let footer = footer.finish();
    file.extend(&footer);
    file.extend((footer.len() as u32).to_le_bytes());
    file.extend(MAGIC);
    file
}

fn page_header(chunk: &Chunk) -> Vec<u8> {
    let mut header = Writer::default();
    header.i32(1, page::DATA as i32);
    header.i32(2, chunk.page.len() as i32);
    header.i32(3, chunk.page.len() as i32);
    header.i32(4, crc32fast::hash(&chunk.page) as i32);
    header.fields(5, |data| {
        data.i32(1, chunk.num_values as i32);
        data.i32(2, encoding::PLAIN as i32);
        data.i32(3, encoding::RLE as i32);
        data.i32(4, encoding::RLE as i32);
    });
    header.finish()
}

impl Column {
    /// Leaves. All are optional, as pyarrow writes them, and nothing is null.
    fn chunks(&self, rows: usize) -> Vec<Chunk> {
        let name = || self.name.clone();
        let leaf = |path: Vec<String>, values: &Values, max_definition, repetition: Option<Vec<u32>>| {
            let mut page = Vec::new();
            if let Some(repetition) = repetition {
                let max = max_definition / 2;
                page.extend(with_length(&levels::write(repetition, levels::bits_for(max))));
            }
            let all_there = std::iter::repeat_n(max_definition, values.len());
            page.extend(with_length(&levels::write(all_there, levels::bits_for(max_definition))));
            plain(values, &mut page);
            Chunk { path, physical: values.physical() as i32, num_values: values.len(), page }
        };
        let list_path = |depth| {
            let inner = std::iter::repeat_n(["list", "element"], depth).flatten().map(str::to_owned);
            std::iter::once(name()).chain(inner).collect()
        };
        match &self.layout {
            Layout::Scalar => {
                assert_eq!(self.values.len(), rows, "values of `{}`", self.name);
                vec![leaf(vec![name()], &self.values, 1, None)]
            }
            Layout::Lists(shape) => {
                let size: usize = shape.iter().product();
                assert_eq!(self.values.len(), rows * size, "values of `{}`", self.name);
                let depth = shape.len();
                let repetition = (0..self.values.len()).map(|at| repetition_at(at % size, shape)).collect();
                vec![leaf(list_path(depth), &self.values, 2 * depth as u32 + 1, Some(repetition))]
            }
            Layout::Ragged(ends) => {
                assert_eq!((ends.len(), ends.last().copied().unwrap_or(0)), (rows, self.values.len()));
                let mut repetition = vec![1; self.values.len()];
                for start in std::iter::once(&0).chain(ends).take(rows) {
                    repetition[*start] = 0;
                }
                vec![leaf(list_path(1), &self.values, 3, Some(repetition))]
            }
            Layout::Image(paths) => {
                assert_eq!((self.values.len(), paths.len()), (rows, rows), "images of `{}`", self.name);
                let field = |field: &str| vec![name(), field.to_owned()];
                vec![
                    leaf(field("bytes"), &self.values, 2, None),
                    leaf(field("path"), &Values::Text(paths.clone()), 2, None),
                ]
            }
        }
    }
}

/// How many lists go on, rather than begin, at a place in a row of this shape.
fn repetition_at(mut at: usize, shape: &[usize]) -> u32 {
    let mut level = shape.len() as u32;
    for size in shape.iter().rev() {
        if !at.is_multiple_of(*size) {
            return level;
        }
        at /= size;
        level -= 1;
    }
    0
}

fn with_length(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_le_bytes()[..], bytes].concat()
}

fn plain(values: &Values, page: &mut Vec<u8>) {
    match values {
        Values::Bool(values) => {
            page.extend(values.chunks(8).map(|eight| {
                eight.iter().enumerate().fold(0, |byte, (k, value)| byte | u8::from(*value) << k)
            }));
        }
        Values::Int(values) => page.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        Values::Float(values) => page.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        Values::Double(values) => page.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        Values::Text(values) | Values::Bytes(values) => {
            for bytes in values.iter() {
                page.extend((bytes.len() as u32).to_le_bytes());
                page.extend_from_slice(bytes);
            }
        }
    }
}

/// A node of the tree of columns.
struct Element {
    name: String,
    physical: Option<i32>,
    repetition: Option<i32>,
    children: usize,
    /// `ConvertedType` for old readers, field of `LogicalType` for new ones.
    meaning: Option<(i32, i16)>,
}

impl Element {
    fn write(&self, writer: &mut Writer) {
        if let Some(physical) = self.physical {
            writer.i32(1, physical);
        }
        if let Some(repetition) = self.repetition {
            writer.i32(3, repetition);
        }
        writer.text(4, &self.name);
        if self.children > 0 {
            writer.i32(5, self.children as i32);
        }
        if let Some((converted, logical)) = self.meaning {
            writer.i32(6, converted);
            writer.fields(10, |union| union.fields(logical, |_| {}));
        }
    }
}

fn elements(columns: &[Column]) -> Vec<Element> {
    let group = |name: &str, repetition, children| Element {
        name: name.to_owned(),
        physical: None,
        repetition: Some(repetition),
        children,
        meaning: None,
    };
    let leaf = |name: &str, values: &Values| Element {
        physical: Some(values.physical() as i32),
        meaning: matches!(values, Values::Text(_)).then_some((UTF8, LOGICAL_STRING)),
        ..group(name, OPTIONAL, 0)
    };
    let mut all = vec![Element { repetition: None, ..group("schema", OPTIONAL, columns.len()) }];
    for Column { name, layout, values } in columns {
        let depth = match layout {
            Layout::Lists(shape) => shape.len(),
            Layout::Ragged(_) => 1,
            Layout::Scalar => 0,
            Layout::Image(paths) => {
                all.push(group(name, OPTIONAL, 2));
                all.push(leaf("bytes", values));
                all.push(leaf("path", &Values::Text(paths.clone())));
                continue;
            }
        };
        let mut name = name.as_str();
        for _ in 0..depth {
            let meaning = Some((CONVERTED_LIST, LOGICAL_LIST));
            all.push(Element { meaning, ..group(name, OPTIONAL, 1) });
            all.push(group("list", REPEATED, 1));
            name = "element";
        }
        all.push(leaf(name, values));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_lists_begin_where_their_shape_says() {
        let levels: Vec<u32> = (0..12).map(|at| repetition_at(at, &[2, 3, 2])).collect();
        assert_eq!(levels, [0, 3, 2, 3, 2, 3, 1, 3, 2, 3, 2, 3]);
        let levels: Vec<u32> = (0..3).map(|at| repetition_at(at, &[3, 1, 1])).collect();
        assert_eq!(levels, [0, 1, 1]);
    }
}
