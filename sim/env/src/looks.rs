//! Randomised looks: where cameras are, light, colours. Drawn for each episode, and drawn again where they are needed: a
//! draw is a function of seed, environment and episode, so nothing of it is saved.

use keiko_model::Result;
use keiko_model::error::ErrorKind;
use keiko_model::robot::RobotModel;
use keiko_model::task::{Randomization, matches_pattern};
use keiko_world::Moment;
use keiko_world::looks::{CameraLook, LightLook, Looks};

use crate::bind::Binder;
use crate::draw::{Draw, MAX_STREAMS, Purpose, Who};

/// The sun stands straight above at the most \[rad\].
const ZENITH: f64 = std::f64::consts::FRAC_PI_2;

/// A term of looks with its names resolved.
#[derive(Clone, Debug)]
enum Bound {
    Pose {
        cameras: Vec<usize>,
        position: [f64; 2],
        rotation: [f64; 2],
    },
    Zoom {
        cameras: Vec<usize>,
        factor: [f64; 2],
    },
    Sun {
        azimuth: Option<[f64; 2]>,
        elevation: Option<[f64; 2]>,
        brightness: [f64; 2],
        tint: [f64; 2],
    },
    Sky {
        brightness: [f64; 2],
        tint: [f64; 2],
    },
    /// Geoms that get one draw.
    Color {
        geoms: Vec<Vec<usize>>,
        offset: [f64; 2],
    },
}

/// All randomisation of looks of a task.
#[derive(Clone, Debug, Default)]
pub(crate) struct LooksRandomizer {
    terms: Vec<Bound>,
    num_cameras: usize,
    /// Colours of the model's geoms, sRGB.
    colors: Vec<[f32; 3]>,
}

impl LooksRandomizer {
    pub fn new(model: &RobotModel) -> Self {
        let colors = model.geoms.iter().map(|geom| [geom.rgba[0], geom.rgba[1], geom.rgba[2]]).collect();
        Self { terms: Vec::new(), num_cameras: model.cameras.len(), colors }
    }

    /// Whether there is nothing to draw.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Adds a term; whether it is one of looks.
    pub fn bind(&mut self, binder: &Binder<'_>, term: &Randomization, path: &str) -> Result<bool> {
        let at = |key: &str| format!("{path}.{key}");
        let positive = |range: [f64; 2], key: &str| {
            let range = binder.ordered(range, &at(key))?;
            match range[0] > 0.0 {
                true => Ok(range),
                false => Err(binder.error(ErrorKind::Value, &at(key), "a factor is not over 0")),
            }
        };
        let ordered = |range: Option<[f64; 2]>, key: &str| {
            range.map(|range| binder.ordered(range, &at(key))).transpose()
        };
        let bound = match term {
            Randomization::CameraPose { cameras, position, rotation } => Bound::Pose {
                cameras: binder.cameras(cameras, &at("cameras"))?,
                position: binder.ordered(*position, &at("position"))?,
                rotation: binder.ordered(*rotation, &at("rotation"))?,
            },
            Randomization::FocalLength { cameras, factor } => Bound::Zoom {
                cameras: binder.cameras(cameras, &at("cameras"))?,
                factor: positive(*factor, "factor")?,
            },
            Randomization::Sun { azimuth, elevation, brightness, tint } => {
                let elevation = ordered(*elevation, "elevation")?;
                if elevation.is_some_and(|[low, high]| low < 0.0 || high > ZENITH) {
                    let error =
                        binder.error(ErrorKind::Value, &at("elevation"), "the sun is not above the horizon");
                    return Err(error.allowed("allowed: from 0 to 1.5707"));
                }
                Bound::Sun {
                    azimuth: ordered(*azimuth, "azimuth")?,
                    elevation,
                    brightness: positive(*brightness, "brightness")?,
                    tint: positive(*tint, "tint")?,
                }
            }
            Randomization::Sky { brightness, tint } => Bound::Sky {
                brightness: positive(*brightness, "brightness")?,
                tint: positive(*tint, "tint")?,
            },
            Randomization::Color { bodies, offset, alike } => {
                let bodies = binder.all_bodies(bodies, &at("bodies"))?;
                let geoms = |bodies: &[usize]| {
                    let geoms = binder.scene.model.geoms.iter().enumerate();
                    geoms.filter(|(_, geom)| bodies.contains(&geom.body)).map(|(geom, _)| geom).collect()
                };
                let groups = match alike {
                    true => vec![geoms(&bodies)],
                    false => bodies.iter().map(|body| geoms(&[*body])).collect(),
                };
                Bound::Color { geoms: groups, offset: binder.ordered(*offset, &at("offset"))? }
            }
            _ => return Ok(false),
        };
        self.terms.push(bound);
        if self.terms.len() > MAX_STREAMS {
            return Err(binder
                .error(ErrorKind::Limit, path, "too many terms of looks")
                .allowed("at most 64"));
        }
        Ok(true)
    }

