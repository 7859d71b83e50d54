//! The ray tracer's text, and the mirrors of its structs.
//!
//! Fields stand in the order and with the padding of the text; a test compares offsets and sizes with naga's.

use bytemuck::{Pod, Zeroable};

/// Side of a tile of pixels that a workgroup renders.
pub const TILE: u32 = 8;
/// Threads of a workgroup of [`pose_kernel`].
pub const POSE_THREADS: u32 = 64;
/// Views in the second dimension of a dispatch of [`trace_kernel`]; the rest is in the third.
pub const VIEWS_ACROSS: u32 = 32_768;
/// Deepest tree of a mesh that a ray can walk.
pub const MAX_DEPTH: u32 = 32;
/// Radius of the bounding sphere of what has no bounds \[m\].
pub const UNBOUNDED: f32 = 1e9;
/// Outputs of [`trace_kernel`], in the order of their bindings: the switches that turn them on.
pub const OUTPUTS: [&str; 10] =
    ["RGB", "RGB_FLOAT", "DEPTH", "DISTANCE", "SEGMENTATION", "LINK", "CLASS", "NORMALS", "RADIANCE", "FLOW"];

const SCENE: &str = include_str!("camera/scene.wgsl");

/// Entries `place_geoms` and `place_cameras`: from poses of bodies to those of geoms and cameras.
pub fn pose_kernel() -> String {
    [SCENE, include_str!("camera/pose.wgsl")].concat()
}

/// Entry `trace`: one thread a pixel.
pub fn trace_kernel() -> String {
    [
        SCENE,
        include_str!("camera/shapes.wgsl"),
        include_str!("camera/mesh.wgsl"),
        include_str!("camera/terrain.wgsl"),
        include_str!("camera/shade.wgsl"),
        include_str!("camera/gloss.wgsl"),
        include_str!("camera/texture.wgsl"),
        include_str!("camera/lens.wgsl"),
        include_str!("camera/lamps.wgsl"),
        include_str!("camera/flow.wgsl"),
        include_str!("camera/trace.wgsl"),
    ]
    .concat()
}

/// Entry `develop`: from what rays saw to what is observed.
pub fn develop_kernel() -> String {
    let parts = [
        include_str!("camera/noise.wgsl"),
        include_str!("camera/sensor.wgsl"),
        include_str!("camera/develop.wgsl"),
    ];
    parts.concat()
}

/// Threads of a workgroup of [`develop_kernel`].
pub const DEVELOP_THREADS: u32 = 64;
/// What one number of a pixel can be taken from, in the order of the bindings of [`develop_kernel`].
pub const SOURCES: [&str; 9] =
    ["rgb", "depth", "distance", "normals", "class", "segmentation", "link", "radiance", "flow"];

/// What a row of [`develop_kernel`]'s output shows; the numbers are the text's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum What {
    /// The frames so far, without the oldest, and a new one.
    GoesOn = 0,
    /// A new frame alone.
    Begins = 1,
    /// The frames so far.
    Stays = 2,
}

/// What a [`Geom`] is; the numbers are the text's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// Half space below z = 0; `size` cuts it to a rectangle where positive.
    Plane = 0,
    /// `size.x` is the radius.
    Sphere = 1,
    /// Along z; radius and half length.
    Capsule = 2,
    /// Along z; radius and half length.
    Cylinder = 3,
    /// Half sizes.
    Box = 4,
    /// Radii.
    Ellipsoid = 5,
    /// `asset` is its root node.
    Mesh = 6,
    /// `asset` is its place among the height fields.
    HeightField = 7,
}

/// What lens a [`Camera`] has; the numbers are the text's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum LensKind {
    /// No distortion.
    Pinhole = 0,
    /// `bend` is k1, k2, p1, p2, and `bend_5` k3.
    BrownConrady = 1,
    /// `bend` is k1 to k4.
    KannalaBrandt = 2,
    /// Angles sideways and up and down; focal lengths are pixels a radian.
    Equirectangular = 3,
}

