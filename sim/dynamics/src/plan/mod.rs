//! What a step needs to know of a model: tables, and where things lie in memory.
//!
//! A [`Plan`] is made once for a model and its [`StepOptions`]. The step reads it and nothing else; it knows no names.

mod actuators;
mod bodies;
mod contacts;
mod items;
mod links;
mod notes;
mod options;
mod pairs;
mod parameters;
mod rays;
mod sensors;
mod springs;
mod table;
mod ties;
mod tree;

use keiko_model::robot::{JointKind, RobotModel};

pub use actuators::{actuator, actuator_parameters, tendon};
pub use bodies::body;
pub use contacts::{geom, pair};
pub use items::item;
pub(crate) use items::soft_numbers;
pub use links::{InertialChange, LinkInertia, Links};
pub use options::{Law, StepOptions};
pub use pairs::{ContactParameters, Pair, pairs};
pub use parameters::Parameters;
pub(crate) use parameters::link_wrenches;
pub use rays::{RayTables, scanner, target};
pub use sensors::sensor;
pub use springs::spring;
pub use table::{Places, Table, Tables};
pub use ties::{Ties, tie};
pub use tree::{dof, joint, link};

use crate::collide::Class;

/// A model that the engine cannot step: which element, and which feature of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{element}: {feature} is not supported by the batched engine")]
pub struct BuildError {
    /// Element of the model: ``joint `knee` ``.
    pub element: String,
    /// What of it.
    pub feature: String,
}

/// Rows of an environment that belong to a task, which works on them in the same pass as the physics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskRows {
    /// Kept from step to step, 0 after a reset.
    pub state: usize,
    /// What a step gets; the controls themselves without.
    pub input: usize,
    /// What a step says, behind what the physics says.
    pub output: usize,
    /// Scratch.
    pub work: usize,
}

