//! The robot as data: what MJCF and URDF files are lowered to.
//!
//! A [`RobotModel`] holds a forest of bodies rooted at the world (body 0). Vectors are ordered as the file
//! is read depth first, which is MuJoCo's order: joints, actuators and geoms keep it everywhere in keiko.
//! All numbers are `f64`, SI units, radians. Names are unique within their kind and never empty.

use std::ops::Range;

use glam::{DQuat, DVec3};
use serde::{Deserialize, Serialize};

use crate::Pose;
use crate::camera::Camera;
use crate::light::{Daylight, FileLight, Lamp};
use crate::material::{Material, Texture};

/// A robot, or a whole scene, as read from one file and its includes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RobotModel {
    /// Name of the model.
    pub name: String,
    /// Time step, gravity and contact law defaults of the file.
    pub options: Options,
    /// Bodies; `bodies[0]` is the world; `bodies[b].parent < b`.
    pub bodies: Vec<Body>,
    /// Joints in body order; those of one body are consecutive.
    pub joints: Vec<Joint>,
    /// Collision and visual shapes, in body order.
    pub geoms: Vec<Geom>,
    /// Named frames without mass.
    pub sites: Vec<Site>,
    /// Cameras, in body order.
    pub cameras: Vec<Camera>,
    /// Lamps that shine.
    #[serde(default)]
    pub lamps: Vec<Lamp>,
    /// Light that the file describes, which does not shine by itself.
    #[serde(default)]
    pub file_light: FileLight,
    /// Whether headlight and ambient light are those of the file.
    #[serde(default)]
    pub is_lit_as_file: bool,
    /// How much of the day there is.
    #[serde(default)]
    pub daylight: Daylight,
    /// Fixed tendons: linear combinations of joint positions.
    pub tendons: Vec<FixedTendon>,
    /// Actuators, in file order: the order of the control vector.
    pub actuators: Vec<Actuator>,
    /// Sensors, in file order.
    pub sensors: Vec<Sensor>,
    /// Equality constraints.
    pub equalities: Vec<Equality>,
    /// Geom pairs that collide whatever their masks say.
    pub contact_pairs: Vec<ContactPair>,
    /// Body pairs that never collide. Not listed, and for executors to add: geoms of bodies welded together, and of a
    /// body and its parent (welds merged) unless the parent is welded to the world, as MuJoCo's `filterparent` has it.
    pub contact_excludes: Vec<[usize; 2]>,
    /// Named states.
    pub keyframes: Vec<Keyframe>,
    /// Triangle meshes that geoms refer to.
    pub meshes: Vec<Mesh>,
    /// Surfaces that geoms refer to.
    #[serde(default)]
    pub materials: Vec<Material>,
    /// Pictures that materials refer to.
    #[serde(default)]
    pub textures: Vec<Texture>,
    /// Height fields that geoms refer to.
    pub height_fields: Vec<HeightField>,
}

/// Settings of the file that concern the whole simulation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Physics time step \[s\].
    pub timestep: f64,
    /// Gravity in the world frame \[m/s²\].
    pub gravity: DVec3,
    /// Ratio of frictional to normal constraint impedance (MuJoCo `impratio`).
    pub impratio: f64,
    /// Friction cone the file asks for.
    pub cone: Cone,
}

impl Default for Options {
    fn default() -> Self {
        Self { timestep: 0.002, gravity: DVec3::new(0.0, 0.0, -9.81), impratio: 1.0, cone: Cone::Pyramidal }
    }
}

/// Friction cone named by a file. keiko always solves the elliptic one; the field is kept for comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cone {
    /// Linearised.
    Pyramidal,
    /// Exact.
    Elliptic,
}

/// A rigid body. Without joints it is welded to its parent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// Unique name.
    pub name: String,
    /// Index of the parent; the world is its own parent.
    pub parent: usize,
    /// `parent_from_body` at the reference configuration (all joint displacements zero).
    pub pose: Pose,
    /// Mass distribution; zero for the world and for bodies without mass.
    pub inertial: Inertial,
    /// Indices into [`RobotModel::joints`], applied in order.
    pub joints: Range<usize>,
    /// Fraction of the body's weight that is compensated \[1\].
    pub gravity_compensation: f64,
    /// Posed by the user, not by physics (MuJoCo `mocap`).
    pub mocap: bool,
}

