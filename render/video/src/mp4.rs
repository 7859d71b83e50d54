//! Where the frames of an MP4 file are (ISO/IEC 14496-12 and -15): of its first video track, if that is H.264.
//!
//! Nothing in a file is trusted: what it counts is held to the bytes that are there before room is made for it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use crate::Fault;
use crate::sps::WAY_OUT;

/// Largest index \[byte\].
const MAX_INDEX: u64 = 256 << 20;
/// Largest frame, as stored \[byte\].
const MAX_SAMPLE: u32 = 64 << 20;
/// Boxes before the index.
const MAX_BOXES: usize = 10_000;

/// Where a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// First byte in the file.
    pub(crate) offset: u64,
    /// Bytes.
    pub(crate) size: u32,
    /// When it is shown \[tick\].
    pub(crate) time: i64,
    /// Whether it needs no other.
    pub(crate) is_key: bool,
}

/// What is known of the video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Track {
    /// Ticks a second.
    pub(crate) timescale: u32,
    /// Bytes of the length that stands before each part of a frame.
    pub(crate) length_size: usize,
    /// The sequence parameter set.
    pub(crate) sps: Vec<u8>,
    /// Parameter sets of both kinds, each after a start code, as a decoder takes them.
    pub(crate) headers: Vec<u8>,
    /// Frames in the order of decoding.
    pub(crate) samples: Vec<Sample>,
}

impl Track {
    /// Reads the index of a file.
    pub(crate) fn read(file: &mut File) -> Result<Self, Fault> {
        let length = file.metadata()?.len();
        let index = index(file, length)?;
        let mut movie_scale = None;
        let mut video = None;
        for part in boxes(&index) {
            let (kind, content) = part?;
            match &kind {
                b"mvhd" => movie_scale = Some(timescale(content)?),
                b"mvex" => {
                    let what = "the file is in fragments: `ffmpeg -i IN.mp4 -c copy OUT.mp4` makes one of it";
                    return Err(Fault::Unsupported(what.into()));
                }
                b"trak" if video.is_none() && is_video(content)? => video = Some(content),
                _ => {}
            }
        }
        let track = video.ok_or_else(|| Fault::damaged("there is no video in it"))?;
        let media = child(track, b"mdia")?;
        let timescale = timescale(child(media, b"mdhd")?)?;
        let table = child(child(media, b"minf")?, b"stbl")?;
        let (length_size, sps, headers) = description(child(table, b"stsd")?)?;
        let mut samples = samples(table, length)?;
        let movie_scale = movie_scale.ok_or_else(|| missing(*b"mvhd"))?;
        let shift = shift(track, [movie_scale, timescale])?;
        for sample in &mut samples {
            sample.time = sample.time.saturating_add(shift);
        }
        Ok(Self { timescale, length_size, sps, headers, samples })
    }
}

/// The content of the box `moov`.
fn index(file: &mut File, length: u64) -> Result<Vec<u8>, Fault> {
    let mut at = 0;
    for number in 0..MAX_BOXES {
        if at == length && number > 0 {
            return Err(Fault::damaged(format!(
                "there is no index (`moov`) in its {length} bytes: a video that was not finished"
            )));
        }
        let mut head = [0; 16];
        let short = |_| Fault::damaged(format!("it ends at byte {length}, inside a box: the file is cut"));
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut head[..8]).map_err(short)?;
        let (kind, mut size, mut header) =
            ([head[4], head[5], head[6], head[7]], u64::from(u32_at(&head, 0)?), 8);
        if number == 0 && !kind.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b' ') {
            return Err(Fault::damaged("this is no MP4 file"));
        }
        if size == 1 {
            file.read_exact(&mut head[8..]).map_err(short)?;
            (size, header) = (u64_at(&head, 8)?, 16);
        } else if size == 0 {
            size = length - at;
        }
        let end = at.checked_add(size).filter(|end| size >= header && *end <= length);
        let Some(end) = end else {
            let name = String::from_utf8_lossy(&kind).into_owned();
            let what = format!(
                "box `{name}` of {size} bytes at byte {at} goes past the end, byte {length}: the file is cut"
            );
            return Err(Fault::Damaged(what));
        };
        if &kind == b"moov" {
            if size > MAX_INDEX {
                return Err(Fault::damaged(format!(
                    "an index of {size} bytes; allowed: at most {MAX_INDEX}"
                )));
            }
            let mut content = vec![0; (size - header) as usize];
            file.read_exact(&mut content)?;
            return Ok(content);
        }
        at = end;
    }
    Err(Fault::damaged(format!("no index (`moov`) among {MAX_BOXES} boxes")))
}

