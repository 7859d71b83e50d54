//! Images as pictures for people.

use keiko_model::camera::Channel;

use crate::images::Images;

/// A channel of the first view as red, green and blue of each pixel `[height, width]`; `None` of a channel that the images do not
/// have. Distances are light where near and dark where far, numbers of things get a colour each, normals are drawn as
/// (x, y, z) + 1, and flow as [`flow_colors`].
pub fn shown(images: &Images, channel: Channel) -> Option<Vec<[u8; 3]>> {
    let area = (images.size[0] * images.size[1]) as usize;
    if channel == Channel::Rgb {
        return images
            .rgb()
            .map(|rgba| rgba[..4 * area].chunks_exact(4).map(|p| [p[0], p[1], p[2]]).collect());
    }
    if let Some(ids) = images.ids(channel) {
        return Some(ids[..area].iter().map(|id| id_color(*id)).collect());
    }
    let values = images.floats(channel)?;
    let byte = |value: f32| (255.0 * value).round().clamp(0.0, 255.0) as u8;
    let three = |scale: f32, shift: f32| {
        (0..area).map(|at| [0, 1, 2].map(|k| byte(scale * (values[k * area + at] + shift)))).collect()
    };
    Some(match channel {
        Channel::Normals => three(0.5, 1.0),
        Channel::RgbFloat | Channel::Radiance => three(1.0, 0.0),
        Channel::Flow => flow_colors(&values[..area], &values[area..2 * area]),
        _ => shades(&values[..area]),
    })
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

/// Colours of optical flow: the hue is its direction, red to the right, yellow-green down, and it is the more saturated the faster; the
/// fastest pixel is full. What rests is white.
pub fn flow_colors(right: &[f32], down: &[f32]) -> Vec<[u8; 3]> {
    let most = right.iter().zip(down).map(|(x, y)| x.hypot(*y)).fold(1e-3, f32::max);
    let color = |(x, y): (&f32, &f32)| {
        let hue = y.atan2(*x).rem_euclid(std::f32::consts::TAU) / std::f32::consts::TAU * 6.0;
        let saturation = x.hypot(*y) / most;
        [5.0, 3.0, 1.0].map(|shift| {
            let k = (shift + hue) % 6.0;
            (255.0 * (1.0 - saturation * k.min(4.0 - k).clamp(0.0, 1.0))).round() as u8
        })
    };
    right.iter().zip(down).map(color).collect()
}

/// A colour that differs from those of the numbers nearby; black for nothing.
pub fn id_color(id: i32) -> [u8; 3] {
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
    fn near_is_light_and_numbers_differ() {
        assert_eq!(shades(&[1.0, 2.0, 9.0]), [[255; 3], [51; 3], [0; 3]]);
        let colors: Vec<_> = (-1..60).map(id_color).collect();
        for (k, color) in colors.iter().enumerate() {
            assert!(!colors[..k].contains(color), "colour {k} again");
        }
        // Right, left at half the speed, and nothing.
        assert_eq!(flow_colors(&[2.0, -1.0, 0.0], &[0.0; 3]), [[255, 0, 0], [128, 255, 255], [255; 3]]);
    }
}
