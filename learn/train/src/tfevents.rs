//! Scalars in TensorBoard's event files.
//!
//! A file is a row of records: length (u64), masked CRC-32C of the length (u32), data, masked CRC-32C of the
//! data (u32), all little endian (the TFRecord format of TensorFlow). Data is an `Event` of `event.proto`:
//! `wall_time = 1` (double), `step = 2` (int64), `file_version = 3` (string), `summary = 5`, which holds
//! `value = 1` with `tag = 1` (string) and `simple_value = 2` (float).

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::clock;
use crate::lock::host_name;
use crate::storage::{Result, StorageError};

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;
const FIXED32: u64 = 5;

/// Appends scalars to an event file. A full disk never stops it: records are dropped and counted.
#[derive(Debug)]
pub struct EventLog {
    file: File,
    path: PathBuf,
    /// Length up to the end of the last whole record \[bytes\].
    len: u64,
    dropped: u64,
}

impl EventLog {
    /// Starts a new file `events.out.tfevents.*` in a folder.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn create(dir: &Path) -> Result<Self> {
        let name = format!("events.out.tfevents.{:010}.{}", clock::unix_seconds() as u64, host_name());
        let path = dir.join(name);
        let mut file = File::create(&path).map_err(StorageError::io("create", &path))?;
        let header = record(&event_at::<&str>(clock::unix_seconds(), 0, &[], Some("brain.Event:2")));
        file.write_all(&header).map_err(StorageError::io("write", &path))?;
        Ok(Self { file, path, len: header.len() as u64, dropped: 0 })
    }

    /// Goes on after the checkpoint of `step`: records of later steps and a torn end are cut off the newest
    /// event file of the folder; without one, starts a new file.
    ///
    /// # Errors
    /// The folder or file cannot be read or written.
    pub fn resume(dir: &Path, step: u64) -> Result<Self> {
        let entries = fs::read_dir(dir).map_err(StorageError::io("list", dir))?;
        let names = entries.flatten().map(|entry| entry.path());
        let Some(path) = names.filter(|path| is_event_file(path)).max() else { return Self::create(dir) };
        let bytes = fs::read(&path).map_err(StorageError::io("read", &path))?;
        let len = end_of_step(&bytes, step);
        if len == 0 {
            return Self::create(dir);
        }
        let mut file = OpenOptions::new().write(true).open(&path).map_err(StorageError::io("open", &path))?;
        file.set_len(len)
            .and_then(|()| file.seek(SeekFrom::Start(len)))
            .map_err(StorageError::io("write", &path))?;
        Ok(Self { file, path, len, dropped: 0 })
    }

    /// Appends scalars of one step. TensorBoard keeps them as `f32`.
    pub fn append<N: AsRef<str>>(&mut self, step: u64, scalars: &[(N, f64)]) {
        let bytes = record(&event_at(clock::unix_seconds(), step, scalars, None));
        let start = self.file.seek(SeekFrom::Start(self.len));
        match start.and_then(|_| self.file.write_all(&bytes)) {
            Ok(()) => self.len += bytes.len() as u64,
            Err(_) => {
                let _ = self.file.set_len(self.len);
                self.dropped += 1;
            }
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Records dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

fn is_event_file(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("events.out.tfevents."))
}

/// The events of a file's bytes, up to the first record that is torn or fails its checksum.
pub fn read_events(bytes: &[u8]) -> Vec<Event> {
    Records { bytes, end: 0 }.filter_map(|(_, data)| parse_event(data)).collect()
}

/// What keiko writes into one event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    /// When it was written: seconds since 1970.
    pub wall_time: f64,
    /// Step.
    pub step: u64,
    /// `brain.Event:2` in a file's first event.
    pub file_version: Option<String>,
    /// Tag and value.
    pub scalars: Vec<(String, f32)>,
}

/// Where the records of steps up to `step` end \[bytes\].
fn end_of_step(bytes: &[u8], step: u64) -> u64 {
    let mut len = 0;
    for (end, data) in (Records { bytes, end: 0 }) {
        if parse_event(data).is_some_and(|event| event.step > step) {
            break;
        }
        len = end as u64;
    }
    len
}

/// CRC-32C, rotated and offset, so that the CRC of data that holds CRCs stays meaningful.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut bytes = Vec::with_capacity(data.len() + 16);
    bytes.extend(length);
    bytes.extend(masked_crc(&length).to_le_bytes());
    bytes.extend(data);
    bytes.extend(masked_crc(data).to_le_bytes());
    bytes
}

/// Walks over records: gives the end of each, and its data.
struct Records<'a> {
    bytes: &'a [u8],
    end: usize,
}

impl<'a> Iterator for Records<'a> {
    type Item = (usize, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.end..)?;
        let (length, rest) = rest.split_first_chunk::<8>()?;
        let (length_crc, rest) = rest.split_first_chunk::<4>()?;
        if u32::from_le_bytes(*length_crc) != masked_crc(length) {
            return None;
        }
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (data, rest) = rest.split_at_checked(length)?;
        let (crc, _) = rest.split_first_chunk::<4>()?;
        if u32::from_le_bytes(*crc) != masked_crc(data) {
            return None;
        }
        self.end += length + 16;
        Some((self.end, data))
    }
}