    /// Draws the looks of one environment's episode into its part of `looks`.
    fn draw(&self, who: Who, index: usize, looks: &mut Looks) {
        let cameras = &mut looks.cameras[index * self.num_cameras..][..self.num_cameras];
        cameras.fill(CameraLook::default());
        let light = &mut looks.lights[index];
        *light = LightLook::default();
        let colors = &mut looks.colors[index * self.colors.len()..][..self.colors.len()];
        colors.copy_from_slice(&self.colors);
        for (stream, term) in self.terms.iter().enumerate() {
            let mut draw = who.draw(Purpose::Reset, stream, 0);
            match term {
                Bound::Pose { cameras: which, position, rotation } => {
                    for camera in which {
                        let look = &mut cameras[*camera];
                        look.shift = look.shift.map(|x| x + draw.range(*position));
                        look.turn = look.turn.map(|x| x + draw.range(*rotation));
                    }
                }
                Bound::Zoom { cameras: which, factor } => {
                    for camera in which {
                        cameras[*camera].zoom *= draw.range(*factor);
                    }
                }
                Bound::Sun { azimuth, elevation, brightness, tint } => {
                    light.azimuth = azimuth.map(|range| draw.range(range)).or(light.azimuth);
                    light.elevation = elevation.map(|range| draw.range(range)).or(light.elevation);
                    scale(&mut light.sun_factor, &mut draw, *brightness, *tint);
                }
                Bound::Sky { brightness, tint } => {
                    scale(&mut light.sky_factor, &mut draw, *brightness, *tint);
                }
                Bound::Color { geoms, offset } => {
                    for group in geoms {
                        let change = [0, 1, 2].map(|_| draw.range(*offset) as f32);
                        for geom in group {
                            for (part, change) in colors[*geom].iter_mut().zip(change) {
                                *part = (*part + change).clamp(0.0, 1.0);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The least factor on the focal lengths of a camera that may be drawn.
pub(crate) fn least_zoom(binder: &Binder<'_>, camera: &str) -> f64 {
    let factors = binder.spec.randomize.iter().filter_map(|(_, entry)| match &entry.term {
        Randomization::FocalLength { cameras, factor }
            if cameras.iter().any(|pattern| matches_pattern(pattern, camera)) =>
        {
            Some(factor[0])
        }
        _ => None,
    });
    factors.product()
}

/// Multiplies by a draw of brightness and by one of tint for each colour.
fn scale(factor: &mut [f32; 3], draw: &mut Draw, brightness: [f64; 2], tint: [f64; 2]) {
    let brightness = draw.range(brightness);
    for part in factor {
        *part *= (brightness * draw.range(tint)) as f32;
    }
}

/// The looks of a batch, as they were drawn last.
pub(crate) struct Wardrobe {
    randomizer: LooksRandomizer,
    looks: Looks,
    /// The episode that each environment's looks are of.
    drawn: Vec<Option<u64>>,
}

impl Wardrobe {
    pub fn new(randomizer: LooksRandomizer, num_envs: usize) -> Self {
        let mut looks = Looks::default();
        if !randomizer.is_empty() {
            looks.cameras = vec![CameraLook::default(); num_envs * randomizer.num_cameras];
            looks.lights = vec![LightLook::default(); num_envs];
            looks.colors = randomizer.colors.repeat(num_envs);
        }
        Self { randomizer, looks, drawn: vec![None; num_envs] }
    }

    /// The looks at some moments, if they are not those of the last time.
    pub fn change(&mut self, moments: &[Moment]) -> Option<&Looks> {
        let mut changed = false;
        for (index, moment) in moments.iter().enumerate() {
            if !self.randomizer.is_empty() && self.drawn[index] != Some(moment.episode) {
                let who = Who { seed: moment.seed, env: moment.env, episode: moment.episode };
                self.randomizer.draw(who.looks(), index, &mut self.looks);
                self.drawn[index] = Some(moment.episode);
                changed = true;
            }
        }
        changed.then_some(&self.looks)
    }
}
