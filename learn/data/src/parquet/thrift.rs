//! Thrift's compact protocol, in which parquet describes itself: numbers of variable length, fields by number.
//!
//! <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>

use std::collections::BTreeMap;

/// Structs inside structs and lists inside lists that are followed.
const MAX_DEPTH: usize = 16;

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const I32: u8 = 5;
const I64: u8 = 6;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

/// Fields of a struct, by number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Struct(BTreeMap<i16, Value>);

/// What a field holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Bool(bool),
    Int(i64),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Struct(Struct),
    /// Kinds that parquet's own structs do not use.
    Other,
}

impl Struct {
    /// A whole number, or what is wrong.
    pub fn int(&self, field: i16) -> Option<i64> {
        match self.0.get(&field)? {
            Value::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// A whole number that counts something.
    pub fn count(&self, field: i16) -> Option<usize> {
        usize::try_from(self.int(field)?).ok()
    }

    pub fn bool(&self, field: i16) -> Option<bool> {
        match self.0.get(&field)? {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub fn text(&self, field: i16) -> Option<String> {
        match self.0.get(&field)? {
            Value::Bytes(bytes) => String::from_utf8(bytes.clone()).ok(),
            _ => None,
        }
    }

    pub fn list(&self, field: i16) -> &[Value] {
        match self.0.get(&field) {
            Some(Value::List(values)) => values,
            _ => &[],
        }
    }

    pub fn structs(&self, field: i16) -> impl Iterator<Item = &Struct> {
        self.list(field).iter().filter_map(|value| match value {
            Value::Struct(fields) => Some(fields),
            _ => None,
        })
    }

    pub fn fields(&self, field: i16) -> Option<&Struct> {
        match self.0.get(&field)? {
            Value::Struct(fields) => Some(fields),
            _ => None,
        }
    }
}

/// Reads one struct at the start of `bytes`; gives it with the number of bytes that it took.
pub fn read_struct(bytes: &[u8]) -> Result<(Struct, usize), &'static str> {
    let mut reader = Reader { bytes, at: 0 };
    let fields = reader.fields(0)?;
    Ok((fields, reader.at))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, &'static str> {
        let byte = self.bytes.get(self.at).copied().ok_or("it ends in the middle")?;
        self.at += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<u64, &'static str> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("a number of more than 64 bits")
    }

    fn zigzag(&mut self) -> Result<i64, &'static str> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// How many bytes or elements follow; each takes a byte at least.
    fn len(&mut self) -> Result<usize, &'static str> {
        let len = usize::try_from(self.varint()?).map_err(|_| "a length beyond the file")?;
        if len > self.bytes.len() - self.at { Err("a length beyond the file") } else { Ok(len) }
    }

    fn bytes(&mut self, len: usize) -> Result<&[u8], &'static str> {
        let end = self.at.checked_add(len).ok_or("a length beyond the file")?;
        let bytes = self.bytes.get(self.at..end).ok_or("it ends in the middle")?;
        self.at = end;
        Ok(bytes)
    }

    fn fields(&mut self, depth: usize) -> Result<Struct, &'static str> {
        let mut fields = BTreeMap::new();
        let mut id: i16 = 0;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(Struct(fields));
            }
            id = match head >> 4 {
                0 => i16::try_from(self.zigzag()?).map_err(|_| "a field number out of range")?,
                step => id.checked_add(i16::from(step)).ok_or("a field number out of range")?,
            };
            let value = match head & 0x0f {
                TRUE => Value::Bool(true),
                FALSE => Value::Bool(false),
                kind => self.value(kind, depth)?,
            };
            fields.insert(id, value);
        }
    }

    fn value(&mut self, kind: u8, depth: usize) -> Result<Value, &'static str> {
        if depth > MAX_DEPTH {
            return Err("nested too deeply");
        }
        Ok(match kind {
            // An element of a list of booleans; as a field it stands in the head.
            TRUE | FALSE => Value::Bool(self.byte()? == TRUE),
            3 => Value::Int(i64::from(self.byte()? as i8)),
            4..=6 => Value::Int(self.zigzag()?),
            7 => {
                self.bytes(8)?;
                Value::Other
            }
            BINARY => {
                let len = self.len()?;
                Value::Bytes(self.bytes(len)?.to_vec())
            }
            LIST | 10 => {
                let head = self.byte()?;
                let len = match head >> 4 {
                    15 => self.len()?,
                    len => usize::from(len),
                };
                Value::List((0..len).map(|_| self.value(head & 0x0f, depth + 1)).collect::<Result<_, _>>()?)
            }
            11 => {
                let len = self.len()?;
                if len > 0 {
                    let kinds = self.byte()?;
                    for _ in 0..len {
                        self.value(kinds >> 4, depth + 1)?;
                        self.value(kinds & 0x0f, depth + 1)?;
                    }
                }
                Value::Other
            }
            STRUCT => Value::Struct(self.fields(depth + 1)?),
            _ => return Err("a field of unknown kind"),
        })
    }
}