/// Mass distribution of a body.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inertial {
    /// Mass \[kg\].
    pub mass: f64,
    /// `body_from_principal`: centre of mass and principal axes in the body frame.
    pub pose: Pose,
    /// Principal moments of inertia about the centre of mass \[kg·m²\].
    pub moments: DVec3,
}

impl Inertial {
    /// No mass.
    pub const ZERO: Self = Self { mass: 0.0, pose: Pose::IDENTITY, moments: DVec3::ZERO };
}

/// What a joint lets move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JointKind {
    /// Six degrees of freedom; qpos is position and quaternion xyzw, qvel is linear velocity in the world
    /// frame and angular velocity in the body frame.
    Free,
    /// Three rotations; qpos is a quaternion xyzw, qvel is angular velocity in the child frame.
    Ball,
    /// One rotation about [`Joint::axis`] \[rad\].
    Revolute,
    /// One translation along [`Joint::axis`] \[m\].
    Prismatic,
}

impl JointKind {
    /// Numbers in qpos.
    pub fn num_qpos(self) -> usize {
        match self {
            Self::Free => 7,
            Self::Ball => 4,
            Self::Revolute | Self::Prismatic => 1,
        }
    }

    /// Degrees of freedom: numbers in qvel.
    pub fn num_dofs(self) -> usize {
        match self {
            Self::Free => 6,
            Self::Ball => 3,
            Self::Revolute | Self::Prismatic => 1,
        }
    }
}

/// A joint between a body and its parent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Joint {
    /// Unique name.
    pub name: String,
    /// The body that it moves.
    pub body: usize,
    /// Its kind.
    pub kind: JointKind,
    /// Unit axis in the body frame; unused for free and ball.
    pub axis: DVec3,
    /// Anchor in the body frame \[m\].
    pub anchor: DVec3,
    /// Allowed displacement, in the units of qpos; for ball joints `[0, max angle]`.
    pub range: Option<[f64; 2]>,
    /// qpos at the reference configuration (MuJoCo `ref`) \[rad or m\].
    pub reference: f64,
    /// Spring stiffness \[N·m/rad or N/m\].
    pub stiffness: f64,
    /// qpos at which the spring is at rest.
    pub spring_reference: f64,
    /// Viscous damping \[N·m·s/rad or N·s/m\].
    pub damping: f64,
    /// Rotor inertia seen by the joint \[kg·m² or kg\].
    pub armature: f64,
    /// Dry friction \[N·m or N\].
    pub friction_loss: f64,
    /// Softness of the limit.
    pub limit_softness: Softness,
    /// Distance to the limit at which it acts \[rad or m\].
    pub limit_margin: f64,
    /// Limit on the summed actuator force on this joint \[N·m or N\] (URDF `effort`, MJCF `actuatorfrcrange`).
    pub effort_range: Option<[f64; 2]>,
    /// Limit on the joint's speed \[rad/s or m/s\] (URDF `velocity`).
    pub velocity_limit: Option<f64>,
    /// Follows another joint (URDF `mimic`); also present as an [`Equality`].
    pub mimic: bool,
    /// First index in qpos.
    pub qpos_index: usize,
    /// First index in qvel.
    pub dof_index: usize,
}

/// Constraint softness in MuJoCo's terms; executors map it to their own law.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Softness {
    /// `solref`: time constant \[s\] and damping ratio, or negative stiffness and damping.
    pub solref: [f64; 2],
    /// `solimp`: dmin, dmax, width, midpoint, power.
    pub solimp: [f64; 5],
}

impl Default for Softness {
    fn default() -> Self {
        Self { solref: [0.02, 1.0], solimp: [0.9, 0.95, 0.001, 0.5, 2.0] }
    }
}

