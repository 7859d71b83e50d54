//! Images are changed a little each time they are learned from, so that the model learns what is shown rather than
//! the pixels: moved by a few pixels (Yarats et al. 2021, arXiv:2107.09645), brighter or darker, with more or
//! less contrast.

use keiko_policy::noise::Stream;

/// How much may change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Augment {
    /// Share of the side that an image is moved by at most.
    pub shift: f64,
    /// Share that brightness and contrast change by at most.
    pub colour: f64,
}

impl Augment {
    /// Changes an image `[height, width, 3]` as the counters of the stream say.
    pub fn apply(
        self,
        pixels: &mut Vec<u8>,
        [height, width]: [usize; 2],
        stream: &Stream,
        step: u64,
        image: u64,
    ) {
        let draw = |number: u64, most: f64| (2.0 * stream.uniform(step, image, number) - 1.0) * most;
        if self.shift > 0.0 {
            let most = |side: usize| self.shift * side as f64;
            let rows = draw(0, most(height)).round() as isize;
            let columns = draw(1, most(width)).round() as isize;
            *pixels = shifted(pixels, [height, width], [rows, columns]);
        }
        if self.colour > 0.0 {
            let (brightness, contrast) = (1.0 + draw(2, self.colour), 1.0 + draw(3, self.colour));
            let mean = pixels.iter().map(|&x| f64::from(x)).sum::<f64>() / pixels.len().max(1) as f64;
            let change =
                |x: u8| (((f64::from(x) - mean) * contrast + mean) * brightness).round().clamp(0.0, 255.0);
            let table: Vec<u8> = (0..=255).map(|x| change(x) as u8).collect();
            pixels.iter_mut().for_each(|x| *x = table[usize::from(*x)]);
        }
    }
}

/// Moved down and right; the edge fills what comes in.
fn shifted(pixels: &[u8], [height, width]: [usize; 2], [rows, columns]: [isize; 2]) -> Vec<u8> {
    let source = |i: usize, by: isize, side: usize| (i as isize - by).clamp(0, side as isize - 1) as usize;
    let mut moved = Vec::with_capacity(pixels.len());
    for row in 0..height {
        let line = source(row, rows, height) * width;
        for column in 0..width {
            let at = 3 * (line + source(column, columns, width));
            moved.extend_from_slice(&pixels[at..at + 3]);
        }
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;
    use keiko_policy::noise::Purpose;

    #[test]
    fn an_image_is_moved_and_its_edge_repeated() {
        let image: Vec<u8> = (0..6).flat_map(|i| [i, 10 + i, 20 + i]).collect();
        let reds = |image: &[u8]| image.chunks(3).map(|p| p[0]).collect::<Vec<_>>();
        assert_eq!(reds(&shifted(&image, [2, 3], [0, 1])), [0, 0, 1, 3, 3, 4]);
        assert_eq!(reds(&shifted(&image, [2, 3], [-1, 0])), [3, 4, 5, 3, 4, 5]);
        assert_eq!(shifted(&image, [2, 3], [0, 0]), image);
    }

    #[test]
    fn nothing_changes_where_nothing_may() {
        let stream = Stream::new(1, Purpose::Images);
        let image: Vec<u8> = (0..48).collect();
        let mut changed = image.clone();
        Augment { shift: 0.0, colour: 0.0 }.apply(&mut changed, [4, 4], &stream, 3, 4);
        assert_eq!(changed, image);
        Augment { shift: 0.25, colour: 0.2 }.apply(&mut changed, [4, 4], &stream, 3, 4);
        assert_ne!(changed, image);
    }
}
