//! Colours as H.264 stores them: one colour for two by two pixels. Written are ITU-R BT.601 and limited range; read is what
//! a video says of itself.
//!
//! openh264 has such functions too; they cut fractions off where these round, which makes a picture darker by two levels of
//! 255.

use crate::sps::Colours;

/// Bits after the point.
const BITS: i32 = 16;
/// Brightness of full red, green and blue above black, 16: 219 times (0.299, 0.587, 0.114).
const LUMA: [i32; 3] = fixed([65.481, 128.553, 24.966]);
/// Blueness above grey, 128: 112 times (-0.299, -0.587, 0.886) / 0.886.
const BLUE: [i32; 3] = fixed([-37.797, -74.203, 112.0]);
/// Redness above grey: 112 times (0.701, -0.587, -0.114) / 0.701.
const RED: [i32; 3] = fixed([112.0, -93.786, -18.214]);

/// For bytes, of which 255 is full.
const fn fixed(weights: [f64; 3]) -> [i32; 3] {
    let scale = (1 << BITS) as f64 / 255.0;
    [
        (weights[0] * scale).round() as i32,
        (weights[1] * scale).round() as i32,
        (weights[2] * scale).round() as i32,
    ]
}

/// Fills the planes Y `[height, width]`, Cb and Cr `[height / 2, width / 2]`, one after the other, from pixels
/// `[height, width, 3]`.
pub(crate) fn to_yuv(rgb: &[u8], [width, height]: [usize; 2], yuv: &mut [u8]) {
    let pixels = rgb.as_chunks::<3>().0;
    let (luma, chroma) = yuv.split_at_mut(width * height);
    for (y, pixel) in luma.iter_mut().zip(pixels) {
        *y = rounded(16, dot(LUMA, pixel.map(i32::from)), 1);
    }
    let (blue, red) = chroma.split_at_mut(width * height / 4);
    for row in 0..height / 2 {
        for column in 0..width / 2 {
            let first = 2 * row * width + 2 * column;
            let four = [first, first + 1, first + width, first + width + 1].map(|at| pixels[at]);
            let sum = [0, 1, 2].map(|k| four.iter().map(|pixel| i32::from(pixel[k])).sum());
            let at = row * (width / 2) + column;
            blue[at] = rounded(128, dot(BLUE, sum), 4);
            red[at] = rounded(128, dot(RED, sum), 4);
        }
    }
}

/// Pixels `[height, width, 3]` from the planes Y `[height, strides[0]]`, Cb and Cr `[height / 2, strides[1]]`; sides are even.
/// `None` if a plane is too small.
pub(crate) fn to_rgb(
    planes: [&[u8]; 3],
    strides: [usize; 2],
    [width, height]: [usize; 2],
    colours: Colours,
) -> Option<Vec<u8>> {
    let [luma_gain, red_of, green_of_blue, green_of_red, blue_of] = back(colours);
    let black = if colours.is_full_range { 0 } else { 16 };
    let mut rgb = vec![0; 3 * width * height];
    for (row, pixels) in rgb.chunks_exact_mut(3 * width).enumerate() {
        let line = |plane: usize, row: usize, stride: usize, len: usize| {
            planes[plane].get(row * stride..)?.get(..len)
        };
        let luma = line(0, row, strides[0], width)?;
        let [blue, red] =
            [line(1, row / 2, strides[1], width / 2)?, line(2, row / 2, strides[1], width / 2)?];
        for ((pair, luma), (blue, red)) in
            pixels.as_chunks_mut::<6>().0.iter_mut().zip(luma.as_chunks::<2>().0).zip(blue.iter().zip(red))
        {
            let (blue, red) = (i32::from(*blue) - 128, i32::from(*red) - 128);
            let colour = [red_of * red, green_of_blue * blue + green_of_red * red, blue_of * blue];
            for (pixel, luma) in pair.as_chunks_mut::<3>().0.iter_mut().zip(luma) {
                let grey = luma_gain * (i32::from(*luma) - black) + (1 << (BITS - 1));
                *pixel = colour.map(|colour| ((grey + colour) >> BITS).clamp(0, 255) as u8);
            }
        }
    }
    Some(rgb)
}