/// Geometry of a [`Geom`], in its own frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Shape {
    /// Infinite half space below z = 0; `half_size` is for drawing \[m\], 0 is infinite.
    Plane {
        /// Drawn half sizes along x and y.
        half_size: [f64; 2],
    },
    /// Ball about the origin.
    Sphere {
        /// Radius \[m\].
        radius: f64,
    },
    /// Segment along z with a radius.
    Capsule {
        /// Radius \[m\].
        radius: f64,
        /// Half of the segment's length \[m\].
        half_length: f64,
    },
    /// Cylinder along z.
    Cylinder {
        /// Radius \[m\].
        radius: f64,
        /// Half of its height \[m\].
        half_length: f64,
    },
    /// Axis-aligned box.
    Box {
        /// Half sizes \[m\].
        half_size: DVec3,
    },
    /// Axis-aligned ellipsoid.
    Ellipsoid {
        /// Semi-axes \[m\].
        radii: DVec3,
    },
    /// A mesh: its convex hull collides, its triangles are drawn.
    Mesh {
        /// Index into [`RobotModel::meshes`].
        mesh: usize,
    },
    /// A height field.
    HeightField {
        /// Index into [`RobotModel::height_fields`].
        height_field: usize,
    },
}

/// A collision or visual shape fixed to a body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Geom {
    /// Unique name.
    pub name: String,
    /// The body that carries it.
    pub body: usize,
    /// `body_from_geom`.
    pub pose: Pose,
    /// Its shape.
    pub shape: Shape,
    /// Contact mask: what it is. Two geoms may collide if `a.contype & b.conaffinity` or the reverse is not 0.
    pub contype: u32,
    /// Contact mask: what it collides with.
    pub conaffinity: u32,
    /// Dimension of its contacts: 1 frictionless, 3 sliding, 4 torsional, 6 rolling.
    pub condim: u8,
    /// Sliding \[1\], torsional \[m\], rolling \[m\] friction.
    pub friction: DVec3,
    /// Coefficient of restitution \[1\]; MJCF has none, scenes may set it.
    pub restitution: f64,
    /// Of two geoms with different priority the higher one's contact parameters hold.
    pub priority: i32,
    /// Weight in the mix of contact parameters.
    pub solmix: f64,
    /// Contact softness.
    pub softness: Softness,
    /// Distance at which contacts are detected \[m\].
    pub margin: f64,
    /// Contacts closer than `margin - gap` push \[m\].
    pub gap: f64,
    /// Visual group of the file; by custom 0-2 are shown and 3 and more are collision shapes.
    pub group: i32,
    /// Colour, sRGB and opacity in [0, 1].
    pub rgba: [f32; 4],
    /// Index into [`RobotModel::materials`]; without one the surface is dull.
    #[serde(default)]
    pub material: Option<usize>,
}

impl Geom {
    /// Whether it can touch anything at all.
    pub fn collides(&self) -> bool {
        self.contype != 0 || self.conaffinity != 0
    }
}

/// A named frame on a body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Site {
    /// Unique name.
    pub name: String,
    /// The body that carries it.
    pub body: usize,
    /// `body_from_site`.
    pub pose: Pose,
}

/// A linear combination of scalar joint positions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FixedTendon {
    /// Unique name.
    pub name: String,
    /// Joint index and coefficient.
    pub terms: Vec<(usize, f64)>,
    /// Allowed length, if limited.
    pub range: Option<[f64; 2]>,
    /// Spring stiffness.
    pub stiffness: f64,
    /// Viscous damping.
    pub damping: f64,
    /// Dry friction.
    pub friction_loss: f64,
    /// Length at which the spring is at rest, lower and upper end of the dead band.
    pub spring_length: [f64; 2],
}

/// What an actuator pulls on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Transmission {
    /// A joint; `gear` has one entry for revolute and prismatic, three for ball, six for free joints.
    Joint {
        /// Index into [`RobotModel::joints`].
        joint: usize,
    },
    /// A fixed tendon.
    Tendon {
        /// Index into [`RobotModel::tendons`].
        tendon: usize,
    },
    /// A force and torque at a site, in the site's frame.
    Site {
        /// Index into [`RobotModel::sites`].
        site: usize,
    },
}

/// The word the file used; the numbers in [`Actuator`] say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ActuatorKind {
    /// Force proportional to the control.
    Motor,
    /// Servo on position.
    Position,
    /// Servo on velocity.
    Velocity,
    /// Gain and bias as given.
    General,
}

