// What cameras see: the mirror of these structs is in `camera.rs`.

/// A shape on a body, the same in every environment.
struct Geom {
    /// `body_from_geom`, quaternion xyzw.
    rotation: vec4f,
    /// `body_from_geom` [m].
    position: vec3f,
    body: u32,
    /// Radius, half length; half sizes; radii [m].
    size: vec3f,
    kind: u32,
    /// Bounding sphere in the geom's frame [m]; a radius over UNBOUNDED has no bounds.
    center: vec3f,
    radius: f32,
    /// Root node of a mesh, or index of a height field.
    asset: u32,
    material: u32,
    /// What segmentation calls it.
    id: u32,
    class_id: u32,
}

/// A geom in one environment.
struct Instance {
    /// Rows of `geom_from_world`: rotation, then translation.
    row_x: vec4f,
    row_y: vec4f,
    row_z: vec4f,
    /// Bounding sphere in the world.
    center: vec3f,
    radius: f32,
}

/// A node of a mesh's tree: two children at `first`, or `count` triangles from `first`.
struct Node {
    low: vec3f,
    first: u32,
    high: vec3f,
    count: u32,
}

/// A corner, the two edges from it, and the corners' normals packed (`pack_normal`).
struct Triangle {
    corner: vec3f,
    normal_0: u32,
    edge_1: vec3f,
    normal_1: u32,
    edge_2: vec3f,
    normal_2: u32,
}

/// A grid of heights over x and y.
struct HeightField {
    /// Half sizes along x and y [m].
    half: vec2f,
    /// Thickness of the base under height 0, and the highest height [m].
    base: f32,
    top: f32,
    columns: u32,
    rows: u32,
    /// Index of its first height.
    first: u32,
    pad: u32,
}

struct Material {
    /// Linear RGB.
    color: vec3f,
    /// Side of the squares of a chequerboard in x and y [m]; 0 has none.
    square: f32,
    /// The other squares, linear RGB.
    other_color: vec3f,
    /// One more than the index of its coat; 0 has none.
    coat: u32,
}

/// What lies on a geom besides its colour.
struct Coat {
    /// What facets mirror of what comes at an angle, by the powers of its cosine.
    energy_0: vec4f,
    energy_1: vec4f,
    /// The part of it that grows towards grazing.
    fresnel_0: vec4f,
    fresnel_1: vec4f,
    /// Width of the facets' normals; 0 is a dull surface without a finish.
    alpha: f32,
    metallic: f32,
    /// Reflection where it is no metal, straight on and along the surface.
    mirrored: f32,
    grazing: f32,
    /// Mean of the first polynomial over the half space.
    energy_mean: f32,
    /// Mean of what reaches the layer below.
    through_mean: f32,
    /// What is left, where it is no metal, of light that facets pass on to each other.
    spread: f32,
    /// Light that it gives by itself, times its colour.
    emission: f32,
    /// From the geom's frame [m] to that of its mapping.
    scale: vec3f,
    /// One more than the index of its texture; 0 has none.
    texture: u32,
    /// Times the place on a picture, and what is added then.
    repeat: vec2f,
    shift: vec2f,
    /// The texture and its smaller copies.
    levels: u32,
    /// FLAT, CUBE and so on.
    mapping: u32,
    pad_0: u32,
    pad_1: u32,
}

/// A picture, or six.
struct Texture {
    /// Its first texel.
    first: u32,
    width: u32,
    height: u32,
    pad: u32,
}

/// Light; colours are linear RGB.
struct Look {
    /// Towards the sun, unit.
    sun: vec3f,
    /// Distance at which the ground fades half into the horizon [m].
    haze: f32,
    sun_color: vec3f,
    /// Light that the camera itself gives, of white.
    headlight: f32,
    /// Ambient light from above and below.
    ambient_up: vec3f,
    pad_0: f32,
    ambient_down: vec3f,
    pad_1: f32,
    /// The sky.
    zenith: vec3f,
    pad_2: f32,
    horizon: vec3f,
    pad_3: f32,
}

/// A lamp in one environment.
struct Lamp {
    position: vec3f,
    /// Where its light ends [m].
    range: f32,
    /// Where it shines, unit.
    direction: vec3f,
    /// Cosine of the angle at which its light ends.
    edge: f32,
    /// Light on a surface that faces it at 1 m, linear RGB.
    color: vec3f,
    /// One over the difference of the cosines between which light falls.
    sharpness: f32,
    shadow: u32,
    /// Whether its light is parallel, and as strong everywhere.
    parallel: u32,
    /// What its light is divided by at a distance: this, this times the distance, and this times its square.
    constant: f32,
    linear: f32,
    quadratic: f32,
    /// Power of the cosine of the angle from its direction; 0 for none.
    exponent: f32,
    pad_0: u32,
    pad_1: u32,
}

/// A camera on a body, OpenCV axes: x right, y down, z forward.
struct Camera {
    /// `body_from_camera`, quaternion xyzw.
    rotation: vec4f,
    /// `body_from_camera` [m].
    position: vec3f,
    body: u32,
    /// Focal lengths and principal point [pixel]; the first pixel's centre is at 0.5.
    focal: vec2f,
    center: vec2f,
    /// Depths that are seen [m].
    near: f32,
    far: f32,
    /// What bends its rays, and the coefficients in OpenCV's order.
    lens: u32,
    bend_5: f32,
    bend: vec4f,
}

/// A camera in one environment.
struct View {
    position: vec3f,
    near: f32,
    right: vec3f,
    far: f32,
    down: vec3f,
    lens: u32,
    forward: vec3f,
    bend_5: f32,
    focal: vec2f,
    center: vec2f,
    bend: vec4f,
}

struct Counts {
    environments: u32,
    geoms: u32,
    bodies: u32,
    /// Of the group that is posed or rendered.
    cameras: u32,
    width: u32,
    height: u32,
    /// 1 where cameras, light and colours are given for each environment, 0 where once for all.
    varied: u32,
    /// Of an environment.
    lamps: u32,
}

const PLANE: u32 = 0u;
const SPHERE: u32 = 1u;
const CAPSULE: u32 = 2u;
const CYLINDER: u32 = 3u;
const BOX: u32 = 4u;
const ELLIPSOID: u32 = 5u;
const MESH: u32 = 6u;
const HEIGHT_FIELD: u32 = 7u;

const UNBOUNDED: f32 = 1e8;
