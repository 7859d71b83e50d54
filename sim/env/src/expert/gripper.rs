//! What actions drive beside the arm: fingers that open and close.

use std::collections::BTreeSet;

use glam::{DQuat, DVec3};
use keiko_model::Result;
use keiko_model::compose::Scene;
use keiko_model::kinematics::forward_kinematics;
use keiko_model::robot::Transmission;
use keiko_model::task::TaskSpec;
use keiko_world::Field;

use super::refuse;
use crate::action::chain_joints;
use crate::contract::VecEnv;
use crate::task_env::TaskEnv;

/// Share of the whole way, from closed to open, from which fingers count as open.
const OPEN: f64 = 0.95;
/// Share of the whole way a second below which fingers count as at rest.
const AT_REST: f64 = 0.2;

/// Fingers on one or two joints, or more.
#[derive(Clone, Debug)]
pub(super) struct Gripper {
    /// Rows of the actions, and the action that opens.
    drives: Vec<(usize, f64)>,
    joints: Vec<Finger>,
    /// Direction in which the fingers part, in the frame of the end effector's body.
    across: DVec3,
    /// How far they part from closed to open \[m\].
    pub stroke: f64,
}

/// A joint of the fingers: rows in qpos and qvel, and its positions closed and open.
#[derive(Clone, Copy, Debug)]
struct Finger {
    q: usize,
    v: usize,
    closed: f64,
    open: f64,
}

impl Gripper {
    /// # Errors
    /// If what the actions drive beside the arm does not open and close.
    pub fn new(task: &TaskSpec, env: &TaskEnv) -> Result<Self> {
        let fault = |what: &str| refuse(task, "action", what);
        let scene = env.scene();
        let model = &scene.model;
        let arm = chain_joints(scene);
        let (mut rows, mut moved) = (Vec::new(), BTreeSet::new());
        for (row, name) in env.spec().actions.iter().enumerate() {
            let Some(actuator) = model.actuators.iter().find(|actuator| actuator.name == *name) else {
                continue;
            };
            let parts = match actuator.transmission {
                Transmission::Joint { joint } => vec![(joint, 1.0)],
                Transmission::Tendon { tendon } => model.tendons[tendon].terms.clone(),
                Transmission::Site { .. } => continue,
            };
            if parts.iter().all(|(joint, _)| !arm.contains(joint)) {
                moved.extend(parts.iter().map(|(joint, _)| *joint));
                rows.push((row, parts));
            }
        }
        let moved: Vec<usize> = moved.into_iter().collect();
        let ranges: Option<Vec<[f64; 2]>> = moved.iter().map(|joint| model.joints[*joint].range).collect();
        let ranges = ranges.ok_or_else(|| fault("a joint of the gripper has no range"))?;
        let (Some(first), Some(last)) = (moved.first(), moved.last()) else {
            return Err(fault("no action drives a gripper"));
        };
        let fingers = [*first, *last].map(|joint| model.joints[joint].body);
        let parts = |end: usize| parting(scene, &moved, &ranges, end, fingers);
        let (low, high) = (parts(0), parts(1));
        // A finger alone parts from where it was.
        let opens_up = fingers[0] == fingers[1] || low.length() <= high.length();
        let way = high - low;
        if way.length() < 1e-6 {
            return Err(fault("the fingers of the gripper do not part"));
        }
        let finger = |(joint, [low, high]): (&usize, &[f64; 2])| {
            let joint = &model.joints[*joint];
            let (closed, open) = if opens_up { (*low, *high) } else { (*high, *low) };
            Finger { q: joint.qpos_index, v: joint.dof_index, closed, open }
        };
        let sign = |parts: &[(usize, f64)]| {
            let lengthens = parts.iter().map(|(_, part)| part).sum::<f64>() >= 0.0;
            if lengthens == opens_up { 1.0 } else { -1.0 }
        };
        Ok(Self {
            drives: rows.iter().map(|(row, parts)| (*row, sign(parts))).collect(),
            joints: moved.iter().zip(&ranges).map(finger).collect(),
            across: way.normalize(),
            stroke: way.length(),
        })
    }

    /// Writes the actions that open or close.
    pub fn set(&self, open: bool, column: usize, actions: &mut Field) {
        for (row, opens) in &self.drives {
            actions.set(*row, column, if open { *opens } else { -*opens } as f32);
        }
    }

    /// How far it is open: 0 closed, 1 open.
    fn opening(&self, env: &TaskEnv, column: usize) -> f64 {
        let of = |finger: &Finger| {
            let q = f64::from(env.state().qpos.get(finger.q, column));
            (q - finger.closed) / (finger.open - finger.closed)
        };
        self.joints.iter().map(of).sum::<f64>() / self.joints.len() as f64
    }

    /// Whether it holds something: it is not open, and the fingers are at rest, or the thing is `lifted`.
    pub fn holds(&self, env: &TaskEnv, column: usize, lifted: bool) -> bool {
        let speed = |finger: &Finger| {
            let v = f64::from(env.state().qvel.get(finger.v, column));
            (v / (finger.open - finger.closed)).abs()
        };
        let fastest = self.joints.iter().map(speed).fold(0.0, f64::max);
        self.opening(env, column) < OPEN && (lifted || fastest < AT_REST)
    }

    /// Direction from finger to finger when the end effector's body is turned so, seen from above \[rad\].
    pub fn across(&self, world_from_body: DQuat) -> f64 {
        let across = world_from_body * self.across;
        across.y.atan2(across.x)
    }
}

/// From the second finger's middle to the first's, in the frame of the end effector's body, where the joints are at one end
/// of their ranges; without a second finger from the origin \[m\].
fn parting(scene: &Scene, joints: &[usize], ranges: &[[f64; 2]], end: usize, fingers: [usize; 2]) -> DVec3 {
    let model = &scene.model;
    let mut qpos = scene.default_qpos.clone();
    for (joint, range) in joints.iter().zip(ranges) {
        qpos[model.joints[*joint].qpos_index] = range[end];
    }
    let poses = forward_kinematics(model, &qpos);
    let hand = poses[scene.end_effector.body].inverse();
    let middle = |body: usize| {
        hand.transform_point(poses[body].transform_point(model.bodies[body].inertial.pose.position))
    };
    match fingers {
        [one, other] if one == other => middle(one),
        [one, other] => middle(one) - middle(other),
    }
}
