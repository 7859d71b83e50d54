//! Pictures of a camera, and PNG files of them.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use keiko_model::png::{self, Pixels};

/// Colours of 8 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `[height, width, 3]`: red, green, blue; the first row is the upper one.
    pub pixels: Vec<u8>,
}

impl Image {
    /// A PNG file (ISO/IEC 15948): 8 bits of red, green and blue.
    ///
    /// # Panics
    /// If there are not as many pixels as rows and columns say.
    pub fn to_png(&self) -> Vec<u8> {
        /// Each row is stored as differences to the pixel at the left.
        const FILTER: u8 = 1;
        assert_eq!(self.pixels.len(), 3 * self.width * self.height, "pixels of the image");
        let mut rows = Vec::with_capacity(self.pixels.len() + self.height);
        for row in self.pixels.chunks_exact((3 * self.width).max(1)) {
            rows.push(FILTER);
            rows.extend((0..row.len()).map(|at| row[at].wrapping_sub(if at < 3 { 0 } else { row[at - 3] })));
        }
        // Neither step can fail in memory.
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
        let packed = packed.write_all(&rows).and_then(|()| packed.finish()).unwrap_or_default();
        let size = |side: usize| (side as u32).to_be_bytes();
        // 8 bits, colour, and the only methods that there are.
        let header = [&size(self.width)[..], &size(self.height), &[8, 2, 0, 0, 0]].concat();
        let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
        for (kind, content) in [(b"IHDR", header), (b"IDAT", packed), (b"IEND", Vec::new())] {
            file.extend((content.len() as u32).to_be_bytes());
            let checked = [&kind[..], &content].concat();
            file.extend(&checked);
            file.extend(crc32fast::hash(&checked).to_be_bytes());
        }
        file
    }

    /// Reads a PNG file of any kind: grey becomes colour, opacity is dropped, 16 bits become 8.
    ///
    /// # Errors
    /// Says what is wrong with the file.
    pub fn from_png(bytes: &[u8]) -> Result<Self, String> {
        let Pixels { height, width, rgb } = png::decode(bytes)?;
        Ok(Self { height, width, pixels: rgb })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn png_files_are_read_as_written() {
        let pixels = (0..5 * 7 * 3).map(|k: u32| (k * k % 251) as u8).collect();
        let image = Image { height: 5, width: 7, pixels };
        let png = image.to_png();
        assert_eq!(Image::from_png(&png), Ok(image));
        for cut in [0, 7, 20, 40, png.len() / 2] {
            assert!(Image::from_png(&png[..cut]).is_err(), "{cut}");
        }
        let mut flipped = png.clone();
        flipped[50] ^= 4;
        assert!(Image::from_png(&flipped).is_err());
        assert!(Image::from_png(&[0xff, 0xd8, 0xff, 0xe0]).is_err_and(|why| why.contains("JPEG")));
    }
}