/// The tables of a model and the map of the memory. Counts and addresses are in numbers of an environment.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Settings.
    pub options: StepOptions,
    /// Integers that the step reads.
    pub ints: Vec<u32>,
    /// Numbers that the step reads.
    pub reals: Vec<f64>,

    /// Links; record 0 is the world.
    pub links: Table,
    /// Bodies of the model.
    pub bodies: Table,
    /// Joints.
    pub joints: Table,
    /// Degrees of freedom.
    pub dofs: Table,
    /// Actuators.
    pub actuators: Table,
    /// Fixed tendons.
    pub tendons: Table,
    /// Geoms that may touch something.
    pub geoms: Table,
    /// Pairs that may touch, by class.
    pub pairs: Table,
    /// Classes, first pair, one after the last pair.
    pub routines: Vec<(Class, Class, usize, usize)>,
    /// Springs of ball and free joints.
    pub springs: Table,
    /// Constraints: contacts, then their torsional friction, then ties.
    pub items: Table,
    /// How many of them are contacts.
    pub num_contacts: usize,
    /// How many are contacts or their torsional friction.
    pub num_touches: usize,
    /// Which are the others.
    pub ties: Ties,
    /// Sensors.
    pub sensors: Table,
    /// How many of them are accelerometers.
    pub num_accelerometers: usize,
    /// How many of them sum the wrenches of contacts.
    pub num_wrenches: usize,
    /// Whether any of them asks for the force on a joint.
    pub strains: bool,
    /// What sensors see by rays.
    pub rays: RayTables,
    /// What the step leaves out or approximates: element, and what of it.
    pub notes: Vec<(String, String)>,
    /// Geoms of the model that each contact is between.
    pub contact_geoms: Vec<[usize; 2]>,
    /// Numbers of qpos.
    pub num_qpos: usize,
    /// Bodies of the model.
    pub num_bodies: usize,

    /// State: memory `[0, state_len)`, kept from step to step. qpos.
    pub qpos: usize,
    /// State: qvel.
    pub qvel: usize,
    /// State: what the rounding of the positions of free joints left over `[3 free joints]` \[m\].
    pub remainder: usize,
    /// What the last substep added to qvel `[nv]`; state where [`Plan::centred`], else work.
    pub gain: usize,
    /// State: filtered controls.
    pub activation: usize,
    /// State: impulses of constraints.
    pub impulses: usize,
    /// Numbers of the state of the physics, but for late controls.
    pub physics_state_len: usize,
    /// State: of the task.
    pub task_state: usize,
    /// State: 0 until the first control after a reset is heard `[1]`; only where controls may be late.
    pub heard: usize,
    /// State: the last controls, newest first `[(max_delay + 1) nu]`; only where controls may be late.
    pub late: usize,
    /// Numbers of the state.
    pub state_len: usize,

    /// Input: what a step gets: controls, or what the task makes them from.
    pub input: usize,
    /// Numbers of the input.
    pub input_len: usize,
    /// Controls `[nu]`.
    pub control: usize,
    /// Output: memory `[output, output + output_len)`. 0, or 1 for a state that is not finite, 2 for divergence `[1]`.
    pub fault: usize,
    /// Output: body origins `[3 nb]` \[m\].
    pub body_position: usize,
    /// Output: `world_from_body` quaternions xyzw `[4 nb]`.
    pub body_rotation: usize,
    /// Output: velocities of the body origins, world axes `[3 nb]` \[m/s\].
    pub body_linear: usize,
    /// Output: angular velocities, world axes `[3 nb]` \[rad/s\].
    pub body_angular: usize,
    /// Output: force of each actuator before gear, mean over the control step `[nu]`.
    pub actuator_force: usize,
    /// Output: contact force on each body, mean over the control step, world axes `[3 nb]` \[N\].
    pub contact_force: usize,
    /// Output: values of the sensors, in model order `[ns]`.
    pub sensed: usize,
    /// Output: of the task.
    pub task_output: usize,
    /// Numbers of the output of the physics.
    pub physics_output_len: usize,
    /// Numbers of the output.
    pub output_len: usize,
    /// Work: of the task.
    pub task_work: usize,

    /// Work: sum over substeps of the contact impulse on each body `[3 nb]`, world axes.
    pub contact_impulse: usize,
    /// Work: sum over substeps of the normal impulses on each body `[nb]`, where a sensor feels them.
    pub touch: usize,
    /// Numbers of [`Plan::touch`].
    pub touch_len: usize,
    /// Work: sums over substeps of the impulses and angular impulses of contacts, in the frames of the sensors that ask for
    /// them `[6 wrenches]`.
    pub wrench: usize,
    /// Work: sum over substeps of the impulse on each degree of freedom but those of the bias force and of external
    /// wrenches `[nv]`, where a sensor asks for it.
    pub strain: usize,
    /// Work: sum over substeps of the force of actuators on each degree of freedom `[nv]`, where a sensor asks for it.
    pub drive_sum: usize,
    /// Work: mass matrix, external and bias force, and velocity of the start of the substep, where a sensor asks for the
    /// force on a joint: as [`Plan::mass`], `[nv]`, `[nv]`.
    pub kept: usize,
    /// Work: velocities of the accelerometers when the last physics step began `[3 accelerometers]`.
    pub remembered: usize,
    /// Work: `world_from_link` rotations `[9 links]`.
    pub rotation: usize,
    /// Work: link origins from the origin of their tree `[3 links]`.
    pub position: usize,
    /// Work: origins of the trees in the world `[3 trees]`.
    pub origin: usize,
    /// Work: motion of each degree of freedom `[6 nv]`.
    pub motion: usize,
    /// Work: spatial velocity of each link `[6 links]`.
    pub velocity: usize,
    /// Work: spatial acceleration of each link without the joints' `[6 links]`.
    pub acceleration: usize,
    /// Work: spatial force on each link `[6 links]`.
    pub force: usize,
    /// Work: spatial inertia of each link, then of all that it carries `[10 links]`.
    pub inertia: usize,
    /// Work: packed mass matrix, then its factor.
    pub mass: usize,
    /// Numbers of the packed mass matrix.
    pub mass_len: usize,
    /// Work: inverse diagonal of the factor `[nv]`.
    pub inverse: usize,
    /// Work: generalised force `[nv]`.
    pub tau: usize,
    /// Work: force that the motion itself takes `[nv]`, where [`Plan::centred`].
    pub bias: usize,
    /// Work: summed actuator force on each degree of freedom `[nv]`.
    pub drive: usize,
    /// Work: its stiffness `[nv]`.
    pub drive_stiffness: usize,
    /// Work: its damping `[nv]`.
    pub drive_damping: usize,
    /// Work: qvel in the middle of the substep `[nv]`; [`Plan::qvel`] itself unless [`Plan::centred`].
    pub middle: usize,
    /// Work: white change of the velocity `[nv]`.
    pub white: usize,
    /// Work: white velocity at the start of the substep `[nv]`.
    pub white_before: usize,
    /// Work: poses of the geoms, position then rotation `[12 geoms]`.
    pub placed: usize,
    /// Work: geometry of the contacts.
    pub contact: usize,
    /// Work: a dense row triple `[3 nv]`.
    pub dense: usize,
    /// Work: corners of two faces, where convex shapes meet.
    pub faces: usize,
    /// Work: numbers of the constraints.
    pub working: usize,
    /// Numbers of the memory.
    pub memory_len: usize,

    /// Integer memory: how many constraints act, then which: ties, contacts, torsional friction.
    pub acting: usize,
    /// Integer memory: how many of them are ties.
    pub tied: usize,
    /// Integer memory: how many contacts acted in the last substep, then which.
    pub acted: usize,
    /// Integers of the memory.
    pub counts_len: usize,

    /// Parameter: gravity `[3]` \[m/s²\].
    pub p_gravity: usize,
    /// Parameter: mass, centre of mass, central inertia of each link `[10 links]`.
    pub p_inertia: usize,
    /// Parameter: moment about the centre of mass and force on each link, world axes `[6 links]`.
    pub p_wrench: usize,
    /// Parameter: rotor inertia of each degree of freedom `[nv]`.
    pub p_armature: usize,
    /// Parameter: gains and strength of each actuator `[4 nu]`.
    pub p_actuator: usize,
    /// Parameter: factor on all friction `[1]`.
    pub p_friction: usize,
    /// Whether any height field is fixed to the world.
    pub has_terrain: bool,
    /// Parameter: shift of the height fields that are fixed to the world `[3]` \[m\], where there is one.
    pub p_terrain: usize,
    /// Parameter: how many control steps each actuator's control is late `[nu]`; only where controls may be late.
    pub p_delay: usize,
    /// Numbers of each environment's parameters.
    pub parameters_len: usize,
}

