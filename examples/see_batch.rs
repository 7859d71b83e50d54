//! Cameras of a batch: 16 balls at different heights under one camera each; every depth image says how high its ball is.

use keiko::camera::{Backend, Channel, Tracer, TracerOptions};
use keiko::prelude::*;
use keiko::world::{EnvParameters, PhysicsOptions};

const BALL: &str = r#"
<mujoco>
  <worldbody>
    <geom type="plane" size="5 5 0.1"/>
    <camera name="above" pos="0 0 4" resolution="33 33" fovy="40"/>
    <body name="ball">
      <joint name="lift" type="slide" axis="0 0 1"/>
      <geom type="sphere" size="0.1" mass="1"/>
    </body>
  </worldbody>
</mujoco>"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::temp_dir().join(format!("keiko-ball-{}.xml", std::process::id()));
    std::fs::write(&file, BALL)?;
    let model = import::load(&file, &import::ImportOptions::default())?.model;
    std::fs::remove_file(&file)?;

    let num_envs = 16;
    let mut physics = RapierExecutor::new(&model, num_envs, PhysicsOptions::default())?;
    let mut state = BatchState::new(&model, num_envs);
    let mut qpos = Field::zeros(model.num_qpos(), num_envs);
    for (env, height) in qpos.row_mut(0).iter_mut().enumerate() {
        *height = 1.0 + 0.1 * env as f32;
    }
    let qvel = Field::zeros(model.num_dofs(), num_envs);
    let parameters = EnvParameters::identity(&model, num_envs);
    physics.reset(&vec![true; num_envs], &qpos, &qvel, &parameters, &mut state);

    // `Backend::Gpu` traces the same images in compute shaders.
    let tracer = Tracer::new(&Backend::Cpu, &model, num_envs, &TracerOptions::default())?;
    let cameras = tracer.group(&model.cameras, &[Channel::Rgb, Channel::Depth])?;
    tracer.pose(&state);
    tracer.render(&cameras);
    let images = tracer.read(&cameras)?;

    // Depth is [views, 1, height, width] in metres along the camera's axis; a view is env * cameras + camera.
    let depth = images.floats(Channel::Depth).ok_or("depth was asked for")?;
    let [width, height] = images.size.map(|side| side as usize);
    for env in 0..num_envs {
        let center = depth[env * width * height + height / 2 * width + width / 2];
        let expected = 4.0 - 0.1 - qpos.get(0, env);
        assert!((center - expected).abs() < 1e-3, "environment {env}: {center} m, not {expected} m");
    }
    println!("16 depth images tell the heights of 16 balls");
    Ok(())
}
