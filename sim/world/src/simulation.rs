//! A scene as an ECS world: entities for what people talk about, resources for the batch, a schedule for the step.

use std::sync::Arc;

use bevy_ecs::prelude::*;
use keiko_model::RobotModel;

use crate::components::{ActuatorRef, CameraRef, GeomRef, JointRef, Link, Robot, SensorRef, SiteRef};
use crate::executor::{BatchState, EnvParameters, Executor, Fault};
use crate::field::Field;
use crate::replay::ReplayRing;
use crate::schedule::{Control, Faults, Physics, ResetMask, control_step};

/// The model of the scene.
#[derive(Resource, Clone, Debug)]
pub struct Model(pub Arc<RobotModel>);

/// A world and its control step. Systems of others are added to [`Simulation::schedule`] in a
/// [`Phase`](crate::schedule::Phase).
pub struct Simulation {
    /// Entities and resources.
    pub world: World,
    /// The control step.
    pub schedule: Schedule,
}

impl Simulation {
    /// A world around an executor of the model, all environments at the reference configuration.
    pub fn new(model: Arc<RobotModel>, executor: Box<dyn Executor>) -> Self {
        let num_envs = executor.num_envs();
        let mut world = World::new();
        spawn_model(&mut world, &model);
        let mut qpos = Field::zeros(model.num_qpos(), num_envs);
        for (row, value) in model.reference_qpos().into_iter().enumerate() {
            qpos.row_mut(row).fill(value as f32);
        }
        let qvel = Field::zeros(model.num_dofs(), num_envs);
        world.insert_resource(BatchState::new(&model, num_envs));
        world.insert_resource(EnvParameters::identity(&model, num_envs));
        world.insert_resource(Control(Field::zeros(model.actuators.len(), num_envs)));
        world.insert_resource(Faults::default());
        world.insert_resource(ReplayRing::new(&model, num_envs));
        world.insert_resource(ResetMask { mask: vec![true; num_envs], qpos, qvel });
        world.insert_resource(Physics(executor));
        world.insert_resource(Model(model));
        let mut simulation = Self { world, schedule: control_step() };
        simulation.reset_marked();
        simulation
    }

    /// One control step under the controls in [`Control`]; returns what broke in it.
    pub fn step(&mut self) -> Vec<Fault> {
        self.run();
        self.world.resource::<Faults>().0.clone()
    }

    /// The same, for those who look at [`Faults`] themselves.
    pub fn run(&mut self) {
        self.schedule.run(&mut self.world);
    }

    /// Resets the environments marked in [`ResetMask`] now, outside a step.
    pub fn reset_marked(&mut self) {
        self.world.resource_scope(|world, mut physics: Mut<Physics>| {
            world.resource_scope(|world, mut reset: Mut<ResetMask>| {
                world.resource_scope(|world, mut state: Mut<BatchState>| {
                    let parameters = world.resource::<EnvParameters>();
                    physics.0.reset(&reset.mask, &reset.qpos, &reset.qvel, parameters, &mut state);
                });
                world.resource_mut::<ReplayRing>().reset(&reset.mask);
                reset.mask.fill(false);
            });
        });
    }

    /// The state of the batch.
    pub fn state(&self) -> &BatchState {
        self.world.resource::<BatchState>()
    }

    /// The controls of the next step.
    pub fn control_mut(&mut self) -> &mut Field {
        &mut self.world.resource_mut::<Control>().into_inner().0
    }
}

/// One entity for everything with a name, children below what carries them.
pub fn spawn_model(world: &mut World, model: &RobotModel) {
    let robot = world.spawn((Name::new(model.name.clone()), Robot)).id();
    let mut bodies: Vec<Entity> = Vec::with_capacity(model.bodies.len());
    for (index, body) in model.bodies.iter().enumerate() {
        let parent = if index == 0 { robot } else { bodies[body.parent] };
        let entity = world.spawn((Name::new(body.name.clone()), Link { body: index }, ChildOf(parent))).id();
        bodies.push(entity);
    }
    for (index, joint) in model.joints.iter().enumerate() {
        let part = JointRef { joint: index, qpos_index: joint.qpos_index, dof_index: joint.dof_index };
        world.spawn((Name::new(joint.name.clone()), part, ChildOf(bodies[joint.body])));
    }
    for (index, geom) in model.geoms.iter().enumerate() {
        world.spawn((Name::new(geom.name.clone()), GeomRef { geom: index }, ChildOf(bodies[geom.body])));
    }
    for (index, site) in model.sites.iter().enumerate() {
        world.spawn((Name::new(site.name.clone()), SiteRef { site: index }, ChildOf(bodies[site.body])));
    }
    for (index, camera) in model.cameras.iter().enumerate() {
        world.spawn((
            Name::new(camera.name.clone()),
            CameraRef { camera: index },
            ChildOf(bodies[camera.body]),
        ));
    }
    for (index, actuator) in model.actuators.iter().enumerate() {
        world.spawn((Name::new(actuator.name.clone()), ActuatorRef { actuator: index }, ChildOf(robot)));
    }
    let mut first_row = 0;
    for (index, sensor) in model.sensors.iter().enumerate() {
        let num_values = sensor.kind.size();
        let part = SensorRef { sensor: index, first_row, num_values };
        world.spawn((Name::new(sensor.name.clone()), part, ChildOf(robot)));
        first_row += num_values;
    }
}
