//! What an episode draws acts on its physics by the size that was drawn.

use keiko_env::{TaskEnv, VecEnv};
use keiko_model::TaskSpec;
use keiko_model::compose::Scene;
use keiko_world::Field;
use keiko_world::verify::read;

use crate::common::{options, repository};

/// A brick of 2 kg that floats, over hills of up to 0.4 m.
const BRICK: &str = r#"
<mujoco>
  <option gravity="0 0 0"/>
  <asset><hfield name="hills" nrow="3" ncol="4" size="3 2 0.4 0.1" elevation="0 1 2 1  3 1 0 2  2 2 1 4"/></asset>
  <worldbody>
    <geom name="hills" type="hfield" hfield="hills" pos="0.1 0 0.2"/>
    <body name="brick" pos="0 0 5"><freejoint/><geom type="box" size=".3 .2 .1" mass="2"/></body>
    <body name="fan" pos="0 0 9"><joint name="fan"/><geom type="sphere" size=".1" contype="0" conaffinity="0"/></body>
  </worldbody>
  <actuator><motor joint="fan" ctrlrange="-1 1"/></actuator>
</mujoco>"#;

fn task(randomize: &str) -> TaskSpec {
    let text = format!(
        "name = \"brick\"\n[robot]\nfile = \"brick.xml\"\n[physics]\ntimestep = 0.001\n\
         [observe.policy]\nv = {{ term = \"qvel\" }}\n[randomize]\n{randomize}"
    );
    let path = repository().join("scenes/brick/scene.toml");
    TaskSpec::parse(&text, &path, &[]).unwrap_or_else(|error| panic!("{error}"))
}

fn env(randomize: &str, num_envs: usize) -> TaskEnv {
    let spec = task(randomize);
    let scene = Scene::compose(&spec, read(BRICK).unwrap()).unwrap();
    TaskEnv::with_scene(&spec, scene, &options(num_envs, 3)).unwrap_or_else(|error| panic!("{error}"))
}

fn idle(env: &mut TaskEnv, steps: usize) {
    for _ in 0..steps {
        env.step(&Field::zeros(1, env.spec().num_envs));
    }
}

#[test]
fn gravity_and_wrenches_are_drawn_in_their_range_and_act() {
    let mut env = env(
        "gravity = { term = \"gravity\", z = [-4.0, -1.0] }\n\
         mass = { term = \"mass\", factor = [0.5, 2.0] }\n\
         pull = { term = \"wrench\", bodies = [\"brick\"], force = [-2.0, 2.0] }\n",
        16,
    );
    idle(&mut env, 20);
    let p = env.parameters();
    for i in 0..16 {
        let mass = 2.0 * p.mass_scale.get(1, i);
        let force: Vec<f32> = (6..9).map(|row| p.wrench.get(row, i)).collect();
        assert!((-4.0..=-1.0).contains(&p.gravity.get(2, i)) && (0.5..=2.0).contains(&(mass / 2.0)));
        assert!(force.iter().all(|f| f.abs() <= 2.0) && force[0] != force[1]);
        for (k, force) in force.iter().enumerate() {
            // 20 control steps of 10 ms.
            let expected = 0.2 * (p.gravity.get(k, i) + force / mass);
            let found = env.state().qvel.get(k, i);
            assert!((found - expected).abs() < 1e-4, "{found}, expected {expected}");
        }
    }
    assert!(p.gravity.row(2).windows(2).all(|w| w[0] != w[1]));
}

#[test]
fn a_force_push_gives_its_impulse_and_ends() {
    let push = "push = { term = \"force_push\", interval = [0.1, 0.1], duration = [0.05, 0.05], \
                force = [8.0, 8.0] }\n";
    let mut whole = env(push, 2);
    let mut halves = env(push, 2);
    let speed = |env: &TaskEnv| env.state().qvel.get(0, 1).hypot(env.state().qvel.get(1, 1));
    for step in 1..=15 {
        idle(&mut whole, 1);
        // 10 steps of rest, then 5 of 8 N on 2 kg: 0.04 m/s in each.
        let expected = 0.04 * f32::from(u8::try_from(step.clamp(10, 15) - 10).unwrap());
        assert!((speed(&whole) - expected).abs() < 1e-4, "step {step}: {}, {expected}", speed(&whole));
    }
    let reached = whole.state().qvel.get(0, 1);
    let change = |env: &TaskEnv| (env.state().qvel.get(0, 1) - reached).abs();
    idle(&mut whole, 10);
    assert!(change(&whole) < 1e-5, "nothing acts until the next push: {}", change(&whole));
    idle(&mut whole, 5);
    assert!(change(&whole) > 1e-3, "the next push acts: {}", change(&whole));

    // Saved in the middle of a push, it goes on the same.
    idle(&mut halves, 12);
    let saved = halves.save().unwrap();
    let mut other = env(push, 2);
    idle(&mut other, 3);
    other.load(&saved).unwrap();
    idle(&mut other, 18);
    assert_eq!(other.state(), whole.state());
}

#[test]
fn the_terrain_of_an_environment_is_level_under_its_origin() {
    let env = env("terrain = { term = \"terrain\", x = [-2.0, 2.0], y = [-1.5, 1.5] }\n", 16);
    let p = env.parameters();
    let field = &env.scene().model.height_fields[0];
    for i in 0..16 {
        let [x, y, z] = [0, 1, 2].map(|k| -f64::from(p.terrain.get(k, i)));
        let height = 0.2 + field.height_at(x - 0.1, y).unwrap();
        assert!((z - height).abs() < 1e-5, "{z}, {height}");
    }
    assert!(p.terrain.row(2).windows(2).any(|w| w[0] != w[1]));
}

#[test]
fn the_height_of_a_field_is_that_of_its_triangles() {
    let model = read(BRICK).unwrap();
    let field = &model.height_fields[0];
    // The first row of the file is that of most y; MuJoCo scales the highest to 0.4 m. Corners of the cell from (-1, 0) to
    // (1, 2): 1 and 0 below, 1 and 2 above.
    let unit = 0.1;
    for (x, y, expected) in [
        (-1.0, 0.0, 1.0),
        (1.0, 2.0, 2.0),
        (0.0, 1.0, 1.5),
        (0.5, 0.5, 0.75),
        (-0.5, 1.5, 1.25),
        (-3.0, -2.0, 2.0),
        (3.0, -2.0, 4.0),
    ] {
        let found = field.height_at(x, y).unwrap();
        assert!((found - unit * expected).abs() < 1e-6, "({x}, {y}): {found}");
    }
    assert_eq!(field.height_at(3.1, 0.0), None);
}

#[test]
fn what_cannot_be_drawn_is_refused_by_place() {
    let spec = task("ground = { term = \"terrain\" }\n");
    let scene = Scene::compose(
        &spec,
        read(&BRICK.replace("type=\"hfield\" hfield=\"hills\"", "type=\"sphere\" size=\"1\"")).unwrap(),
    );
    let error = TaskEnv::with_scene(&spec, scene.unwrap(), &options(1, 0)).err().map(|e| e.to_string());
    assert!(error.as_ref().is_some_and(|e| e.contains("the world has no height field")), "{error:?}");
    let spec = task(
        "push = { term = \"force_push\", interval = [0.1, 1.0], duration = [0.0, 1.0], force = [1.0, 1.0] }\n",
    );
    let scene = Scene::compose(&spec, read(BRICK).unwrap());
    let error = TaskEnv::with_scene(&spec, scene.unwrap(), &options(1, 0)).err().map(|e| e.to_string());
    assert!(error.as_ref().is_some_and(|e| e.contains("the time is not over 0")), "{error:?}");
}
