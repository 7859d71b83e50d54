//! Colours as H.264 stores them: ITU-R BT.601, limited range, one colour for two by two pixels.
//!
//! openh264 has such a function too; it cuts fractions off where this one rounds, which makes a picture darker by two
//! levels of 255.

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

    #[test]
    fn four_pixels_have_four_brightnesses_and_one_colour() {
        let rgb = [[255, 0, 0], [0, 0, 255], [255, 0, 0], [0, 0, 255]].concat();
        let mut yuv = [0; 6];
        to_yuv(&rgb, [2, 2], &mut yuv);
        // The means of 90 and 240, and of 240 and 110, before rounding.
        assert_eq!(yuv, [81, 41, 81, 41, 165, 175]);
    }
}
