//! The sequence parameter set of H.264 (ITU-T H.264, 7.3.2.1.1 and annex E): what the frames of a stream are.

use crate::Fault;

/// Most macroblocks, of 16 by 16 pixels, in a frame: that of level 5.2, the highest that the decoder has.
const MOST_BLOCKS: u64 = 36_864;
/// Profiles whose sets say which colours they have.
const HIGH: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

/// How colours are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Colours {
    /// ITU-R BT.709 rather than BT.601.
    pub(crate) is_bt709: bool,
    /// Brightness from 0 to 255 rather than from 16 to 235.
    pub(crate) is_full_range: bool,
}

/// What a set says of the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sps {
    /// Width and height that are shown \[pixel\]; both even.
    pub(crate) size: [u32; 2],
    pub(crate) colours: Colours,
}

impl Sps {
    /// Reads a set, its NAL header included, and refuses streams that are not decoded.
    pub(crate) fn parse(nal: &[u8]) -> Result<Self, Fault> {
        let damaged = || Fault::damaged("the description of its frames (SPS) is cut or broken");
        let bytes = without_emulation(nal.get(1..).unwrap_or_default());
        let mut bits = Bits { bytes: &bytes, at: 0 };
        parse(&mut bits).ok_or_else(damaged)?
    }
}

/// `None` is a set that ends too early.
fn parse(bits: &mut Bits<'_>) -> Option<Result<Sps, Fault>> {
    let refused = |what: String| Some(Err(Fault::Unsupported(format!("its frames are {what}; {WAY_OUT}"))));
    let profile = bits.read(8)?;
    bits.skip(16)?;
    bits.unsigned()?;
    if HIGH.contains(&profile) {
        let chroma = bits.unsigned()?;
        if chroma != 1 {
            let name =
                ["grey", "", "4:2:2", "4:4:4"].get(chroma as usize).copied().unwrap_or("of unknown colours");
            return refused(name.to_owned());
        }
        let (luma, chroma) = (bits.unsigned()?, bits.unsigned()?);
        if (luma, chroma) != (0, 0) {
            return refused(format!("of {} bits", u64::from(luma.max(chroma)) + 8));
        }
        bits.skip(1)?;
        if bits.flag()? {
            (0..8).try_for_each(|list| {
                if bits.flag()? { skip_scaling(bits, if list < 6 { 16 } else { 64 }) } else { Some(()) }
            })?;
        }
    }
    bits.unsigned()?;
    match bits.unsigned()? {
        0 => drop(bits.unsigned()?),
        1 => {
            bits.skip(1)?;
            bits.signed()?;
            bits.signed()?;
            let cycle = bits.unsigned()?;
            for _ in 0..cycle.min(256) {
                bits.signed()?;
            }
        }
        _ => {}
    }
    bits.unsigned()?;
    bits.skip(1)?;
    let [columns, rows] = [u64::from(bits.unsigned()?) + 1, u64::from(bits.unsigned()?) + 1];
    if !bits.flag()? {
        return refused("interlaced".into());
    }
    bits.skip(1)?;
    let mut crop = [0; 4];
    if bits.flag()? {
        for side in &mut crop {
            *side = 2 * u64::from(bits.unsigned()?);
        }
    }
    if columns.checked_mul(rows).is_none_or(|blocks| blocks > MOST_BLOCKS) {
        return refused(format!("of {columns} x {rows} blocks of 16 x 16 pixels, more than {MOST_BLOCKS}"));
    }
    let width = (16 * columns).checked_sub(crop[0] + crop[1]).filter(|width| *width > 0)?;
    let height = (16 * rows).checked_sub(crop[2] + crop[3]).filter(|height| *height > 0)?;
    // What a set does not say is as FFmpeg takes it.
    let mut colours = Colours { is_bt709: false, is_full_range: false };
    if bits.flag()? {
        // The shape of a pixel.
        if bits.flag()? && bits.read(8)? == 255 {
            bits.skip(32)?;
        }
        if bits.flag()? {
            bits.skip(1)?;
        }
        if bits.flag()? {
            bits.skip(3)?;
            colours.is_full_range = bits.flag()?;
            if bits.flag()? {
                bits.skip(16)?;
                match bits.read(8)? {
                    1 => colours.is_bt709 = true,
                    // Unspecified, and two names of BT.601.
                    2 | 5 | 6 => {}
                    other => return refused(format!("of colours by matrix {other} of ITU-T H.273")),
                }
            }
        }
    }
    Some(Ok(Sps { size: [width as u32, height as u32], colours }))
}

