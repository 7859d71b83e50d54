//! Images on the host.

use keiko_model::camera::Channel;

/// Images of all views of a group; view `env * cameras + camera`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Images {
    /// Number of views.
    pub num_views: usize,
    /// Width and height \[pixel\].
    pub size: [u32; 2],
    /// Bits of each channel that was asked for `[views, channels, height, width]`.
    pub(crate) channels: Vec<(Channel, Vec<u32>)>,
}

impl Images {
    /// The channels that there are.
    pub fn channels(&self) -> impl ExactSizeIterator<Item = Channel> + '_ {
        self.channels.iter().map(|(channel, _)| *channel)
    }

    /// Red, green, blue and 255 of each pixel `[views, height, width, 4]`.
    pub fn rgb(&self) -> Option<&[u8]> {
        self.bits(Channel::Rgb).map(bytemuck::cast_slice)
    }

    /// A channel of floating-point numbers `[views, channels, height, width]`.
    pub fn floats(&self, channel: Channel) -> Option<&[f32]> {
        use Channel::{Depth, Distance, Flow, Normals, Radiance, RgbFloat};
        let is_float = matches!(channel, RgbFloat | Depth | Distance | Normals | Radiance | Flow);
        is_float.then(|| self.bits(channel).map(bytemuck::cast_slice)).flatten()
    }

    /// A channel of numbers of things `[views, 1, height, width]`.
    pub fn ids(&self, channel: Channel) -> Option<&[i32]> {
        let is_id = matches!(channel, Channel::Segmentation | Channel::Link | Channel::Class);
        is_id.then(|| self.bits(channel).map(bytemuck::cast_slice)).flatten()
    }

    /// The bits of a channel, whatever they mean.
    pub fn bits(&self, channel: Channel) -> Option<&[u32]> {
        self.channels.iter().find(|(has, _)| *has == channel).map(|(_, bits)| bits.as_slice())
    }

    /// The bits of one view of a channel.
    pub fn view_bits(&self, channel: Channel, view: usize) -> Option<&[u32]> {
        let bits = self.bits(channel)?;
        let size = bits.len() / self.num_views.max(1);
        bits.get(view * size..(view + 1) * size)
    }
}

/// Red, green and blue of an image `[height, width]` whose pixels are means of two by two of `rgba`
/// `[2 height, 2 width, 4]`, rounded.
///
/// # Panics
/// If `rgba` is smaller.
pub fn halved(rgba: &[u8], width: usize, height: usize) -> Vec<[u8; 3]> {
    let of = |x: usize, y: usize, k: usize| u32::from(rgba[4 * (y * 2 * width + x) + k]);
    let mean = |x: usize, y: usize, k: usize| {
        let sum = of(2 * x, 2 * y, k)
            + of(2 * x + 1, 2 * y, k)
            + of(2 * x, 2 * y + 1, k)
            + of(2 * x + 1, 2 * y + 1, k);
        ((sum + 2) / 4) as u8
    };
    (0..width * height).map(|at| [0, 1, 2].map(|k| mean(at % width, at / width, k))).collect()
}
