//! `keiko dynamics`: poses, mass matrix and forces at given states, under MuJoCo's names and in its order.

use anyhow::{Context, bail};
use keiko_dynamics::inspect::Inspector;
use keiko_model::RobotModel;

use crate::args::Dynamics;
use crate::exit::{Code, CommandResult, OrExit};
use crate::numpy::{Array, Npz, write_npz};
use crate::output::Output;
use crate::states::{self, QuaternionOrder};

/// Runs the command.
pub fn run(args: &Dynamics, output: &mut Output) -> CommandResult {
    let model = states::load_model(&args.file, args.root.as_deref())?;
    let input = States::read(&args.states, &model).or_exit(Code::Usage)?;
    let answer = compute(&model, &input).or_exit(Code::Scene)?;
    let arrays: Vec<(&str, &Array)> = answer.iter().map(|(name, array)| (*name, array)).collect();
    write_npz(&args.out, &arrays).or_exit(Code::Machine)?;
    for (name, array) in &answer {
        output.say(format!("{name:<14} {:?}", array.shape));
    }
    output.say(format!("written: {}", args.out.display()));
    output.set("num_states", input.len());
    output.set("nq", model.num_qpos());
    output.set("nv", model.num_dofs());
    output.set("nbody", model.bodies.len());
    Ok(Code::Done)
}

/// States of a model; quaternions xyzw.
pub struct States {
    /// `[K, nq]`.
    pub qpos: Array,
    /// `[K, nv]`.
    pub qvel: Array,
    /// `[K, nu]`.
    pub ctrl: Array,
}

impl States {
    fn read(path: &std::path::Path, model: &RobotModel) -> anyhow::Result<Self> {
        let mut file = Npz::open(path)?;
        let name = || path.display().to_string();
        let mut qpos = file.get("qpos")?;
        let num_states = *qpos.shape.first().unwrap_or(&0);
        let mut rows = |field: &str, width: usize| {
            let given = file.find(field)?;
            let array =
                given.unwrap_or_else(|| Array::new(&[num_states, width], vec![0.0; num_states * width]));
            states::check_rows(&array, field, width, &model.name)?;
            match array.shape[0] {
                k if k == num_states => Ok(array),
                k => bail!("`{field}` has {k} rows and `qpos` {num_states}"),
            }
        };
        let qvel = rows("qvel", model.num_dofs()).with_context(name)?;
        let ctrl = rows("ctrl", model.actuators.len()).with_context(name)?;
        states::check_rows(&qpos, "qpos", model.num_qpos(), &model.name).with_context(name)?;
        states::check_quaternions(&qpos, model).with_context(name)?;
        states::reorder(model, &mut qpos, QuaternionOrder::WxyzToXyzw);
        Ok(Self { qpos, qvel, ctrl })
    }

    /// Number of states.
    pub fn len(&self) -> usize {
        self.qpos.shape[0]
    }
}

/// The dynamics at each state, as arrays under MuJoCo's names; `xquat` is wxyz. As in MuJoCo, compensation of gravity
/// is no part of the bias.
///
/// # Errors
/// What of the model the dynamics does not know.
pub fn compute(model: &RobotModel, states: &States) -> anyhow::Result<[(&'static str, Array); 6]> {
    let mut inspector = Inspector::new(model).with_context(|| model.name.clone())?;
    let mut uncompensated = without_compensation(model)
        .map(|heavy| Inspector::new(&heavy))
        .transpose()
        .with_context(|| model.name.clone())?;
    let (num_states, nv, nbody) = (states.len(), model.num_dofs(), model.bodies.len());
    let mut columns: [Vec<f64>; 6] = Default::default();
    for k in 0..num_states {
        let (qpos, qvel, ctrl) = (states.qpos.row(k), states.qvel.row(k), states.ctrl.row(k));
        let mut at = inspector.dynamics(qpos, qvel, ctrl);
        if let Some(heavy) = &mut uncompensated {
            at.bias = heavy.dynamics(qpos, qvel, ctrl).bias;
        }
        columns[0].extend(at.body_position.as_flattened());
        columns[1].extend(at.body_rotation.iter().flat_map(|[x, y, z, w]| [w, x, y, z]));
        columns[2].extend(at.mass_matrix);
        columns[3].extend(at.bias);
        columns[4].extend(at.actuator);
        columns[5].extend(at.smooth_acceleration);
    }
    let [xpos, xquat, mass, bias, actuator, acceleration] = columns;
    Ok([
        ("xpos", Array::new(&[num_states, nbody, 3], xpos)),
        ("xquat", Array::new(&[num_states, nbody, 4], xquat)),
        ("qM", Array::new(&[num_states, nv, nv], mass)),
        ("qfrc_bias", Array::new(&[num_states, nv], bias)),
        ("qfrc_actuator", Array::new(&[num_states, nv], actuator)),
        ("qacc_smooth", Array::new(&[num_states, nv], acceleration)),
    ])
}

/// The model with all of its weight, if some of it is compensated.
fn without_compensation(model: &RobotModel) -> Option<RobotModel> {
    if model.bodies.iter().all(|body| body.gravity_compensation == 0.0) {
        return None;
    }
    let mut heavy = model.clone();
    heavy.bodies.iter_mut().for_each(|body| body.gravity_compensation = 0.0);
    Some(heavy)
}