/// How a video comes to be one that is read.
pub(crate) const WAY_OUT: &str = "read is H.264 of 8 bits, 4:2:0, not interlaced: \
     `ffmpeg -i IN.mp4 -c:v libx264 -g 2 -crf 18 -pix_fmt yuv420p OUT.mp4` makes it";

fn skip_scaling(bits: &mut Bits<'_>, count: usize) -> Option<()> {
    let (mut last, mut next) = (8_i64, 8_i64);
    for _ in 0..count {
        if next != 0 {
            next = (last + i64::from(bits.signed()?)).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

/// Without the bytes that keep start codes from appearing: `00 00 03` stands for `00 00`.
fn without_emulation(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut zeros = 0;
    for byte in bytes {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        out.push(*byte);
    }
    out
}

/// Bits, the highest of a byte first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn flag(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    fn read(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |value: u32, _| Some(value << 1 | u32::from(self.flag()?)))
    }

    fn skip(&mut self, count: u32) -> Option<()> {
        (0..count).try_for_each(|_| self.flag().map(drop))
    }

    /// `ue(v)`: zeros, a one, and as many bits as there were zeros.
    fn unsigned(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
        }
        if zeros > 31 {
            return None;
        }
        Some((1 << zeros) - 1 + self.read(zeros)?)
    }

    /// `se(v)`: 1, -1, 2, -2 ...
    fn signed(&mut self) -> Option<i32> {
        let code = i64::from(self.unsigned()?);
        let value = if code % 2 == 1 { (code + 1) / 2 } else { -code / 2 };
        i32::try_from(value).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_length() {
        // 1, 010, 011, 00100, 00101 of table 9-2, as `ue` 0 to 4.
        let bytes = [0b1010_0110, 0b0100_0010, 0b1000_0000];
        let mut bits = Bits { bytes: &bytes, at: 0 };
        assert_eq!([0; 5].map(|_| bits.unsigned()), [0, 1, 2, 3, 4].map(Some));
        let mut bits = Bits { bytes: &bytes, at: 0 };
        assert_eq!([0; 5].map(|_| bits.signed()), [0, 1, -1, 2, -2].map(Some));
        assert_eq!(Bits { bytes: &[0; 9], at: 0 }.unsigned(), None);
        assert_eq!(Bits { bytes: &[], at: 0 }.unsigned(), None);
    }

    #[test]
    fn bytes_against_start_codes_are_left_out() {
        assert_eq!(without_emulation(&[0, 0, 3, 1, 0, 3, 0, 0, 3, 0, 0, 3]), [0, 0, 1, 0, 3, 0, 0, 0, 0]);
    }

    /// Of 1920 x 1080 pixels, High profile: 1088 rows, of which eight are cut off.
    #[test]
    fn a_set_of_another_encoder() {
        let nal = [
            0x67, 0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xe5, 0xc0, 0x5a, 0x80, 0x80, 0x80,
            0xa0, 0x00, 0x00, 0x03, 0x00, 0x20, 0x00, 0x00, 0x07, 0x81, 0xe3, 0x06, 0x32, 0xc0,
        ];
        let sps = Sps::parse(&nal).ok();
        assert_eq!(sps.map(|sps| sps.size), Some([1920, 1080]));
        for cut in 0..12 {
            assert!(matches!(Sps::parse(&nal[..cut]), Err(Fault::Damaged(_))), "{cut}");
        }
        for bit in 0..8 * nal.len() {
            let mut flipped = nal;
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _ = Sps::parse(&flipped);
        }
    }
}
