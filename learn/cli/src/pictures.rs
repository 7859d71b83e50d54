//! Images as PNG files for people.

use std::path::Path;

use anyhow::Context;
use keiko_camera::{Images, halved, shown};
use keiko_data::Image;

/// Writes the first view of images of one channel, as [`shown`] makes it. Colour is taken to have twice the pixels on each side:
/// four of them make one.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path, images: &Images) -> anyhow::Result<()> {
    let channel = images.channels().next().context("images without a channel")?;
    let [mut width, mut height] = images.size;
    let pixels: Vec<[u8; 3]> = match images.rgb() {
        Some(rgba) => {
            (width, height) = (width / 2, height / 2);
            halved(rgba, width as usize, height as usize)
        }
        None => shown(images, channel).context("a channel of no known kind")?,
    };
    let [height, width] = [height, width].map(|side| side as usize);
    let png = Image { height, width, pixels: pixels.concat() }.to_png();
    std::fs::write(path, png).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_pixels_make_one() {
        let rgba: Vec<u8> = (0..16).flat_map(|at| [at * 10, 100, 200, 255]).collect();
        let small = halved(&rgba, 2, 2);
        assert_eq!(small, [[25, 100, 200], [45, 100, 200], [105, 100, 200], [125, 100, 200]]);
    }
}
