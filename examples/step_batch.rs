//! Physics without a task: 64 pendulums with different starts, stepped together; energy is what it was.

use keiko::prelude::*;
use keiko::world::{EnvParameters, PhysicsOptions};

const PENDULUM: &str = r#"
<mujoco>
  <worldbody>
    <body pos="0 0 2">
      <joint name="hinge" type="hinge" axis="0 1 0"/>
      <geom type="sphere" size="0.05" pos="0 0 -1" mass="1"/>
    </body>
  </worldbody>
</mujoco>"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::temp_dir().join(format!("keiko-pendulum-{}.xml", std::process::id()));
    std::fs::write(&file, PENDULUM)?;
    let model = import::load(&file, &import::ImportOptions::default())?.model;
    std::fs::remove_file(&file)?;

    let num_envs = 64;
    let options = PhysicsOptions { timestep: 0.002, decimation: 10, ..PhysicsOptions::default() };
    let mut physics = RapierExecutor::new(&model, num_envs, options)?;
    let mut state = BatchState::new(&model, num_envs);

    // Fields are [rows, num_envs]: one row of starting angles, one row of zero velocities.
    let mut qpos = Field::zeros(model.num_qpos(), num_envs);
    for (env, angle) in qpos.row_mut(0).iter_mut().enumerate() {
        *angle = 0.02 * (env + 1) as f32;
    }
    let qvel = Field::zeros(model.num_dofs(), num_envs);
    physics.reset(
        &vec![true; num_envs],
        &qpos,
        &qvel,
        &EnvParameters::identity(&model, num_envs),
        &mut state,
    );

    // Energy about the hinge [J]; the inertia is that of a sphere of radius 0.05 m at 1 m.
    let inertia = 1.0 + 0.4 * 0.05 * 0.05;
    let energy = |state: &BatchState, env| {
        let (angle, speed) = (state.qpos.get(0, env), state.qvel.get(0, env));
        0.5 * inertia * speed * speed - 9.81 * angle.cos()
    };
    let before: Vec<f32> = (0..num_envs).map(|env| energy(&state, env)).collect();
    let ctrl = Field::zeros(model.actuators.len(), num_envs);
    for _ in 0..500 {
        assert!(physics.step(&ctrl, &mut state).is_empty(), "no environment breaks");
    }
    for (env, before) in before.iter().enumerate() {
        let drift = (energy(&state, env) - before).abs();
        assert!(drift < 0.01 * 9.81, "environment {env}: energy is off by {drift} J after 10 s");
    }
    println!("64 pendulums kept their energy for 10 s");
    Ok(())
}