fn event_at<N: AsRef<str>>(
    wall_time: f64,
    step: u64,
    scalars: &[(N, f64)],
    file_version: Option<&str>,
) -> Vec<u8> {
    let mut event = Vec::new();
    put_key(&mut event, 1, FIXED64);
    event.extend(wall_time.to_le_bytes());
    // Like every writer of protocol buffers, leave out what is zero.
    if step != 0 {
        put_key(&mut event, 2, VARINT);
        put_varint(&mut event, step);
    }
    if let Some(version) = file_version {
        put_bytes(&mut event, 3, version.as_bytes());
        return event;
    }
    let mut summary = Vec::new();
    for (tag, value) in scalars {
        let mut entry = Vec::new();
        put_bytes(&mut entry, 1, tag.as_ref().as_bytes());
        put_key(&mut entry, 2, FIXED32);
        entry.extend((*value as f32).to_le_bytes());
        put_bytes(&mut summary, 1, &entry);
    }
    put_bytes(&mut event, 5, &summary);
    event
}

fn put_key(out: &mut Vec<u8>, field: u64, wire_type: u64) {
    put_varint(out, field << 3 | wire_type);
}

fn put_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_key(out, field, BYTES);
    put_varint(out, bytes.len() as u64);
    out.extend(bytes);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// Splits a protobuf message into field numbers and values; `None` when it is malformed.
fn parse_fields(mut bytes: &[u8]) -> Option<Vec<(u64, Value<'_>)>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = take_varint(&mut bytes)?;
        let value = match key & 7 {
            VARINT => Value::Number(take_varint(&mut bytes)?),
            FIXED64 => Value::Number(u64::from_le_bytes(*take_chunk(&mut bytes)?)),
            FIXED32 => Value::Number(u32::from_le_bytes(*take_chunk(&mut bytes)?).into()),
            BYTES => {
                let length = usize::try_from(take_varint(&mut bytes)?).ok()?;
                let (value, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Value::Bytes(value)
            }
            _ => return None,
        };
        fields.push((key >> 3, value));
    }
    Some(fields)
}

fn take_chunk<'a, const N: usize>(bytes: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (chunk, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(chunk)
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn parse_event(data: &[u8]) -> Option<Event> {
    let mut event = Event::default();
    for field in parse_fields(data)? {
        match field {
            (1, Value::Number(bits)) => event.wall_time = f64::from_bits(bits),
            (2, Value::Number(step)) => event.step = step,
            (3, Value::Bytes(text)) => event.file_version = Some(String::from_utf8_lossy(text).into_owned()),
            (5, Value::Bytes(summary)) => {
                for entry in parse_fields(summary)? {
                    if let (1, Value::Bytes(entry)) = entry {
                        event.scalars.push(parse_scalar(entry)?);
                    }
                }
            }
            _ => {}
        }
    }
    Some(event)
}

fn parse_scalar(entry: &[u8]) -> Option<(String, f32)> {
    let (mut tag, mut scalar) = (String::new(), 0.0);
    for field in parse_fields(entry)? {
        match field {
            (1, Value::Bytes(text)) => tag = String::from_utf8_lossy(text).into_owned(),
            (2, Value::Number(bits)) => scalar = f32::from_bits(bits as u32),
            _ => {}
        }
    }
    Some((tag, scalar))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of CRC-32C, and the test vectors of RFC 3720, B.4.
    #[test]
    fn checksum_gives_the_published_vectors() {
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c::crc32c(&[0xff; 32]), 0x62a8_ab43);
        let ascending: Vec<u8> = (0..32).collect();
        assert_eq!(crc32c::crc32c(&ascending), 0x46dd_794e);
    }

    /// How every event file written by TensorFlow starts: an event of 24 bytes (time and version).
    #[test]
    fn header_record_starts_like_tensorflows() {
        let bytes = record(&event_at::<&str>(1.5e9, 0, &[], Some("brain.Event:2")));
        assert_eq!(bytes[..12], [0x18, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22]);
    }

    #[test]
    fn a_message_is_the_bytes_of_the_protobuf_specification() {
        let bytes = event_at(0.0, 300, &[("a", 1.0)], None);
        let summary = [0x0a, 8, 0x0a, 1, b'a', 0x15, 0, 0, 0x80, 0x3f];
        let mut expected = vec![0x09, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0xac, 0x02, 0x2a, 10];
        expected.extend(summary);
        assert_eq!(bytes, expected);
    }

    #[test]
    fn malformed_messages_are_refused() {
        assert!(take_varint(&mut [0xff; 11].as_slice()).is_none());
        assert!(parse_fields(&[0x0a, 5, 1]).is_none());
        assert!(parse_fields(&[0x0b]).is_none());
        assert!(parse_fields(&[0x09, 1, 2]).is_none());
    }
}
