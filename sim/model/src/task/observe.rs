//! What can be observed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Patterns, all, one};
use crate::camera::PixelChannel;

/// One entry of an observation group: `scale · clip(value + noise · U(-1, 1))`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ObservationTerm {
    /// What is observed.
    #[serde(flatten)]
    pub term: Observation,
    /// Factor, after noise and clip.
    #[serde(default = "one")]
    pub scale: f64,
    /// Half width of the uniform noise, in the term's unit.
    #[serde(default)]
    #[schemars(range(min = 0.0))]
    pub noise: f64,
    /// Values are clipped to plus and minus this, in the term's unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub clip: Option<f64>,
}

/// What an observation is measured against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RelativeTo {
    /// The world frame.
    #[default]
    World,
    /// The frame of the robot's base.
    Base,
}

/// Order of the four numbers of a quaternion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QuaternionOrder {
    /// Vector part first.
    #[default]
    Xyzw,
    /// Scalar part first, as MuJoCo has it.
    Wxyz,
}

fn five() -> f64 {
    5.0
}

fn along_z() -> [f64; 3] {
    [0.0, 0.0, 1.0]
}

/// Something to observe. `base` is the robot's first body.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "term", rename_all = "snake_case")]
pub enum Observation {
    /// Positions of scalar joints less the default pose \[rad or m\]; one number a joint.
    JointPosition {
        /// Which joints.
        #[serde(default = "all")]
        joints: Patterns,
    },
    /// Velocities of scalar joints \[rad/s or m/s\]; one number a joint.
    JointVelocity {
        /// Which joints.
        #[serde(default = "all")]
        joints: Patterns,
    },
    /// Positions of joints of any kind, as the physics holds them: no default pose is taken off \[m, rad,
    /// quaternion\]; in model order, 7 numbers a free joint, 4 a ball joint, 1 any other.
    Qpos {
        /// Which joints.
        #[serde(default = "all")]
        joints: Patterns,
        /// Numbers left out at the front, such as where a floating base stands in the plane.
        #[serde(default)]
        skip: u32,
        /// Order of the numbers of quaternions.
        #[serde(default)]
        quaternions: QuaternionOrder,
    },
    /// Velocities of joints of any kind, as the physics holds them \[m/s, rad/s\]; in model order, 6 numbers a
    /// free joint (linear in the world frame, angular in its own), 3 a ball joint, 1 any other.
    Qvel {
        /// Which joints.
        #[serde(default = "all")]
        joints: Patterns,
        /// Numbers left out at the front.
        #[serde(default)]
        skip: u32,
    },
    /// Position of the base \[m\], world frame; 3 numbers.
    BasePosition,
    /// Height of the base \[m\]; 1 number.
    BaseHeight,
    /// Orientation of the base, `world_from_base`, xyzw; 4 numbers.
    BaseRotation,
    /// Velocity of the base's origin \[m/s\], base frame; 3 numbers.
    BaseLinearVelocity,
    /// Angular velocity of the base \[rad/s\], base frame; 3 numbers.
    BaseAngularVelocity,
    /// Unit vector of gravity in the base frame: (0, 0, -1) when upright; 3 numbers.
    ProjectedGravity,
    /// The action of the last step, as clipped; one number an action.
    LastAction,
    /// Targets of position actions less the default pose \[rad or m\]; one number an action.
    ActionTarget,
    /// A command; 3 numbers.
    Command {
        /// Its name.
        command: String,
    },
    /// Place of a site or body \[m\]; 3 numbers.
    FramePosition {
        /// Site or body; the end effector when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        frame: Option<String>,
        /// In which frame.
        #[serde(default)]
        relative_to: RelativeTo,
    },
    /// From a site or body to a commanded point \[m\]; 3 numbers.
    VectorToTarget {
        /// Name of a point command.
        command: String,
        /// Site or body; the end effector when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        frame: Option<String>,
        /// In which frame.
        #[serde(default)]
        relative_to: RelativeTo,
    },
    /// From a site or body to the thing that the instruction names \[m\], in the world frame; 3 numbers.
    VectorToObject {
        /// Site or body; the end effector when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        frame: Option<String>,
    },
    /// From the thing that the instruction names to the target that it names \[m\], in the world frame; 3 numbers.
    ObjectToTarget,
    /// A sensor of the robot file; as many numbers as it gives.
    Sensor {
        /// Its name.
        sensor: String,
    },
    /// Net contact force on bodies \[N\], world frame; 3 numbers a body.
    ContactForce {
        /// Which bodies.
        bodies: Patterns,
    },
    /// Whether bodies are touched: 1 where the net contact force is over 1 N; one number a body.
    Contact {
        /// Which bodies.
        bodies: Patterns,
    },
    /// Forces of actuators, before gear \[N·m or N\]; one number an actuator.
    ActuatorForce {
        /// Which actuators.
        #[serde(default = "all")]
        actuators: Patterns,
    },
    /// Generalised force on scalar joints of all that is at work but weight, external wrenches and inertia: actuators,
    /// springs, damping, friction, limits and contacts; mean over the control step \[N·m or N\]; one number a joint.
    JointTorque {
        /// Which joints.
        #[serde(default = "all")]
        joints: Patterns,
    },
    /// What contacts do to a body or geom, mean over the control step: force \[N\], then torque \[N·m\] about the frame's
    /// origin, in the frame's axes; 6 numbers.
    ContactWrench {
        /// Body or geom that they act on.
        on: String,
        /// Body or geom that they are with; anything when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        with: Option<String>,
        /// Site or body whose frame it is, or `world`; the body when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        frame: Option<String>,
    },
    /// How far the ground is below the origin of a body, under the points of a level grid that turns with its heading \[m\];
    /// one number a point, along x first. The robot itself is not seen.
    HeightScan {
        /// Which body; the base when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
        /// Points along x and y.
        #[schemars(inner(range(min = 1, max = 100)))]
        counts: [u32; 2],
        /// Distance of neighbours along x and y \[m\].
        spacing: [f64; 2],
        /// The grid's middle from the body's origin, along x and y \[m\].
        #[serde(default)]
        offset: [f64; 2],
        /// How far above the body's origin the rays start \[m\].
        #[serde(default = "one")]
        #[schemars(range(min = 0.0))]
        above: f64,
        /// The most that is read \[m\].
        #[serde(default = "five")]
        #[schemars(extend("exclusiveMinimum" = 0))]
        reach: f64,
    },
    /// Distance to the nearest shape along rays, one from each site or body \[m\]. A ray passes through the shapes of its own
    /// body.
    RayDistance {
        /// Sites, or without any match bodies.
        frames: Patterns,
        /// Direction in the frame.
        #[serde(default = "along_z")]
        axis: [f64; 3],
        /// How far a ray sees: what is read where there is nothing \[m\].
        #[serde(default = "five")]
        #[schemars(extend("exclusiveMinimum" = 0))]
        reach: f64,
    },
    /// Share of the episode that is left, 1 to 0; 1 number.
    TimeLeft,
    /// Images of a camera, `scale · clip(value - offset)`, as `[stack, channels, height, width]`. They come after all
    /// numbers of their group.
    Camera {
        /// A camera of the scene or of the robot file.
        camera: String,
        /// What of it is seen, in this order.
        #[serde(default = "rgb")]
        #[schemars(length(min = 1))]
        channels: Vec<PixelChannel>,
        /// Width and height of the image \[pixel\]; the camera's own when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(inner(range(min = 1, max = 1024)))]
        size: Option<[u32; 2]>,
        /// Rays along each side of a pixel; the pixel is their mean.
        #[serde(default = "single")]
        #[schemars(range(min = 1, max = 8))]
        samples: u32,
        /// Frames that are seen, one a control step, the newest last. When an episode begins all are its first.
        #[serde(default = "single")]
        #[schemars(range(min = 1, max = 16))]
        stack: u32,
        /// What is taken off every number, in the channel's unit.
        #[serde(default)]
        offset: f64,
    },
}

fn rgb() -> Vec<PixelChannel> {
    vec![PixelChannel::Rgb]
}

fn single() -> u32 {
    1
}
