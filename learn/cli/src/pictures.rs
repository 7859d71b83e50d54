//! Images as PNG files for people.

use std::path::Path;

use anyhow::Context;
use keiko_camera::{Channel, Images, halved};
use keiko_data::Image;

/// Writes the first view of images of one channel. Colour is taken to have twice the pixels on each side: four of them
/// make one. Distances are light where near and dark where far, numbers of things get a colour each, and normals are
/// drawn as (x, y, z) + 1.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path, images: &Images) -> anyhow::Result<()> {
    let channel = images.channels().next().context("images without a channel")?;
    let [mut width, mut height] = images.size;
    let area = (width * height) as usize;
    let pixels: Vec<[u8; 3]> = if let Some(rgba) = images.rgb() {
        (width, height) = (width / 2, height / 2);
        halved(rgba, width as usize, height as usize)
    } else if let Some(ids) = images.ids(channel) {
        ids[..area].iter().map(|id| color_of(*id)).collect()
    } else {
        let values = images.floats(channel).context("a channel of no known kind")?;
        match channel {
            Channel::Normals => (0..area)
                .map(|at| [0, 1, 2].map(|k| (127.5 * (values[k * area + at] + 1.0)).round() as u8))
                .collect(),
            _ => shades(&values[..area]),
        }
    };
    let [height, width] = [height, width].map(|side| side as usize);
    let png = Image { height, width, pixels: pixels.concat() }.to_png();
    std::fs::write(path, png).with_context(|| path.display().to_string())
}

/// Greys from the least distance, light, to what few things are beyond, dark; the largest, of what is not there, is black.
fn shades(distances: &[f32]) -> Vec<[u8; 3]> {
    let largest = distances.iter().copied().fold(0.0, f32::max);
    let mut seen: Vec<f32> = distances.iter().copied().filter(|z| *z < largest).collect();
    seen.sort_by(f32::total_cmp);
    let near = seen.first().copied().unwrap_or(0.0);
    let beyond = seen.get(seen.len() * 9 / 10).copied().unwrap_or(largest);
    let far = near + (1.25 * (beyond - near)).max(1e-3);
    distances
        .iter()
        .map(|z| [(255.0 * ((far - z) / (far - near)).clamp(0.0, 1.0)).round() as u8; 3])
        .collect()
}

/// A colour that differs from those of the numbers nearby; black for nothing.
fn color_of(id: i32) -> [u8; 3] {
    if id < 0 {
        return [0; 3];
    }
    // Hues at steps of the golden ratio never repeat.
    let hue = (f64::from(id) * 0.618_033_988_75).fract() * 6.0;
    let value = 255.0 - f64::from(id % 3) * 45.0;
    [5.0, 3.0, 1.0].map(|shift| {
        let k = (shift + hue) % 6.0;
        (value * (1.0 - 0.75 * k.min(4.0 - k).clamp(0.0, 1.0))).round() as u8
    })
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

    #[test]
    fn near_is_light_and_numbers_differ() {
        assert_eq!(shades(&[1.0, 2.0, 9.0]), [[255; 3], [51; 3], [0; 3]]);
        let colors: Vec<_> = (-1..60).map(color_of).collect();
        for (k, color) in colors.iter().enumerate() {
            assert!(!colors[..k].contains(color), "colour {k} again");
        }
    }
}