/// Force generator: `force = gain·u + bias[0] + bias[1]·length + bias[2]·velocity`, clamped to `force_range`,
/// where `u` is the control after clamping and activation dynamics, `length = gear·q`, and the force acts on
/// the transmission times `gear`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Actuator {
    /// Unique name.
    pub name: String,
    /// Kind as the file wrote it.
    pub kind: ActuatorKind,
    /// What it acts on.
    pub transmission: Transmission,
    /// Gear ratios; only `gear[0]` for scalar transmissions.
    pub gear: [f64; 6],
    /// Force per unit of control.
    pub gain: f64,
    /// Constant, per length, per velocity.
    pub bias: [f64; 3],
    /// Allowed control.
    pub ctrl_range: Option<[f64; 2]>,
    /// Allowed force.
    pub force_range: Option<[f64; 2]>,
    /// Time constant of a first-order filter on the control \[s\]; 0 is none.
    pub time_constant: f64,
}

/// The frame a sensor is attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FrameRef {
    /// Body frame (MJCF `xbody`).
    Body(usize),
    /// Centre-of-mass frame of a body (MJCF `body`).
    BodyCom(usize),
    /// Geom frame.
    Geom(usize),
    /// Site frame.
    Site(usize),
}

/// What a sensor measures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SensorKind {
    /// Scalar joint position; 1 number.
    JointPosition(usize),
    /// Scalar joint velocity; 1 number.
    JointVelocity(usize),
    /// Fixed tendon length; 1 number.
    TendonPosition(usize),
    /// Fixed tendon velocity; 1 number.
    TendonVelocity(usize),
    /// Force of an actuator; 1 number.
    ActuatorForce(usize),
    /// Position in the reference frame, or the world; 3 numbers \[m\].
    FramePosition(FrameRef, Option<FrameRef>),
    /// Orientation in the reference frame, or the world; 4 numbers xyzw.
    FrameOrientation(FrameRef, Option<FrameRef>),
    /// An axis of the frame (0 x, 1 y, 2 z) in the reference frame, or the world; 3 numbers.
    FrameAxis(FrameRef, u8, Option<FrameRef>),
    /// Linear velocity in the reference frame, or the world; 3 numbers \[m/s\].
    FrameLinearVelocity(FrameRef, Option<FrameRef>),
    /// Angular velocity in the reference frame, or the world; 3 numbers \[rad/s\].
    FrameAngularVelocity(FrameRef, Option<FrameRef>),
    /// Proper acceleration at a site, in its frame; 3 numbers \[m/s²\].
    Accelerometer(usize),
    /// Angular velocity at a site, in its frame; 3 numbers \[rad/s\].
    Gyro(usize),
    /// Linear velocity at a site, in its frame; 3 numbers \[m/s\].
    Velocimeter(usize),
    /// Sum of normal contact forces on the body that carries the site; 1 number \[N\].
    Touch(usize),
    /// Net contact force on a body, world frame; 3 numbers \[N\].
    ContactForce(usize),
    /// Sum of the forces of actuators on a scalar joint, gears included, of tendons that pull it too and within the joint's
    /// limit on effort; 1 number \[N·m or N\].
    JointActuatorForce(usize),
    /// Generalised force on a scalar joint of all that is at work in it and on it but weight, external wrenches and inertia:
    /// actuators, springs, damping, friction, limits, contacts and other constraints. It is what `M q̈ + c` asks for, with
    /// the bias force `c` of gravity, Coriolis and centrifugal forces; 1 number \[N·m or N\].
    JointForce(usize),
    /// What contacts do to something; 6 numbers: force \[N\], then torque about the origin of the frame \[N·m\], both in the
    /// axes of the frame.
    ContactWrench {
        /// What they act on.
        on: ContactSide,
        /// What they are with; anything when absent.
        with: Option<ContactSide>,
        /// The frame, or the world's.
        frame: Option<FrameRef>,
    },
    /// Distance along a ray to the nearest shape; 1 number \[m\]. The ray passes through the shapes of its own body, and
    /// through what is invisible.
    RayDistance {
        /// Where it starts.
        frame: FrameRef,
        /// Its direction in the frame, of length 1.
        axis: DVec3,
        /// How far it sees, which is what it reads where there is nothing; when absent it sees all and reads -1 (MuJoCo).
        reach: Option<f64>,
    },
    /// How far the ground is below the origin of a body, under the points of a grid; [`HeightScan::size`] numbers \[m\].
    HeightScan(HeightScan),
}

