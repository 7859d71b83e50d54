//! What a policy is given of its cameras: the numbers of its tensors, and pictures of them.

use keiko_camera::{flow_colors, id_color};
use keiko_env::{ImageTerm, TaskEnv, VecEnv};
use keiko_model::camera::PixelChannel;

/// The image of one observation term as the policy gets it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Frames, channels, height, width; the newest frame is the last.
    pub shape: [usize; 4],
    /// The numbers, in this order.
    pub values: Vec<f32>,
}

/// A picture of one channel group of one frame: rows of red, green and blue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// `rgb`, `depth`; with the frame where there are several.
    pub name: String,
    /// Width and height \[pixel\].
    pub size: [usize; 2],
    /// `[height, width, 3]`.
    pub pixels: Vec<u8>,
}

/// The tensor of image `index` of [`TaskEnv::images`] in an environment. `None` where nothing renders.
pub fn tensor(env: &TaskEnv, index: usize, which: usize) -> Option<Tensor> {
    let image = env.images().get(index)?;
    let group = env.spec().observations.get(image.group)?;
    // Images come after the numbers of their group, in the order of the terms.
    let before = env.images()[..index].iter().filter(|other| other.group == image.group);
    let at = before.clone().count();
    let shape = *group.images.get(at)?;
    let first =
        group.num_numbers() + before.map(|other| other.shape().iter().product::<usize>()).sum::<usize>();
    let rows = env.output().observations.get(image.group)?;
    let values = (first..first + shape.iter().product::<usize>()).map(|row| rows.get(row, which)).collect();
    Some(Tensor { shape, values })
}

/// Pictures of a tensor: for each frame one for each of its channels as the scene names them. Colours and greys have the very
/// bytes that the camera gave, where the scene takes one ray a pixel; distances go from near, light, to far, dark.
pub fn pictures(tensor: &Tensor, image: &ImageTerm) -> Vec<Shown> {
    let [frames, channels, height, width] = tensor.shape;
    let plane = height * width;
    let mut shown = Vec::new();
    for frame in 0..frames {
        let mut first = frame * channels * plane;
        for channel in &image.picture.channels {
            let numbers = &tensor.values[first..first + channel.count() * plane];
            first += channel.count() * plane;
            let camera: Vec<f32> = numbers.iter().map(|value| image.pixel(*value)).collect();
            let byte = |value: f32| (255.0 * value).round().clamp(0.0, 255.0) as u8;
            let pixels = match channel {
                PixelChannel::Rgb | PixelChannel::Class => {
                    (0..3 * plane).map(|at| byte(camera[at % 3 * plane + at / 3])).collect()
                }
                PixelChannel::Grey => camera.iter().flat_map(|value| [byte(*value); 3]).collect(),
                PixelChannel::Normals => {
                    (0..3 * plane).map(|at| byte(0.5 + 0.5 * camera[at % 3 * plane + at / 3])).collect()
                }
                PixelChannel::Depth | PixelChannel::Distance => shades(&camera),
                PixelChannel::Segmentation | PixelChannel::Link => {
                    camera.iter().flat_map(|value| id_color(value.round() as i32)).collect()
                }
                PixelChannel::Flow => {
                    flow_colors(&camera[..plane], &camera[plane..]).into_iter().flatten().collect()
                }
            };
            let name = match channel {
                PixelChannel::Rgb => "rgb",
                PixelChannel::Grey => "grey",
                PixelChannel::Depth => "depth",
                PixelChannel::Distance => "distance",
                PixelChannel::Normals => "normals",
                PixelChannel::Class => "class",
                PixelChannel::Segmentation => "segmentation",
                PixelChannel::Link => "link",
                PixelChannel::Flow => "flow",
            };
            let name = if frames > 1 { format!("{name}, frame {}", frame + 1) } else { name.to_owned() };
            shown.push(Shown { name, size: [width, height], pixels });
        }
    }
    shown
}

/// Greys from the least distance, light, to where most things end, dark.
pub fn shades(distances: &[f32]) -> Vec<u8> {
    let mut sorted = distances.to_vec();
    sorted.sort_by(f32::total_cmp);
    let near = sorted.first().copied().unwrap_or_default();
    let far = near + (1.25 * (sorted.get(sorted.len() * 9 / 10).copied().unwrap_or(near) - near)).max(1e-3);
    let shade = |z: &f32| (255.0 * ((far - z) / (far - near)).clamp(0.0, 1.0)).round() as u8;
    distances.iter().flat_map(|z| [shade(z); 3]).collect()
}