/// How a [`Coat`]'s texture lies; the numbers are the text's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Mapping {
    /// Along x and y of the geom.
    Flat = 0,
    /// Six pictures around its middle.
    Cube = 1,
    /// As the corners of triangles say.
    ByTriangle = 2,
    /// Once on each side of a box.
    Box = 3,
    /// Around z, and from the upper pole to the lower one.
    Sphere = 4,
    /// Around z, and once on each end.
    Cylinder = 5,
    /// Around z: once on the tube, and once on each end.
    Capsule = 6,
}

macro_rules! mirrors {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
            #[repr(C)]
            pub struct $name {
                $($(#[$field_doc])* pub $field: $type,)*
            }
        )*

        /// Name, size, and fields with their offsets, of each mirror \[byte\].
        pub const MIRRORS: &[(&str, usize, &[(&str, usize)])] = &[
            $((
                stringify!($name),
                size_of::<$name>(),
                &[$((stringify!($field), std::mem::offset_of!($name, $field)),)*],
            ),)*
        ];
    };
}

mirrors! {
    /// A shape on a body, the same in every environment.
    Geom {
        /// `body_from_geom`, xyzw.
        rotation: [f32; 4],
        /// `body_from_geom` \[m\].
        position: [f32; 3],
        /// Its body.
        body: u32,
        /// Sizes \[m\], as its [`Kind`] says.
        size: [f32; 3],
        /// A [`Kind`].
        kind: u32,
        /// Centre of its bounding sphere in its own frame \[m\].
        center: [f32; 3],
        /// Radius of its bounding sphere \[m\], or [`UNBOUNDED`].
        radius: f32,
        /// As its [`Kind`] says.
        asset: u32,
        /// Index of its [`Material`].
        material: u32,
        /// What segmentation calls it.
        id: u32,
        /// Its class.
        class_id: u32,
    }

    /// A geom in one environment; written by the kernel.
    Instance {
        /// Row of `geom_from_world`: rotation, then translation \[m\].
        row_x: [f32; 4],
        /// The second.
        row_y: [f32; 4],
        /// The third.
        row_z: [f32; 4],
        /// Centre of its bounding sphere in the world \[m\].
        center: [f32; 3],
        /// Its radius \[m\].
        radius: f32,
    }

    /// A node of a mesh's tree.
    Node {
        /// Least corner \[m\].
        low: [f32; 3],
        /// First of two children, or of the triangles.
        first: u32,
        /// Greatest corner \[m\].
        high: [f32; 3],
        /// Triangles; 0 in a node with children.
        count: u32,
    }

    /// A triangle.
    Triangle {
        /// First corner \[m\].
        corner: [f32; 3],
        /// Normal at the first corner, by [`pack_normal`].
        normal_0: u32,
        /// Second corner minus first \[m\].
        edge_1: [f32; 3],
        /// Normal at the second corner.
        normal_1: u32,
        /// Third corner minus first \[m\].
        edge_2: [f32; 3],
        /// Normal at the third corner.
        normal_2: u32,
    }

    /// A grid of heights.
    HeightField {
        /// Half sizes along x and y \[m\].
        half: [f32; 2],
        /// Thickness under height 0 \[m\].
        base: f32,
        /// Highest height \[m\].
        top: f32,
        /// Heights along x.
        columns: u32,
        /// Heights along y.
        rows: u32,
        /// Index of its first height.
        first: u32,
        /// Nothing.
        pad: u32,
    }

    /// A surface.
    Material {
        /// Linear RGB.
        color: [f32; 3],
        /// Side of the squares of a chequerboard \[m\]; 0 has none.
        square: f32,
        /// The other squares, linear RGB.
        other_color: [f32; 3],
        /// One more than the index of its [`Coat`]; 0 has none.
        coat: u32,
    }

    /// What lies on a geom besides its colour.
    Coat {
        /// What facets mirror of what comes at an angle, by the powers of its cosine: 0 to 3.
        energy_0: [f32; 4],
        /// 4 to 7.
        energy_1: [f32; 4],
        /// The part of it that grows towards grazing.
        fresnel_0: [f32; 4],
        /// Likewise.
        fresnel_1: [f32; 4],
        /// Width of the facets' normals; 0 is a dull surface without a finish.
        alpha: f32,
        /// Share of metal.
        metallic: f32,
        /// Reflection straight on where it is no metal.
        mirrored: f32,
        /// Reflection along the surface where it is no metal.
        grazing: f32,
        /// Mean of the first polynomial over the half space.
        energy_mean: f32,
        /// Mean of what reaches the layer below.
        through_mean: f32,
        /// What is left, where it is no metal, of light that facets pass on to each other.
        spread: f32,
        /// Light that it gives by itself, times its colour.
        emission: f32,
        /// From the geom's frame \[m\] to that of its mapping.
        scale: [f32; 3],
        /// One more than the index of its [`Texture`]; 0 has none.
        texture: u32,
        /// Times the place on a picture.
        repeat: [f32; 2],
        /// Added then.
        shift: [f32; 2],
        /// The texture and its smaller copies.
        levels: u32,
        /// A [`Mapping`].
        mapping: u32,
        /// Nothing.
        pad_0: u32,
        /// Nothing.
        pad_1: u32,
    }

    /// A picture, or six.
    Texture {
        /// Its first texel.
        first: u32,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Nothing.
        pad: u32,
    }

    /// Light and sky; colours are linear RGB.
    Look {
        /// Towards the sun, unit.
        sun: [f32; 3],
        /// Distance at which the ground fades half into the horizon \[m\].
        haze: f32,
        /// Of the sun.
        sun_color: [f32; 3],
        /// White light from the camera.
        headlight: f32,
        /// From above.
        ambient_up: [f32; 3],
        /// Nothing.
        pad_0: f32,
        /// From below.
        ambient_down: [f32; 3],
        /// Nothing.
        pad_1: f32,
        /// The sky overhead.
        zenith: [f32; 3],
        /// Nothing.
        pad_2: f32,
        /// The sky at eye level.
        horizon: [f32; 3],
        /// Nothing.
        pad_3: f32,
    }

    /// A lamp in one environment.
    Lamp {
        /// In the world \[m\].
        position: [f32; 3],
        /// Where its light ends \[m\].
        range: f32,
        /// Where it shines, unit.
        direction: [f32; 3],
        /// Cosine of the angle at which its light ends; under -1 shines everywhere.
        edge: f32,
        /// Light on a surface that faces it at 1 m, linear RGB.
        color: [f32; 3],
        /// One over the difference of the cosines between which light falls.
        sharpness: f32,
        /// Whether things cast shadows in its light.
        shadow: u32,
        /// Whether its light is parallel, and as strong everywhere.
        parallel: u32,
        /// What its light is divided by at a distance: this,
        constant: f32,
        /// this times the distance,
        linear: f32,
        /// and this times its square.
        quadratic: f32,
        /// Power of the cosine of the angle from its direction; 0 for none.
        exponent: f32,
        /// Nothing.
        pad_0: u32,
        /// Nothing.
        pad_1: u32,
    }

    /// A camera on a body, OpenCV axes.
    Camera {
        /// `body_from_camera`, xyzw.
        rotation: [f32; 4],
        /// `body_from_camera` \[m\].
        position: [f32; 3],
        /// Its body.
        body: u32,
        /// Focal lengths \[pixel\].
        focal: [f32; 2],
        /// Principal point \[pixel\].
        center: [f32; 2],
        /// Nothing nearer is seen \[m\].
        near: f32,
        /// Largest depth that is reported \[m\].
        far: f32,
        /// A [`LensKind`].
        lens: u32,
        /// The lens's fifth coefficient.
        bend_5: f32,
        /// Its first four.
        bend: [f32; 4],
    }

    /// A camera in one environment; written by the kernel.
    View {
        /// In the world \[m\].
        position: [f32; 3],
        /// As in [`Camera`].
        near: f32,
        /// The camera's x axis in the world.
        right: [f32; 3],
        /// As in [`Camera`].
        far: f32,
        /// The camera's y axis in the world.
        down: [f32; 3],
        /// As in [`Camera`].
        lens: u32,
        /// The camera's z axis in the world.
        forward: [f32; 3],
        /// As in [`Camera`].
        bend_5: f32,
        /// As in [`Camera`].
        focal: [f32; 2],
        /// As in [`Camera`].
        center: [f32; 2],
        /// As in [`Camera`].
        bend: [f32; 4],
    }

    /// Sizes of a dispatch.
    Counts {
        /// Environments.
        environments: u32,
        /// Geoms of an environment.
        geoms: u32,
        /// Bodies of an environment.
        bodies: u32,
        /// Cameras of an environment, of the group.
        cameras: u32,
        /// Of an image \[pixel\].
        width: u32,
        /// Of an image \[pixel\].
        height: u32,
        /// 1 where cameras, light and colours are given for each environment, 0 where once for all.
        varied: u32,
        /// Lamps of an environment.
        lamps: u32,
    }

    /// How a picture becomes an observation.
    Film {
        /// Environments whose frames are kept.
        environments: u32,
        /// Planes of a frame.
        planes: u32,
        /// Of a plane \[pixel\].
        width: u32,
        /// Of a plane \[pixel\].
        height: u32,
        /// Rays along each side of a pixel.
        samples: u32,
        /// Frames that are shown.
        stack: u32,
        /// Frames that are kept: those, and behind them those that are seen later.
        ring: u32,
        /// Numbers of a row of the output.
        row: u32,
        /// Numbers of the row before the frames.
        start: u32,
        /// Taken away from each number.
        offset: f32,
        /// Most of what is left, either way.
        clip: f32,
        /// Times what is left.
        scale: f32,
    }

    /// One number of each pixel.
    Plane {
        /// What red, green and blue weigh: bytes, or what a sensor makes of light.
        weights: [f32; 3],
        /// Index into [`SOURCES`].
        source: u32,
        /// Planes of a view in the source.
        planes: u32,
        /// Which of them.
        plane: u32,
        /// The class whose share is meant.
        class_id: i32,
        /// Times the mean of the rays.
        unit: f32,
    }

    /// A camera's sensors.
    Sensor {
        /// Whether it measures depths.
        measures: u32,
        /// Share of a full well that light 1 makes.
        exposure: f32,
        /// Electrons.
        full_well: f32,
        /// Variance of the read noise.
        read: f32,
        /// The highest number of a colour.
        levels: f32,
        /// Times what was counted.
        gain: f32,
        /// Spread of every depth \[m\].
        still: f32,
        /// Spread that grows with the depth.
        linear: f32,
        /// Spread that grows with its square \[1/m\].
        square: f32,
        /// What is read of nothing \[m\].
        missing: f32,
        /// Share of pixels that read nothing.
        dropout: f32,
        /// Depths are multiples of this \[m\]; 0 leaves them.
        step: f32,
        /// Nothing nearer is read \[m\].
        nearest: f32,
        /// Nothing farther is read \[m\].
        farthest: f32,
        /// Depth of what is not there \[m\].
        far: f32,
    }

    /// A row of the output.
    Show {
        /// Whose frames.
        environment: u32,
        /// A [`What`].
        what: u32,
        /// Place of the environment's oldest frame, which a new one takes.
        head: u32,
        /// Factor on the exposure.
        exposure: f32,
        /// The environment, counted over the whole run: its noise's.
        run_environment: u32,
        /// Likewise its episode,
        episode: u32,
        /// and control steps since the episode's beginning.
        step: u32,
        /// Nothing.
        pad: u32,
    }

    /// What changes from one dispatch to the next.
    Sheet {
        /// Rows of the output.
        rows: u32,
        /// Whether new frames are kept.
        keep: u32,
        /// Of the random numbers of sensors.
        key: [u32; 2],
    }
}

/// A unit vector in 32 bits: its octahedral map, 16 bits a coordinate.
pub fn pack_normal(normal: [f32; 3]) -> u32 {
    let [x, y, z] = normal;
    let sum = (x.abs() + y.abs() + z.abs()).max(f32::MIN_POSITIVE);
    let (mut u, mut v) = (x / sum, y / sum);
    if z < 0.0 {
        let sign = |a: f32| if a >= 0.0 { 1.0 } else { -1.0 };
        (u, v) = ((1.0 - v.abs()) * sign(u), (1.0 - u.abs()) * sign(v));
    }
    let bits = |a: f32| u32::from((a.clamp(-1.0, 1.0) * 32767.0).round() as i16 as u16);
    bits(u) | bits(v) << 16
}
