//! What is written into the images.

use keiko_dynamics::space::V3;
use keiko_gpu::camera::TILE;
use keiko_model::camera::Channel;

use super::packet::{Block, MOST_LANES, Wide, lane, lanes, splat};
use super::shade;
use super::trace::{Band, Shot};
use crate::assets::Assets;

/// All that channels are made of.
pub struct Seen<L: Wide> {
    /// Linear RGB.
    pub light: V3<L>,
    pub distance: L,
    /// Share of a ray's length that is depth.
    pub forward: L,
    pub normal: V3<L>,
    pub found: L::Mask,
    pub ids: [f32; MOST_LANES],
    /// Where it is asked for.
    pub flow: [[f32; MOST_LANES]; 2],
}

/// Writes a packet's pixels into the channels that are asked for.
#[inline(always)]
pub fn write<L: Wide>(
    shot: &Shot<'_>,
    band: &mut Band<'_>,
    block: &Block<L>,
    corner: [usize; 2],
    seen: &Seen<L>,
) {
    let (width, top) = (shot.size[0], band.row * TILE as usize);
    let far = L::splat(shot.view.far);
    let coded = band.has(Channel::Rgb) || band.has(Channel::RgbFloat);
    let color = if coded { shade::encode(seen.light) } else { V3::zero() };
    for channel in Channel::ALL {
        if !band.has(channel) {
            continue;
        }
        let planes = match channel {
            Channel::Rgb => packed(color),
            Channel::RgbFloat => bits(lanes(color)),
            Channel::Depth => {
                let depth = L::select(seen.found, (seen.distance * seen.forward).min(far), far);
                bits([lane(depth), NONE, NONE])
            }
            Channel::Distance => bits([lane(seen.distance.min(far)), NONE, NONE]),
            Channel::Normals => bits(lanes(V3::select(seen.found, seen.normal, V3::zero()))),
            Channel::Radiance => bits(lanes(seen.light)),
            Channel::Flow => bits([seen.flow[0], seen.flow[1], NONE]),
            Channel::Segmentation | Channel::Link | Channel::Class => {
                numbers(&shot.scene.assets, channel, &seen.ids)
            }
        };
        for (plane, bits) in band.planes[channel as usize].iter_mut().zip(&planes).take(channel.count()) {
            for y in 0..block.size[1] {
                let (row, x) = (corner[1] + y - top, corner[0]);
                if (row + 1) * width > plane.len() {
                    break;
                }
                let count = block.size[0].min(width - x);
                let at = row * width + x;
                for k in 0..count {
                    plane[at + k] = bits[y * block.size[0] + k];
                }
            }
        }
    }
}

/// Bits of a pixel's planes in each lane; channels of one plane use the first.
type Planes = [[u32; MOST_LANES]; 3];

/// A plane that a channel does not have.
const NONE: [f32; MOST_LANES] = [0.0; MOST_LANES];

#[inline(always)]
fn bits(numbers: [[f32; MOST_LANES]; 3]) -> Planes {
    let mut bits = [[0; MOST_LANES]; 3];
    for plane in 0..3 {
        for k in 0..MOST_LANES {
            bits[plane][k] = numbers[plane][k].to_bits();
        }
    }
    bits
}

/// Red, green, blue and 255, a byte each.
#[inline(always)]
fn packed<L: Wide>(color: V3<L>) -> Planes {
    let bytes = lanes(color * L::splat(255.0) + splat([0.5; 3]));
    let mut bits = [[0; MOST_LANES]; 3];
    for k in 0..MOST_LANES {
        let [r, g, b] = [bytes[0][k] as u32, bytes[1][k] as u32, bytes[2][k] as u32];
        bits[0][k] = r | g << 8 | b << 16 | 255 << 24;
    }
    bits
}

/// What geoms are called; -1 where there is none.
#[inline(always)]
fn numbers(assets: &Assets, channel: Channel, ids: &[f32; MOST_LANES]) -> Planes {
    let mut bits = [[u32::MAX; MOST_LANES]; 3];
    for k in 0..MOST_LANES {
        if ids[k] >= 0.0 {
            let geom = &assets.geoms[ids[k] as usize];
            bits[0][k] = match channel {
                Channel::Link => geom.body,
                Channel::Class => geom.class_id,
                _ => geom.id,
            };
        }
    }
    bits
}
