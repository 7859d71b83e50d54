//! The dynamics of one state, in `f64`: what anyone can compare with another engine.

use keiko_model::robot::RobotModel;

use crate::lane::Phase;
use crate::machine::Cpu;
use crate::plan::{BuildError, Links, Parameters, Plan, StepOptions, dof};
use crate::step;

/// Poses, mass matrix and forces of a state, in the model's order.
#[derive(Clone, Debug)]
pub struct Dynamics {
    /// Body origins in the world `[nb]` \[m\].
    pub body_position: Vec<[f64; 3]>,
    /// `world_from_body`, xyzw `[nb]`.
    pub body_rotation: Vec<[f64; 4]>,
    /// Mass matrix with rotor inertia `[nv nv]`, row-major.
    pub mass_matrix: Vec<f64>,
    /// Coriolis, centrifugal and gravitational force `[nv]`.
    pub bias: Vec<f64>,
    /// Generalised force of the actuators `[nv]`.
    pub actuator: Vec<f64>,
    /// Acceleration without constraints `[nv]`: of bias, actuators, springs and dampers.
    pub smooth_acceleration: Vec<f64>,
}

/// Computes the dynamics of states of one model.
pub struct Inspector {
    plan: Plan,
    parameters: Vec<f64>,
    memory: Vec<f64>,
    counts: Vec<u32>,
}

impl Inspector {
    /// For a model.
    ///
    /// # Errors
    /// See [`Plan::new`].
    pub fn new(model: &RobotModel) -> Result<Self, BuildError> {
        let mut bare = model.clone();
        // Contacts and sensors take no part; a shape without a routine is no obstacle here.
        bare.geoms.clear();
        bare.sensors.clear();
        bare.contact_pairs.clear();
        let options = StepOptions { timestep: 0.0, substeps: 1, ..StepOptions::default() };
        let plan = Plan::new(&bare, options)?;
        let parameters = Parameters::default().numbers(&plan, &bare, &Links::new(&bare));
        let (memory, counts) = (vec![0.0; plan.memory_len], vec![0; plan.counts_len]);
        Ok(Self { plan, parameters, memory, counts })
    }

    /// The dynamics at `qpos` `[nq]` (quaternions xyzw), `qvel` `[nv]`, `ctrl` `[nu]`.
    pub fn dynamics(&mut self, qpos: &[f64], qvel: &[f64], ctrl: &[f64]) -> Dynamics {
        let Self { plan, parameters, memory, counts } = self;
        memory.fill(0.0);
        memory[plan.qpos..][..qpos.len()].copy_from_slice(qpos);
        memory[plan.qvel..][..qvel.len()].copy_from_slice(qvel);
        memory[plan.control..][..ctrl.len()].copy_from_slice(ctrl);
        let mut machine =
            Cpu { memory, parameters, reals: &plan.reals, ints: &plan.ints, counts: &mut *counts };
        step::Begin::run(plan, &mut machine);
        step::Kinematics::run(plan, &mut machine);
        step::Outward::run(plan, &mut machine);
        step::Inward::run(plan, &mut machine);
        let nv = plan.dofs.len;
        let bias = machine.memory[plan.tau..][..nv].iter().map(|x| -x).collect();
        let mass_matrix = dense(plan, machine.memory);
        step::Actuate::run(plan, &mut machine);
        let actuator = machine.memory[plan.drive..][..nv].to_vec();
        let smooth_acceleration = acceleration(plan, &mut machine);
        step::Report::run(plan, &mut machine);
        let nb = plan.num_bodies;
        let memory = &*machine.memory;
        Dynamics {
            body_position: (0..nb).map(|b| row(memory, plan.body_position + 3 * b)).collect(),
            body_rotation: (0..nb).map(|b| row(memory, plan.body_rotation + 4 * b)).collect(),
            mass_matrix,
            bias,
            actuator,
            smooth_acceleration,
        }
    }
}

/// The dynamics of one state; see [`Inspector`].
///
/// # Errors
/// See [`Plan::new`].
pub fn dynamics(
    model: &RobotModel,
    qpos: &[f64],
    qvel: &[f64],
    ctrl: &[f64],
) -> Result<Dynamics, BuildError> {
    Ok(Inspector::new(model)?.dynamics(qpos, qvel, ctrl))
}

fn row<const K: usize>(memory: &[f64], at: usize) -> [f64; K] {
    std::array::from_fn(|k| memory[at + k])
}

/// The packed mass matrix, unpacked.
fn dense(plan: &Plan, memory: &[f64]) -> Vec<f64> {
    let nv = plan.dofs.len;
    let mut out = vec![0.0; nv * nv];
    for d in 0..nv {
        let int = |field| plan.ints[plan.dofs.int(d, field)] as usize;
        let (start, count, list) = (int(dof::ROW), int(dof::NUM_ANCESTORS), int(dof::ANCESTORS));
        out[d * nv + d] = memory[plan.mass + start + count];
        for k in 0..count {
            let e = plan.ints[list + k] as usize;
            (out[d * nv + e], out[e * nv + d]) =
                (memory[plan.mass + start + k], memory[plan.mass + start + k]);
        }
    }
    out
}

/// `H⁻¹ τ`. With a time step of zero the mass matrix has no implicit terms, and the white velocity is `L⁻ᵀ τ` alone
/// when it starts from rest.
fn acceleration(plan: &Plan, machine: &mut Cpu<'_, f64>) -> Vec<f64> {
    let nv = plan.dofs.len;
    let tau = machine.memory[plan.tau..][..nv].to_vec();
    step::Factor::run(plan, machine);
    let memory = &*machine.memory;
    let mut x = tau;
    let rows: Vec<_> = (0..nv)
        .map(|d| {
            let int = |field| plan.ints[plan.dofs.int(d, field)] as usize;
            (plan.mass + int(dof::ROW), int(dof::NUM_ANCESTORS), int(dof::ANCESTORS))
        })
        .collect();
    for d in (0..nv).rev() {
        let (start, count, list) = rows[d];
        x[d] *= memory[plan.inverse + d];
        for k in 0..count {
            x[plan.ints[list + k] as usize] -= memory[start + k] * x[d];
        }
    }
    for d in 0..nv {
        let (start, count, list) = rows[d];
        for k in 0..count {
            x[d] -= memory[start + k] * x[plan.ints[list + k] as usize];
        }
        x[d] *= memory[plan.inverse + d];
    }
    x
}