/// A grid of rays straight down around a body. The grid's x axis is the body's, turned into the horizontal. Rays meet what
/// collides and is not carried by what carries the body: not the robot itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeightScan {
    /// The body.
    pub body: usize,
    /// Points along the grid's x and y axis. Values go along x first, from least x and least y on.
    pub counts: [usize; 2],
    /// Distance of neighbours along x and y \[m\].
    pub spacing: [f64; 2],
    /// Where the grid's middle is, from the body's origin along the grid's axes \[m\].
    pub offset: [f64; 2],
    /// How far above the body's origin the rays start \[m\]; what is higher is not seen.
    pub above: f64,
    /// The most that is read, also where there is no ground \[m\].
    pub reach: f64,
}

impl HeightScan {
    /// Numbers that it gives.
    pub fn size(&self) -> usize {
        self.counts[0] * self.counts[1]
    }
}

/// One of two things that touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContactSide {
    /// All shapes of a body.
    Body(usize),
    /// One shape.
    Geom(usize),
}

impl ContactSide {
    /// Whether a geom of the model belongs to it.
    pub fn holds(self, model: &RobotModel, geom: usize) -> bool {
        match self {
            Self::Body(body) => model.geoms[geom].body == body,
            Self::Geom(g) => g == geom,
        }
    }
}

impl SensorKind {
    /// Numbers that it gives.
    pub fn size(&self) -> usize {
        match self {
            Self::JointPosition(_)
            | Self::JointVelocity(_)
            | Self::TendonPosition(_)
            | Self::TendonVelocity(_)
            | Self::ActuatorForce(_)
            | Self::JointActuatorForce(_)
            | Self::JointForce(_)
            | Self::RayDistance { .. }
            | Self::Touch(_) => 1,
            Self::FrameOrientation(..) => 4,
            Self::ContactWrench { .. } => 6,
            Self::HeightScan(scan) => scan.size(),
            _ => 3,
        }
    }
}

/// A sensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sensor {
    /// Unique name.
    pub name: String,
    /// What it measures.
    pub kind: SensorKind,
    /// Standard deviation of its noise, for information (MuJoCo does not apply it either).
    pub noise: f64,
    /// Clamp on its values; 0 is none.
    pub cutoff: f64,
}

/// A constraint that closes a loop or couples joints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Equality {
    /// Unique name.
    pub name: String,
    /// What it ties.
    pub kind: EqualityKind,
    /// Softness.
    pub softness: Softness,
    /// Whether it acts at the start.
    pub active: bool,
}

/// The kinds of [`Equality`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum EqualityKind {
    /// Two points stay together.
    Connect {
        /// First body.
        body_a: usize,
        /// Second body.
        body_b: usize,
        /// Anchor in the first body's frame \[m\].
        anchor_in_a: DVec3,
        /// Anchor in the second body's frame \[m\].
        anchor_in_b: DVec3,
    },
    /// Two frames stay together.
    Weld {
        /// First body.
        body_a: usize,
        /// Second body.
        body_b: usize,
        /// `a_from_b` to be kept.
        a_from_b: Pose,
        /// Anchor in the second body's frame \[m\].
        anchor_in_b: DVec3,
    },
    /// `q(joint) = Σ polynomial[k]·q(other)^k`, both relative to their references; without `other` a constant.
    Joint {
        /// The joint that follows.
        joint: usize,
        /// The joint that leads.
        other: Option<usize>,
        /// Coefficients of degree 0 to 4.
        polynomial: [f64; 5],
    },
    /// The same for tendons.
    Tendon {
        /// The tendon that follows.
        tendon: usize,
        /// The tendon that leads.
        other: Option<usize>,
        /// Coefficients of degree 0 to 4.
        polynomial: [f64; 5],
    },
}

/// A contact pair named by the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContactPair {
    /// The two geoms.
    pub geoms: [usize; 2],
    /// Overrides of the mixed parameters.
    pub condim: Option<u8>,
    /// Two sliding, one torsional, two rolling coefficients.
    pub friction: Option<[f64; 5]>,
    /// Softness.
    pub softness: Option<Softness>,
    /// Detection margin \[m\].
    pub margin: Option<f64>,
    /// Gap \[m\].
    pub gap: Option<f64>,
}