impl Plan {
    /// See [`StepOptions::centred`].
    pub fn centred(&self) -> bool {
        self.options.centred()
    }

    /// Lays out a model.
    ///
    /// # Errors
    /// [`BuildError`] names the first element that cannot be stepped.
    pub fn new(model: &RobotModel, options: StepOptions) -> Result<Self, BuildError> {
        Self::with_task(model, options, TaskRows::default())
    }

    /// Lays out the rows of a model alone: state, output and controls, without any physics. The controls are a part of
    /// the output.
    pub fn rows(model: &RobotModel, task: TaskRows) -> Self {
        let (nv, nu, nb) = (model.num_dofs(), model.actuators.len(), model.bodies.len());
        let ns = model.num_sensor_values();
        let mut memory = Places::default();
        let mut plan = Self {
            num_qpos: model.num_qpos(),
            num_bodies: nb,
            qpos: memory.take(model.num_qpos()),
            qvel: memory.take(nv),
            physics_state_len: model.num_qpos() + nv,
            task_state: memory.take(task.state),
            state_len: memory.0,
            fault: memory.take(1),
            body_position: memory.take(3 * nb),
            body_rotation: memory.take(4 * nb),
            body_linear: memory.take(3 * nb),
            body_angular: memory.take(3 * nb),
            actuator_force: memory.take(nu),
            contact_force: memory.take(3 * nb),
            sensed: memory.take(ns),
            control: memory.take(nu),
            physics_output_len: 1 + 16 * nb + 2 * nu + ns,
            task_output: memory.take(task.output),
            input: memory.take(task.input),
            input_len: task.input,
            task_work: memory.take(task.work),
            // Parameters are the physics'; a block has one row of them at least.
            parameters_len: 1,
            ..Self::default()
        };
        plan.output_len = plan.physics_output_len + task.output;
        plan.memory_len = memory.0;
        plan
    }