type Part<'a> = ([u8; 4], &'a [u8]);

/// The boxes inside one, each with its content.
fn boxes(mut rest: &[u8]) -> impl Iterator<Item = Result<Part<'_>, Fault>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let next = split(rest);
        rest = next.as_ref().map_or(&[][..], |(_, rest)| *rest);
        Some(next.map(|(part, _)| part))
    })
}

fn split(bytes: &[u8]) -> Result<(Part<'_>, &[u8]), Fault> {
    let cut = || Fault::damaged("its index holds a box that goes past its end");
    let size = u32_at(bytes, 0)?;
    let kind = *bytes.get(4..8).and_then(|kind| kind.first_chunk()).ok_or_else(cut)?;
    let (header, size) = match size {
        0 => (8, bytes.len()),
        1 => (16, usize::try_from(u64_at(bytes, 8)?).map_err(|_| cut())?),
        size => (8, size as usize),
    };
    let content = bytes.get(header..size).ok_or_else(cut)?;
    Ok(((kind, content), &bytes[size..]))
}

fn find<'a>(parent: &'a [u8], name: &[u8; 4]) -> Result<Option<&'a [u8]>, Fault> {
    for part in boxes(parent) {
        let (kind, content) = part?;
        if kind == *name {
            return Ok(Some(content));
        }
    }
    Ok(None)
}

fn child<'a>(parent: &'a [u8], name: &[u8; 4]) -> Result<&'a [u8], Fault> {
    find(parent, name)?.ok_or_else(|| missing(*name))
}

fn missing(name: [u8; 4]) -> Fault {
    Fault::Damaged(format!("its index has no box `{}`", String::from_utf8_lossy(&name)))
}

fn is_video(track: &[u8]) -> Result<bool, Fault> {
    let handler = child(child(track, b"mdia")?, b"hdlr")?;
    Ok(handler.get(8..12) == Some(b"vide"))
}

/// Ticks a second, of `mvhd` and `mdhd`.
fn timescale(content: &[u8]) -> Result<u32, Fault> {
    let at = if content.first() == Some(&1) { 20 } else { 12 };
    match u32_at(content, at)? {
        0 => Err(Fault::damaged("its clock has 0 ticks a second")),
        scale => Ok(scale),
    }
}

/// Reads `stsd`: bytes of a length, sequence parameter set, and all parameter sets.
fn description(content: &[u8]) -> Result<(usize, Vec<u8>, Vec<u8>), Fault> {
    let entries = content.get(8..).ok_or_else(|| missing(*b"stsd"))?;
    let mut kinds = boxes(entries);
    let (kind, entry) = kinds.next().ok_or_else(|| missing(*b"stsd"))??;
    if kinds.next().is_some() {
        return Err(Fault::Unsupported(format!("its frames are of several kinds; {WAY_OUT}")));
    }
    let codec = match &kind {
        b"avc1" | b"avc3" => "",
        b"av01" => "AV1",
        b"hvc1" | b"hev1" => "HEVC (H.265)",
        b"vp08" => "VP8",
        b"vp09" => "VP9",
        b"mp4v" => "MPEG-4 Visual",
        b"encv" => "encrypted",
        _ => "unknown",
    };
    if !codec.is_empty() {
        let code = String::from_utf8_lossy(&kind).into_owned();
        return Err(Fault::Unsupported(format!("its codec is {codec} (`{code}`); {WAY_OUT}")));
    }
    // What every kind of picture has comes before: 78 bytes.
    let config = child(entry.get(78..).ok_or_else(|| missing(*b"avcC"))?, b"avcC")?;
    let cut = || Fault::damaged("the description of its codec (`avcC`) is cut");
    let length_size = usize::from(config.get(4).ok_or_else(cut)? & 3) + 1;
    let mut rest = config.get(5..).ok_or_else(cut)?;
    let (mut first, mut headers) = (None, Vec::new());
    for mask in [0x1f, 0xff] {
        let (count, after) = rest.split_first().ok_or_else(cut)?;
        rest = after;
        for _ in 0..count & mask {
            let length = usize::from(u16::from_be_bytes(*rest.first_chunk().ok_or_else(cut)?));
            let set = rest.get(2..2 + length).ok_or_else(cut)?;
            first.get_or_insert_with(|| set.to_vec());
            headers.extend([0, 0, 0, 1]);
            headers.extend(set);
            rest = &rest[2 + length..];
        }
    }
    Ok((length_size, first.ok_or_else(cut)?, headers))
}