/// A named state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Keyframe {
    /// Unique name.
    pub name: String,
    /// Positions `[nq]`, quaternions xyzw.
    pub qpos: Vec<f64>,
    /// Velocities `[nv]`.
    pub qvel: Vec<f64>,
    /// Controls `[nu]`.
    pub ctrl: Vec<f64>,
}

/// A triangle mesh, in its own frame, scaled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mesh {
    /// Unique name.
    pub name: String,
    /// Vertices \[m\], after scale and recentring; `mesh_from_vertex` is the identity.
    pub vertices: Vec<[f32; 3]>,
    /// Triangles, counter-clockwise seen from outside.
    pub triangles: Vec<[u32; 3]>,
    /// Where each triangle's corners are in a texture, in parts of its width and height from its first pixel; empty without
    /// any.
    #[serde(default)]
    pub texcoords: Vec<[[f32; 2]; 3]>,
}

/// A height field: a grid of heights over x and y, base below.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeightField {
    /// Unique name.
    pub name: String,
    /// Rows (along y).
    pub num_rows: usize,
    /// Columns (along x).
    pub num_cols: usize,
    /// Half sizes along x and y \[m\].
    pub half_size: [f64; 2],
    /// Heights in metres, row-major, rows along y from -half to +half.
    pub heights: Vec<f32>,
    /// Thickness of the base under height 0 \[m\].
    pub base: f64,
}

impl HeightField {
    /// Height of the surface at a point of its plane \[m\], or `None` where it has none. Each cell is two triangles that meet
    /// in the line from its corner of least x and y to that of most.
    pub fn height_at(&self, x: f64, y: f64) -> Option<f64> {
        let place = |p: f64, half: f64, count: usize| {
            let last = count.checked_sub(1).filter(|last| *last > 0)?;
            let at = (p / half + 1.0) * 0.5 * last as f64;
            let cell = at.floor().clamp(0.0, (last - 1) as f64);
            (at >= 0.0 && at <= last as f64).then_some((cell as usize, at - cell))
        };
        let (column, u) = place(x, self.half_size[0], self.num_cols)?;
        let (row, v) = place(y, self.half_size[1], self.num_rows)?;
        let height = |c, r| self.heights.get((row + r) * self.num_cols + column + c).map(|h| f64::from(*h));
        let (low, high) = (height(0, 0)?, height(1, 1)?);
        Some(if v <= u {
            let corner = height(1, 0)?;
            low + u * (corner - low) + v * (high - corner)
        } else {
            let corner = height(0, 1)?;
            low + v * (corner - low) + u * (high - corner)
        })
    }
}

impl RobotModel {
    /// Lets the light of the file shine, instead of sun and sky.
    pub fn shine_as_file(&mut self) {
        self.lamps.append(&mut self.file_light.lamps);
        self.is_lit_as_file = true;
    }

    /// Length of the position vector.
    pub fn num_qpos(&self) -> usize {
        self.joints.iter().map(|j| j.kind.num_qpos()).sum()
    }

    /// Degrees of freedom: length of the velocity vector.
    pub fn num_dofs(&self) -> usize {
        self.joints.iter().map(|j| j.kind.num_dofs()).sum()
    }

    /// Total mass \[kg\].
    pub fn total_mass(&self) -> f64 {
        self.bodies.iter().map(|b| b.inertial.mass).sum()
    }

    /// Length of the sensor vector.
    pub fn num_sensor_values(&self) -> usize {
        self.sensors.iter().map(|s| s.kind.size()).sum()
    }

    /// The position vector at the reference configuration.
    pub fn reference_qpos(&self) -> Vec<f64> {
        let mut qpos = Vec::with_capacity(self.num_qpos());
        for joint in &self.joints {
            match joint.kind {
                JointKind::Free => {
                    let pose = self.bodies[joint.body].pose;
                    qpos.extend(pose.position.to_array());
                    qpos.extend(pose.rotation.to_array());
                }
                JointKind::Ball => qpos.extend(DQuat::IDENTITY.to_array()),
                JointKind::Revolute | JointKind::Prismatic => qpos.push(joint.reference),
            }
        }
        qpos
    }
}
