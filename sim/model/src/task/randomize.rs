//! What differs between environments and episodes. Everything is drawn at reset, except pushes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ActionTargets, Patterns, all};

/// One entry of the randomisation.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RandomizationTerm {
    /// What is drawn.
    #[serde(flatten)]
    pub term: Randomization,
}

fn unchanged() -> [f64; 2] {
    [1.0; 2]
}

fn yes() -> bool {
    true
}

/// Something drawn, uniformly from a range where nothing else is said.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "term", rename_all = "snake_case")]
pub enum Randomization {
    /// Factor on mass and inertia, one draw a body.
    Mass {
        /// Which bodies.
        #[serde(default = "all")]
        bodies: Patterns,
        /// Smallest and largest factor.
        factor: [f64; 2],
    },
    /// Factor on the inertia of bodies alone, one draw a body; their mass stays.
    Inertia {
        /// Which bodies.
        #[serde(default = "all")]
        bodies: Patterns,
        /// Smallest and largest factor.
        factor: [f64; 2],
    },
    /// Added to the centre of mass, in the body's frame, one draw a body and component.
    CenterOfMass {
        /// Which bodies.
        #[serde(default = "all")]
        bodies: Patterns,
        /// Range along x \[m\].
        #[serde(default)]
        x: [f64; 2],
        /// Range along y \[m\].
        #[serde(default)]
        y: [f64; 2],
        /// Range along z \[m\].
        #[serde(default)]
        z: [f64; 2],
    },
    /// Factor on the rotor inertia of scalar joints, one draw a joint.
    Armature {
        /// Which joints.
        #[serde(default = "all")]
        joints: Patterns,
        /// Smallest and largest factor.
        factor: [f64; 2],
    },
    /// Added to gravity, in the world frame.
    Gravity {
        /// Range along x \[m/s²\].
        #[serde(default)]
        x: [f64; 2],
        /// Range along y \[m/s²\].
        #[serde(default)]
        y: [f64; 2],
        /// Range along z \[m/s²\].
        #[serde(default)]
        z: [f64; 2],
    },
    /// A force and a torque that act on bodies for the whole episode, in world axes, one draw a body and component; the
    /// force acts at the centre of mass of the body and of all that is welded to it.
    Wrench {
        /// Which bodies.
        bodies: Patterns,
        /// Range of each component of the force \[N\].
        #[serde(default)]
        force: [f64; 2],
        /// Range of each component of the torque \[N·m\].
        #[serde(default)]
        torque: [f64; 2],
    },
    /// Where on the height fields of the world the environment stands: its origin is at this point of theirs.
    Terrain {
        /// Range along x \[m\].
        #[serde(default)]
        x: [f64; 2],
        /// Range along y \[m\].
        #[serde(default)]
        y: [f64; 2],
        /// Whether the field is raised or lowered until its surface is at height 0 at the environment's origin.
        #[serde(default = "yes")]
        level: bool,
    },
    /// Factor on the sliding friction of everything, one draw an environment.
    Friction {
        /// Smallest and largest factor.
        factor: [f64; 2],
    },
    /// Factor on position gains, one draw an actuator.
    Stiffness {
        /// Which actuators.
        #[serde(default = "all")]
        actuators: Patterns,
        /// Smallest and largest factor.
        factor: [f64; 2],
    },
    /// Factor on velocity gains, one draw an actuator.
    Damping {
        /// Which actuators.
        #[serde(default = "all")]
        actuators: Patterns,
        /// Smallest and largest factor.
        factor: [f64; 2],
    },
    /// Factor on actuator forces, one draw an actuator.
    Strength {
        /// Which actuators.
        #[serde(default = "all")]
        actuators: Patterns,
        /// Smallest and largest factor.
        factor: [f64; 2],
    },
    /// Delay of all controls, one draw an environment.
    Delay {
        /// Smallest and largest delay \[control steps\].
        steps: [u32; 2],
    },
    /// Added to the initial position of scalar joints, one draw a joint; the result stays within the range.
    JointPosition {
        /// Which joints.
        #[serde(default = "all")]
        joints: Patterns,
        /// All of those, or only those between base and end effector: an arm without its gripper.
        #[serde(default)]
        targets: ActionTargets,
        /// Smallest and largest offset \[rad or m\].
        offset: [f64; 2],
    },
    /// Added to the initial velocity of scalar joints, one draw a joint.
    JointVelocity {
        /// Which joints.
        #[serde(default = "all")]
        joints: Patterns,
        /// Smallest and largest offset \[rad/s or m/s\].
        offset: [f64; 2],
    },
    /// Added to every number of the initial positions of joints of any kind, one draw a number; ranges are not
    /// looked at, and quaternions are brought back to length 1.
    Qpos {
        /// Which joints.
        #[serde(default = "all")]
        joints: Patterns,
        /// Smallest and largest value of a uniform draw \[m, rad, 1\].
        #[serde(default)]
        offset: [f64; 2],
        /// Standard deviation of a normal draw, which is added too \[m, rad, 1\].
        #[serde(default)]
        #[schemars(range(min = 0.0))]
        std: f64,
    },
    /// Added to every number of the initial velocities of joints of any kind, one draw a number.
    Qvel {
        /// Which joints.
        #[serde(default = "all")]
        joints: Patterns,
        /// Smallest and largest value of a uniform draw \[m/s, rad/s\].
        #[serde(default)]
        offset: [f64; 2],
        /// Standard deviation of a normal draw, which is added too \[m/s, rad/s\].
        #[serde(default)]
        #[schemars(range(min = 0.0))]
        std: f64,
    },
    /// Added to the initial pose of a floating base.
    BasePose {
        /// Range along x \[m\].
        #[serde(default)]
        x: [f64; 2],
        /// Range along y \[m\].
        #[serde(default)]
        y: [f64; 2],
        /// Range along z \[m\].
        #[serde(default)]
        z: [f64; 2],
        /// Range of the turn about the vertical \[rad\].
        #[serde(default)]
        yaw: [f64; 2],
    },
    /// Where props with a mass stand at first; their height stays. They are placed one after the other, a place too near to
    /// one that is taken is drawn again, and if there is none all are placed anew.
    Place {
        /// Which props.
        props: Patterns,
        /// Range along x \[m\], in the world.
        x: [f64; 2],
        /// Range along y \[m\], in the world.
        y: [f64; 2],
        /// Range of the turn about the vertical \[rad\].
        #[serde(default)]
        yaw: [f64; 2],
        /// Least distance between the middles of two of them \[m\], seen from above.
        #[serde(default)]
        #[schemars(range(min = 0.0))]
        apart: f64,
    },
    /// Added to the initial velocity of a floating base, one draw a component.
    BaseVelocity {
        /// Range of each linear component \[m/s\].
        #[serde(default)]
        linear: [f64; 2],
        /// Range of each angular component \[rad/s\].
        #[serde(default)]
        angular: [f64; 2],
    },
    /// Where cameras are and where they look, one draw a camera and axis of its own. This and what follows up to the pushes
    /// changes what is observed through cameras alone.
    CameraPose {
        /// Which cameras.
        #[serde(default = "all")]
        cameras: Patterns,
        /// Range of the shift along each of its axes \[m\].
        #[serde(default)]
        position: [f64; 2],
        /// Range of the turn about each of its axes \[rad\].
        #[serde(default)]
        rotation: [f64; 2],
    },
    /// Factor on the focal lengths of cameras, one draw a camera: a longer one narrows the field of view.
    FocalLength {
        /// Which cameras.
        #[serde(default = "all")]
        cameras: Patterns,
        /// Smallest and largest factor.
        factor: [f64; 2],
    },
    /// Where the sun stands and how it shines.
    Sun {
        /// Its direction from x towards y \[rad\]; as it is when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        azimuth: Option<[f64; 2]>,
        /// Its height over the horizon \[rad\]; as it is when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        elevation: Option<[f64; 2]>,
        /// Factor on its light.
        #[serde(default = "unchanged")]
        brightness: [f64; 2],
        /// Factor on each of its colours, one draw a colour.
        #[serde(default = "unchanged")]
        tint: [f64; 2],
    },
    /// The sky, and the light that comes from everywhere.
    Sky {
        /// Factor on it.
        #[serde(default = "unchanged")]
        brightness: [f64; 2],
        /// Factor on each of its colours, one draw a colour.
        #[serde(default = "unchanged")]
        tint: [f64; 2],
    },
    /// Added to red, green and blue of bodies, sRGB in [0, 1], one draw a body and colour; the result stays in [0, 1].
    Color {
        /// Which bodies: of the robot, props, or `world` for what stands still in the robot file.
        bodies: Patterns,
        /// Smallest and largest change.
        offset: [f64; 2],
        /// Whether all of them get the same draw.
        #[serde(default)]
        alike: bool,
    },
    /// Where lamps are and how they shine, one draw a lamp.
    Lamp {
        /// Which lamps.
        #[serde(default = "all")]
        lamps: Patterns,
        /// Range of the shift along each axis of their mount \[m\].
        #[serde(default)]
        position: [f64; 2],
        /// Factor on their light.
        #[serde(default = "unchanged")]
        brightness: [f64; 2],
        /// Factor on each of their colours, one draw a colour.
        #[serde(default = "unchanged")]
        tint: [f64; 2],
    },
    /// What bodies are made of, one draw a body from a list.
    Material {
        /// Which bodies: of the robot, props, or `world` for what stands still in the robot file.
        bodies: Patterns,
        /// Names of materials of the scene or of the robot file. Where one has a colour, that counts; `color` is added to it.
        #[schemars(length(min = 1))]
        materials: Vec<String>,
        /// Whether all of them get the same draw.
        #[serde(default)]
        alike: bool,
    },
    /// How the surfaces of bodies send light back, one draw a body from 16 finishes that are spread over the ranges; their
    /// pictures and colours stay, and so does what has no range.
    Finish {
        /// Which bodies: of the robot, props, or `world` for what stands still in the robot file.
        bodies: Patterns,
        /// Range of the roughness.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        roughness: Option<[f64; 2]>,
        /// Range of the share of metal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        metallic: Option<[f64; 2]>,
        /// Range of what is mirrored where it is no metal, in units of 8 %.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        specular: Option<[f64; 2]>,
        /// Whether all of them get the same draw.
        #[serde(default)]
        alike: bool,
    },
    /// Factor on the exposure of cameras that have a `color_sensor`, one draw a camera.
    Exposure {
        /// Which cameras.
        #[serde(default = "all")]
        cameras: Patterns,
        /// Smallest and largest factor.
        factor: [f64; 2],
    },
    /// A sudden change of the base's horizontal velocity, in a random direction, now and then.
    Push {
        /// Smallest and largest time between pushes \[s\].
        interval: [f64; 2],
        /// Smallest and largest change of speed \[m/s\].
        speed: [f64; 2],
    },
    /// A horizontal force on a body in a random direction, for a while, now and then. It acts at the centre of mass of the
    /// body and of all that is welded to it.
    ForcePush {
        /// Which body; the base when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
        /// Smallest and largest time between the end of a push and the start of the next \[s\].
        interval: [f64; 2],
        /// Smallest and largest time that a push lasts \[s\]; rounded to whole control steps, at least one.
        duration: [f64; 2],
        /// Smallest and largest force \[N\].
        force: [f64; 2],
    },
}