    /// Lays out a model and the rows of a task.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn with_task(model: &RobotModel, options: StepOptions, task: TaskRows) -> Result<Self, BuildError> {
        let links = Links::new(model);
        check(model, &links)?;
        let mut tables = Tables::default();
        let (mut state, mut rows) = (Places::default(), Places::default());
        let nv = model.num_dofs();
        let nu = model.actuators.len();
        let (nl, nb) = (links.links.len(), model.bodies.len());

        let (link_table, joints, dofs, mass_len) = tree::add(&mut tables, model, &links);
        let (actuators, tendons, filters) = actuators::add(&mut tables, model, &links, options.substep());
        let qpos = state.take(model.num_qpos());
        let qvel = state.take(nv);
        let free = model.joints.iter().filter(|joint| joint.kind == JointKind::Free).count();
        let remainder = state.take(3 * free);
        let centred = options.centred();
        let gain = if centred { state.take(nv) } else { 0 };
        let activation = state.take(filters);
        let impulses = state.0;
        let contacts = contacts::add(&mut tables, &mut rows, &mut state, model, &links, &options)?;
        let data_of = contacts.data_of;
        let rays = rays::add(&mut tables, model, &links, &|geom| data_of[geom])?;
        let (num_contacts, num_touches) = (contacts.num_contacts, contacts.items.len());
        let mut items = contacts.items;
        let ties = ties::add(&mut tables, &mut rows, &mut state, model, &links, &options, &mut items);
        let num_items = items.len();
        let physics_state_len = state.0;
        let task_state = state.take(task.state);
        // Last, so that the places of all others do not depend on the longest delay.
        let heard = state.take(options.max_delay.min(1));
        let late = state.take(if options.max_delay > 0 { (options.max_delay + 1) * nu } else { 0 });

