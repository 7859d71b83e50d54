//! As much of a reader of GGUF files (version 3) as the weights of SmolLM2 need.

use half::f16;
use std::collections::BTreeMap;

/// What stands before the tensors.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Number(f64),
    Text(String),
    List(Vec<Value>),
}

/// Where a tensor is and how its numbers are written.
struct Entry {
    /// Fastest dimension first.
    dims: Vec<usize>,
    kind: u32,
    offset: usize,
}

/// A file in memory.
pub struct Gguf {
    bytes: Vec<u8>,
    metadata: BTreeMap<String, Value>,
    tensors: BTreeMap<String, Entry>,
    start: usize,
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (head, rest) = self.0.split_first_chunk().expect("the file goes on");
        self.0 = rest;
        *head
    }

    fn size(&mut self) -> usize {
        u64::from_le_bytes(self.take()) as usize
    }

    fn text(&mut self) -> String {
        let length = self.size();
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        String::from_utf8_lossy(text).into_owned()
    }

    fn value(&mut self, kind: u32) -> Value {
        Value::Number(match kind {
            0 | 7 => f64::from(self.take::<1>()[0]),
            1 => f64::from(i8::from_le_bytes(self.take())),
            2 => f64::from(u16::from_le_bytes(self.take())),
            3 => f64::from(i16::from_le_bytes(self.take())),
            4 => f64::from(u32::from_le_bytes(self.take())),
            5 => f64::from(i32::from_le_bytes(self.take())),
            6 => f64::from(f32::from_le_bytes(self.take())),
            8 => return Value::Text(self.text()),
            9 => {
                let kind = u32::from_le_bytes(self.take());
                let count = self.size();
                return Value::List((0..count).map(|_| self.value(kind)).collect());
            }
            10 | 11 => self.size() as f64,
            12 => f64::from_le_bytes(self.take()),
            other => panic!("metadata of type {other}"),
        })
    }
}

impl Gguf {
    pub fn new(bytes: Vec<u8>) -> Self {
        let mut reader = Reader(&bytes);
        assert_eq!(&reader.take::<4>(), b"GGUF");
        assert_eq!(u32::from_le_bytes(reader.take()), 3, "version");
        let (num_tensors, num_values) = (reader.size(), reader.size());
        let mut metadata = BTreeMap::new();
        for _ in 0..num_values {
            let key = reader.text();
            let kind = u32::from_le_bytes(reader.take());
            metadata.insert(key, reader.value(kind));
        }
        let mut tensors = BTreeMap::new();
        for _ in 0..num_tensors {
            let name = reader.text();
            let rank = u32::from_le_bytes(reader.take());
            let dims = (0..rank).map(|_| reader.size()).collect();
            let kind = u32::from_le_bytes(reader.take());
            tensors.insert(name, Entry { dims, kind, offset: reader.size() });
        }
        let alignment = match metadata.get("general.alignment") {
            Some(Value::Number(alignment)) => *alignment as usize,
            _ => 32,
        };
        let start = (bytes.len() - reader.0.len()).next_multiple_of(alignment);
        Self { metadata, tensors, start, bytes }
    }

    pub fn number(&self, key: &str) -> f64 {
        match self.metadata.get(key) {
            Some(Value::Number(number)) => *number,
            other => panic!("{key}: {other:?}"),
        }
    }

    pub fn texts(&self, key: &str) -> Vec<String> {
        let Some(Value::List(list)) = self.metadata.get(key) else { panic!("no list {key}") };
        let text = |value: &Value| match value {
            Value::Text(text) => text.clone(),
            other => panic!("{other:?}"),
        };
        list.iter().map(text).collect()
    }

    /// Rows, columns and numbers.
    pub fn tensor(&self, name: &str) -> ([usize; 2], Vec<f32>) {
        let entry = self.tensors.get(name).unwrap_or_else(|| panic!("no tensor {name}"));
        let columns = entry.dims[0];
        let rows: usize = entry.dims[1..].iter().product();
        let count = rows * columns;
        let data = &self.bytes[self.start + entry.offset..];
        let half = |b: &[u8]| f16::from_le_bytes([b[0], b[1]]).to_f32();
        let values: Vec<f32> = match entry.kind {
            0 => data
                .chunks_exact(4)
                .take(count)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect(),
            // Q4_1: scale, least value, 32 numbers of 4 bits, the low halves first.
            3 => {
                let block = |b: &[u8]| {
                    let (scale, least) = (half(b), half(&b[2..]));
                    let low = b[4..].iter().map(|byte| byte & 15);
                    let all = low.chain(b[4..].iter().map(|byte| byte >> 4));
                    all.map(|q| scale * f32::from(q) + least).collect::<Vec<f32>>()
                };
                data.chunks_exact(20).take(count / 32).flat_map(block).collect()
            }
            // Q8_0: scale, 32 signed bytes.
            8 => {
                let block = |b: &[u8]| {
                    let scale = half(b);
                    b[2..].iter().map(|&q| scale * f32::from(q as i8)).collect::<Vec<f32>>()
                };
                data.chunks_exact(34).take(count / 32).flat_map(block).collect()
            }
            other => panic!("{name}: numbers of type {other}"),
        };
        assert_eq!(values.len(), count, "{name}");
        ([rows, columns], values)
    }
}