/// Reads the tables of `stbl`: every frame of a track, of a file of `length` bytes.
fn samples(table: &[u8], length: u64) -> Result<Vec<Sample>, Fault> {
    let sizes = child(table, b"stsz")?;
    let (uniform, count) = (u32_at(sizes, 4)?, u32_at(sizes, 8)? as usize);
    let listed =
        if uniform == 0 { count.checked_mul(4).is_some_and(|size| size <= sizes.len()) } else { true };
    // Each frame takes a byte at least, and stands in the file.
    if count == 0 || !listed || count as u64 * u64::from(uniform.max(1)) > length {
        return Err(Fault::damaged(format!(
            "its index counts {count} frames, which its {length} bytes do not hold"
        )));
    }
    let mut samples: Vec<Sample> = Vec::with_capacity(count);
    for number in 0..count {
        let size = if uniform > 0 { uniform } else { u32_at(sizes, 12 + 4 * number)? };
        if size == 0 || size > MAX_SAMPLE {
            return Err(Fault::damaged(format!(
                "frame {number} has {size} bytes; allowed: 1 to {MAX_SAMPLE}"
            )));
        }
        samples.push(Sample { offset: 0, size, time: 0, is_key: false });
    }
    place(&mut samples, table, length)?;

    let mut time = 0_i64;
    let mut at = 0;
    for [run, ticks] in entries(child(table, b"stts")?)? {
        for sample in samples.iter_mut().skip(at).take(run as usize) {
            sample.time = time;
            time += i64::from(ticks);
        }
        at = at.saturating_add(run as usize);
    }
    if at != count {
        return Err(Fault::damaged(format!("its index has times of {at} frames and sizes of {count}")));
    }
    if let Some(delays) = find(table, b"ctts")? {
        let mut at = 0_usize;
        for [run, ticks] in entries(delays)? {
            // Version 0 has no sign, and no writer has delays of half the range.
            samples
                .iter_mut()
                .skip(at)
                .take(run as usize)
                .for_each(|sample| sample.time += i64::from(ticks as i32));
            at = at.saturating_add(run as usize);
        }
        if at != count {
            return Err(Fault::damaged(format!("its index has delays of {at} frames and sizes of {count}")));
        }
    }
    match find(table, b"stss")? {
        None => samples.iter_mut().for_each(|sample| sample.is_key = true),
        Some(keys) => {
            for [number] in entries(keys)? {
                let sample = (number as usize).checked_sub(1).and_then(|at| samples.get_mut(at));
                sample
                    .ok_or_else(|| Fault::damaged(format!("frame {number} to jump to; there are {count}")))?
                    .is_key = true;
            }
        }
    }
    if !samples[0].is_key {
        return Err(Fault::damaged("its first frame needs one that is not there"));
    }
    Ok(samples)
}