        let searched = contacts.routines.iter().any(|&(a, b, ..)| crate::step::needs_scratch(a, b));
        let faces_len = if searched { crate::collide::manifold::SCRATCH } else { 0 };
        let has_terrain = model.geoms.iter().any(|geom| contacts::is_terrain(&links, geom));
        let mut memory = Places(state.0);
        let mut parameters = Places::default();
        let mut plan = Self {
            options,
            links: link_table,
            bodies: tables.add(&bodies::records(model, &links)),
            joints,
            dofs,
            actuators,
            tendons,
            geoms: contacts.geoms,
            pairs: contacts.pairs,
            routines: contacts.routines,
            sensors: Table::default(),
            num_accelerometers: sensors::num_accelerometers(model),
            num_wrenches: sensors::num_wrenches(model),
            strains: sensors::strains(model),
            rays,
            springs: tables.add(&springs::records(model)),
            items: Table::default(),
            num_contacts,
            num_touches,
            ties,
            notes: [notes::notes(model, &options), contacts.notes].concat(),
            contact_geoms: contacts.geoms_of,
            num_qpos: model.num_qpos(),
            num_bodies: model.bodies.len(),
            qpos,
            qvel,
            remainder,
            gain,
            activation,
            impulses,
            physics_state_len,
            task_state,
            heard,
            late,
            state_len: state.0,
            input: 0,
            input_len: 0,
            control: memory.take(nu),
            fault: memory.take(1),
            body_position: memory.take(3 * nb),
            body_rotation: memory.take(4 * nb),
            body_linear: memory.take(3 * nb),
            body_angular: memory.take(3 * nb),
            actuator_force: memory.take(nu),
            contact_force: memory.take(3 * nb),
            sensed: memory.take(model.num_sensor_values()),
            task_output: memory.take(task.output),
            physics_output_len: 1 + 16 * nb + nu + model.num_sensor_values(),
            output_len: 1 + 16 * nb + nu + model.num_sensor_values() + task.output,
            task_work: memory.take(task.work),
            contact_impulse: memory.take(3 * nb),
            touch_len: if sensors::feels(model) { nb } else { 0 },
            touch: 0,
            wrench: 0,
            strain: 0,
            drive_sum: 0,
            kept: 0,
            remembered: 0,
            rotation: memory.take(9 * nl),
            position: memory.take(3 * nl),
            origin: memory.take(3 * links.num_trees),
            motion: memory.take(6 * nv),
            velocity: memory.take(6 * nl),
            acceleration: memory.take(6 * nl),
            force: memory.take(6 * nl),
            inertia: memory.take(10 * nl),
            mass: memory.take(mass_len),
            mass_len,
            inverse: memory.take(nv),
            tau: memory.take(nv),
            bias: memory.take(if centred { nv } else { 0 }),
            drive: memory.take(nv),
            drive_stiffness: memory.take(nv),
            drive_damping: memory.take(nv),
            middle: if centred { memory.take(nv) } else { qvel },
            white: memory.take(nv),
            white_before: memory.take(nv),
            dense: memory.take(3 * nv),
            placed: memory.take(12 * contacts.geoms.len),
            contact: memory.take(item::NUM_GEOMETRY * num_contacts),
            faces: memory.take(faces_len),
            working: memory.take(item::NUM_WORKING * num_items),
            memory_len: 0,
            acting: 0,
            tied: num_items + 1,
            acted: num_items + 2,
            counts_len: num_items + 3 + num_contacts,
            p_gravity: parameters.take(3),
            p_inertia: parameters.take(10 * nl),
            p_wrench: parameters.take(6 * nl),
            p_armature: parameters.take(nv),
            p_actuator: parameters.take(actuator::NUM_PARAMETERS * nu),
            p_friction: parameters.take(1),
            has_terrain,
            p_terrain: parameters.take(if has_terrain { 3 } else { 0 }),
            p_delay: parameters.take(if options.max_delay > 0 { nu } else { 0 }),
            parameters_len: parameters.0,
            ints: Vec::new(),
            reals: Vec::new(),
        };
        (plan.input, plan.input_len) = match task.input {
            0 => (plan.control, nu),
            len => (memory.take(len), len),
        };
        if !centred {
            plan.gain = memory.take(nv);
        }
        plan.touch = memory.take(plan.touch_len);
        plan.remembered = memory.take(3 * plan.num_accelerometers);
        plan.wrench = memory.take(6 * plan.num_wrenches);
        let strained = if plan.strains { nv } else { 0 };
        plan.strain = memory.take(strained);
        plan.drive_sum = memory.take(strained);
        plan.kept = memory.take(if plan.strains { mass_len + 2 * nv } else { 0 });
        let torsions: Vec<usize> =
            items[num_contacts..num_touches].iter().map(|(ints, _)| ints[item::EXTRA]).collect();
        let from = sensors::Sources {
            drive_sum: plan.drive_sum,
            strain: plan.strain,
            wrench: plan.wrench,
            substeps: options.decimation * options.substeps,
            contact_geoms: &plan.contact_geoms,
            torsions: &torsions,
            qpos,
            qvel,
            actuator_force: plan.actuator_force,
            contact_force: plan.contact_force,
            touch: plan.touch,
            time: options.timestep * options.decimation as f64,
        };
        plan.sensors = sensors::add(&mut tables, model, &links, &from, &rays);
        let first_row = memory.take(rows.0);
        for (ints, _) in &mut items {
            ints[item::ROWS] += first_row;
        }
        plan.items = tables.add(&items);
        plan.memory_len = memory.0;
        plan.ints = tables.ints;
        plan.reals = tables.reals;
        parameters::weigh_constraints(&mut plan, model);
        Ok(plan)
    }
}

fn check(model: &RobotModel, links: &Links) -> Result<(), BuildError> {
    for body in &model.bodies {
        let joints = &model.joints[body.joints.clone()];
        let free = joints.iter().any(|j| j.kind == JointKind::Free);
        if free && (joints.len() > 1 || links.of_body[body.parent] != 0) {
            return Err(BuildError {
                element: format!("body `{}`", body.name),
                feature: "a free joint beside other joints or below a moving body".to_owned(),
            });
        }
    }
    Ok(())
}