/// The way back from brightness, blueness and redness: brightness in each colour, redness in red, blueness and redness in
/// green, blueness in blue.
const fn back(colours: Colours) -> [i32; 5] {
    // Weights of red and blue in the brightness.
    let (red, blue) = if colours.is_bt709 { (0.2126, 0.0722) } else { (0.299, 0.114) };
    let green = 1.0 - red - blue;
    // Steps of brightness, and of colour, in a picture's whole range.
    let (luma, chroma) = if colours.is_full_range { (255.0, 255.0) } else { (219.0, 224.0) };
    let scale = (1 << BITS) as f64 * 255.0;
    let (of_red, of_blue) = (2.0 * (1.0 - red) / chroma * scale, 2.0 * (1.0 - blue) / chroma * scale);
    [
        (scale / luma).round() as i32,
        of_red.round() as i32,
        (-of_blue * blue / green).round() as i32,
        (-of_red * red / green).round() as i32,
        of_blue.round() as i32,
    ]
}

fn dot(weights: [i32; 3], values: [i32; 3]) -> i32 {
    weights.iter().zip(values).map(|(w, x)| w * x).sum()
}

/// The mean of `count` values above a zero, to the nearest whole number. Always in 16..=240.
fn rounded(zero: i32, sum: i32, count: i32) -> u8 {
    let one = count << BITS;
    (zero + (sum + one / 2).div_euclid(one)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The colour bars of ITU-R BT.601, 8 bits: white, yellow, cyan, green, magenta, red, blue, black.
    #[test]
    fn colour_bars_have_their_published_values() {
        let bars: [([u8; 3], [u8; 3]); 8] = [
            ([255, 255, 255], [235, 128, 128]),
            ([255, 255, 0], [210, 16, 146]),
            ([0, 255, 255], [170, 166, 16]),
            ([0, 255, 0], [145, 54, 34]),
            ([255, 0, 255], [106, 202, 222]),
            ([255, 0, 0], [81, 90, 240]),
            ([0, 0, 255], [41, 240, 110]),
            ([0, 0, 0], [16, 128, 128]),
        ];
        for (rgb, expected) in bars {
            let mut yuv = [0; 6];
            to_yuv(&rgb.repeat(4), [2, 2], &mut yuv);
            assert_eq!([yuv[0], yuv[4], yuv[5]], expected, "{rgb:?}");
            assert!(yuv[..4].iter().all(|y| *y == yuv[0]));
        }
    }

    /// What BT.601 and BT.709 make of a colour comes back, in both ranges.
    #[test]
    fn colours_come_back() {
        for (is_bt709, [red, blue]) in [(false, [0.299, 0.114]), (true, [0.2126, 0.0722])] {
            for (is_full_range, black, [luma, chroma]) in
                [(false, 16.0, [219.0, 224.0]), (true, 0.0, [255.0, 255.0])]
            {
                for rgb in [
                    [255_u8, 255, 255],
                    [200, 30, 90],
                    [10, 250, 120],
                    [0, 0, 0],
                    [128, 128, 128],
                    [60, 80, 230],
                ] {
                    let [r, g, b] = rgb.map(|x| f64::from(x) / 255.0);
                    let y = red * r + (1.0 - red - blue) * g + blue * b;
                    let planes = [
                        black + luma * y,
                        128.0 + chroma * (b - y) / (2.0 * (1.0 - blue)),
                        128.0 + chroma * (r - y) / (2.0 * (1.0 - red)),
                    ]
                    .map(|x: f64| x.round() as u8);
                    let colours = Colours { is_bt709, is_full_range };
                    let back =
                        to_rgb([&[planes[0]; 4], &planes[1..2], &planes[2..3]], [2, 1], [2, 2], colours);
                    let back = back.unwrap_or_default();
                    // The planes are whole numbers: a step of each counts for up to two levels.
                    let near = back.iter().zip(rgb.iter().cycle()).all(|(a, b)| a.abs_diff(*b) <= 2);
                    assert!(back.len() == 12 && near, "{rgb:?} as {planes:?} of {colours:?}: {back:?}");
                }
            }
        }
    }

    #[test]
    fn planes_that_are_too_small() {
        let colours = Colours { is_bt709: false, is_full_range: false };
        assert_eq!(to_rgb([&[16; 16], &[128; 4], &[128; 3]], [4, 2], [4, 4], colours), None);
        assert_eq!(to_rgb([&[16; 16], &[128; 4], &[128; 4]], [4, 2], [4, 4], colours), Some(vec![0; 48]));
    }

    #[test]
    fn four_pixels_have_four_brightnesses_and_one_colour() {
        let rgb = [[255, 0, 0], [0, 0, 255], [255, 0, 0], [0, 0, 255]].concat();
        let mut yuv = [0; 6];
        to_yuv(&rgb, [2, 2], &mut yuv);
        // The means of 90 and 240, and of 240 and 110, before rounding.
        assert_eq!(yuv, [81, 41, 81, 41, 165, 175]);
    }
}