/// Puts frames where `stsc` and `stco` say: in chunks, one frame after the other.
fn place(samples: &mut [Sample], table: &[u8], length: u64) -> Result<(), Fault> {
    let chunks: Vec<u64> = match find(table, b"stco")? {
        Some(offsets) => entries(offsets)?.map(|[offset]| u64::from(offset)).collect(),
        None => entries(child(table, b"co64")?)?
            .map(|[high, low]| u64::from(high) << 32 | u64::from(low))
            .collect(),
    };
    let runs: Vec<[u32; 3]> = entries(child(table, b"stsc")?)?.collect();
    let count = samples.len();
    let mut at = 0;
    for (number, run) in runs.iter().enumerate() {
        let wrong = || Fault::damaged("its index lists chunks in no order");
        let first = (run[0] as usize).checked_sub(1).ok_or_else(wrong)?;
        let end = runs.get(number + 1).map_or(chunks.len(), |next| (next[0] as usize).saturating_sub(1));
        for offset in chunks.get(first..end).ok_or_else(wrong)? {
            let mut offset = *offset;
            for sample in samples.iter_mut().skip(at).take(run[1] as usize) {
                sample.offset = offset;
                offset = offset.saturating_add(u64::from(sample.size));
                if offset > length {
                    let what = format!(
                        "frame {at} of {count} ends at byte {offset}, past the end, byte {length}: the file is cut"
                    );
                    return Err(Fault::Damaged(what));
                }
                at += 1;
            }
        }
    }
    if at != count {
        return Err(Fault::damaged(format!("its index places {at} of {count} frames")));
    }
    Ok(())
}

/// By how much a track is late \[tick\], of `elst`: edits that do nothing but shift it.
fn shift(track: &[u8], [movie_scale, scale]: [u32; 2]) -> Result<i64, Fault> {
    let Some(list) = find(track, b"edts")?.map(|edits| child(edits, b"elst")).transpose()? else {
        return Ok(0);
    };
    let is_long = list.first() == Some(&1);
    let size = if is_long { 20 } else { 12 };
    let count = u32_at(list, 4)? as usize;
    let edits = list.get(8..).unwrap_or_default();
    if count.checked_mul(size).is_none_or(|bytes| bytes > edits.len()) {
        return Err(Fault::damaged("its list of edits is cut"));
    }
    let mut shift = 0;
    for (number, edit) in edits.chunks_exact(size).take(count).enumerate() {
        let (duration, start) = match is_long {
            true => (u64_at(edit, 0)?, u64_at(edit, 8)? as i64),
            false => (u64::from(u32_at(edit, 0)?), i64::from(u32_at(edit, 4)? as i32)),
        };
        if start < 0 {
            // Nothing is shown for a while, which is said in ticks of the whole.
            let late = u128::from(duration) * u128::from(scale) / u128::from(movie_scale);
            shift += i64::try_from(late).unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
        } else if number + 1 == count {
            return Ok(shift - start);
        } else {
            return Err(Fault::Unsupported(format!("it is cut from {count} pieces; {WAY_OUT}")));
        }
    }
    Ok(shift)
}

/// The entries of a table of 32-bit numbers, after its version and count.
fn entries<const N: usize>(content: &[u8]) -> Result<impl Iterator<Item = [u32; N]>, Fault> {
    let count = u32_at(content, 4)? as usize;
    let rows = content.get(8..).unwrap_or_default();
    let rows = count.checked_mul(4 * N).and_then(|size| rows.get(..size));
    let rows = rows
        .ok_or_else(|| Fault::damaged(format!("a table of its index counts {count} entries and is cut")))?;
    let number =
        |row: &[u8], k: usize| row[4 * k..].first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    Ok(rows.chunks_exact(4 * N).map(move |row| std::array::from_fn(|k| number(row, k))))
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, Fault> {
    let four = bytes.get(at..).and_then(|bytes| bytes.first_chunk());
    four.map(|four| u32::from_be_bytes(*four)).ok_or_else(|| Fault::damaged("a box of its index is cut"))
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64, Fault> {
    Ok(u64::from(u32_at(bytes, at)?) << 32 | u64::from(u32_at(bytes, at + 4)?))
}
