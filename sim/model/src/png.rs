//! PNG files.

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_png::PngDecoder;

/// Largest side of an image that is read \[pixel\].
const MAX_SIDE: usize = 8192;

/// A decoded image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pixels {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Red, green and blue `[height, width, 3]`; the first row is the upper one.
    pub rgb: Vec<u8>,
}

/// Reads a PNG file of any kind: grey becomes colour, opacity is dropped, 16 bits become 8.
///
/// # Errors
/// Says what is wrong with the file.
pub fn decode(bytes: &[u8]) -> Result<Pixels, String> {
    if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
        return Err("a JPEG file where a PNG file is expected".into());
    }
    let options = DecoderOptions::default()
        .set_max_width(MAX_SIDE)
        .set_max_height(MAX_SIDE)
        .png_set_strip_to_8bit(true)
        .png_set_confirm_crc(true);
    let mut decoder = PngDecoder::new_with_options(ZCursor::new(bytes), options);
    let values = decoder.decode().map_err(|error| format!("a damaged PNG file: {error:?}"))?;
    let values = values.u8().ok_or("a PNG file of more than 8 bits")?;
    let (width, height) = decoder.dimensions().ok_or("a PNG file of no size")?;
    let rgb: Vec<u8> = match decoder.colorspace().ok_or("a PNG file of no colours")? {
        ColorSpace::RGB => values,
        ColorSpace::RGBA => values.as_chunks::<4>().0.iter().flat_map(|p| [p[0], p[1], p[2]]).collect(),
        ColorSpace::Luma => values.iter().flat_map(|grey| [*grey; 3]).collect(),
        ColorSpace::LumaA => values.as_chunks::<2>().0.iter().flat_map(|p| [p[0]; 3]).collect(),
        other => return Err(format!("a PNG file of colours {other:?}")),
    };
    if rgb.len() == 3 * width * height {
        Ok(Pixels { height, width, rgb })
    } else {
        Err("a PNG file that ends too early".into())
    }
}
