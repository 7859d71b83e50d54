//! How environments differ in what their cameras see, apart from where bodies are.

/// Looks of all environments. A list that is empty changes nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Looks {
    /// Of each camera of the model `[num_envs, cameras]`.
    pub cameras: Vec<CameraLook>,
    /// Of the light `[num_envs]`.
    pub lights: Vec<LightLook>,
    /// Of each lamp of the model `[num_envs, lamps]`.
    pub lamps: Vec<LampLook>,
    /// Colour of each geom of the model, sRGB in [0, 1] `[num_envs, geoms]`.
    pub colors: Vec<[f32; 3]>,
    /// Material of each geom of the model, by its index, and none where its surface is bare `[num_envs, geoms]`.
    pub materials: Vec<Option<usize>>,
}

/// How a camera differs from its model's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CameraLook {
    /// Added to its place, along its own axes \[m\].
    pub shift: [f64; 3],
    /// Its turn, as a rotation vector along its own axes \[rad\].
    pub turn: [f64; 3],
    /// Factor on its focal lengths.
    pub zoom: f64,
    /// Factor on the exposure of its colour sensor.
    pub exposure: f64,
}

impl Default for CameraLook {
    fn default() -> Self {
        Self { shift: [0.0; 3], turn: [0.0; 3], zoom: 1.0, exposure: 1.0 }
    }
}

/// How a lamp differs from its model's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LampLook {
    /// Added to its place, in the frame of its mount \[m\].
    pub shift: [f64; 3],
    /// Factors on its colour, linear RGB.
    pub factor: [f32; 3],
}

impl Default for LampLook {
    fn default() -> Self {
        Self { shift: [0.0; 3], factor: [1.0; 3] }
    }
}

/// How light differs from that of every environment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LightLook {
    /// Where the sun stands, from x towards y \[rad\], if that is drawn.
    pub azimuth: Option<f64>,
    /// How high it stands over the horizon \[rad\], likewise.
    pub elevation: Option<f64>,
    /// Factors on the sun's colour, linear RGB.
    pub sun_factor: [f32; 3],
    /// Factors on the sky, and on the light that comes from above and below.
    pub sky_factor: [f32; 3],
}

impl Default for LightLook {
    fn default() -> Self {
        Self { azimuth: None, elevation: None, sun_factor: [1.0; 3], sky_factor: [1.0; 3] }
    }
}