/// Writes fields of one struct, in ascending order of their numbers.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
    last: i16,
}

impl Writer {
    fn head(&mut self, field: i16, kind: u8) {
        let step = field - self.last;
        debug_assert!((1..16).contains(&step), "fields ascend, by less than 16");
        self.bytes.push((step as u8) << 4 | kind);
        self.last = field;
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    fn zigzag(&mut self, value: i64) {
        self.varint((value << 1 ^ value >> 63) as u64);
    }

    fn blob(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    fn list_head(&mut self, field: i16, kind: u8, len: usize) {
        self.head(field, LIST);
        if len < 15 {
            self.bytes.push((len as u8) << 4 | kind);
        } else {
            self.bytes.push(0xf0 | kind);
            self.varint(len as u64);
        }
    }

    pub fn i32(&mut self, field: i16, value: i32) {
        self.head(field, I32);
        self.zigzag(value.into());
    }

    pub fn i64(&mut self, field: i16, value: i64) {
        self.head(field, I64);
        self.zigzag(value);
    }

    pub fn text(&mut self, field: i16, text: &str) {
        self.head(field, BINARY);
        self.blob(text.as_bytes());
    }

    pub fn fields(&mut self, field: i16, write: impl FnOnce(&mut Self)) {
        self.head(field, STRUCT);
        self.nested(write);
    }

    pub fn structs<T>(
        &mut self,
        field: i16,
        items: impl ExactSizeIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        self.list_head(field, STRUCT, items.len());
        for item in items {
            self.nested(|writer| write(writer, item));
        }
    }

    pub fn i32s(&mut self, field: i16, values: &[i32]) {
        self.list_head(field, I32, values.len());
        values.iter().for_each(|value| self.zigzag((*value).into()));
    }

    pub fn texts(&mut self, field: i16, texts: &[String]) {
        self.list_head(field, BINARY, texts.len());
        texts.iter().for_each(|text| self.blob(text.as_bytes()));
    }

    fn nested(&mut self, write: impl FnOnce(&mut Self)) {
        let outer = std::mem::take(&mut self.last);
        write(self);
        self.bytes.push(0);
        self.last = outer;
    }

    /// The struct's bytes.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.push(0);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut writer = Writer::default();
        writer.i32(1, -3);
        writer.i64(2, i64::MIN);
        writer.text(4, "naïve");
        writer.fields(5, |inner| inner.i32(10, 70_000));
        writer.structs(6, 0..20, |inner, n| inner.i32(1, n));
        writer.texts(7, &["a".into(), "b".into()]);
        writer.i32s(8, &[0, 3]);
        let bytes = writer.finish();
        let (read, len) = read_struct(&[&bytes[..], &[9, 9]].concat()).expect("reads");
        assert_eq!(len, bytes.len());
        assert_eq!((read.int(1), read.int(2), read.count(1)), (Some(-3), Some(i64::MIN), None));
        assert_eq!(read.text(4).as_deref(), Some("naïve"));
        assert_eq!(read.fields(5).and_then(|inner| inner.int(10)), Some(70_000));
        assert_eq!(read.structs(6).filter_map(|inner| inner.int(1)).sum::<i64>(), 190);
        assert_eq!(read.list(7), [Value::Bytes(b"a".to_vec()), Value::Bytes(b"b".to_vec())]);
        assert_eq!(read.list(8), [Value::Int(0), Value::Int(3)]);
    }

    #[test]
    fn cut_anywhere_it_is_refused() {
        let mut writer = Writer::default();
        writer.text(1, "text");
        writer.structs(2, 0..3, |inner, n| inner.i32(1, n));
        let bytes = writer.finish();
        for len in 0..bytes.len() {
            assert!(read_struct(&bytes[..len]).is_err(), "{len}");
        }
        let nested = [0x1c; 1000];
        assert!(read_struct(&nested).is_err());
        // A list of 2^40 elements.
        assert!(read_struct(&[0x19, 0xfc, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20]).is_err());
    }
}
