//! Observation terms that bring sensors of their own.

use keiko_env::{EnvOptions, TaskEnv, VecEnv};
use keiko_model::TaskSpec;
use keiko_model::compose::Scene;
use keiko_world::verify::read;
use keiko_world::{EngineChoice, Field};

use crate::common::{options, repository};

/// A hull of 4 kg on a leg of 1 kg with a servo, over hills.
const HOPPER: &str = r#"
<mujoco>
  <asset><hfield name="hills" nrow="3" ncol="4" size="3 2 0.4 0.1" elevation="0 1 2 1  3 1 0 2  2 2 1 4"/></asset>
  <worldbody>
    <geom name="hills" type="hfield" hfield="hills"/>
    <geom name="floor" type="plane" size="9 9 1" pos="0 0 -2"/>
    <body name="hull" pos="0 0 3"><freejoint/>
      <geom type="box" size=".3 .2 .1" mass="4"/>
      <site name="eye" pos="0 0 -0.2" euler="180 0 0"/>
      <body name="leg" pos="0 0 -0.1"><joint name="slide" type="slide" axis="0 0 1" range="-0.3 0.1"/>
        <geom type="box" size=".3 .3 .02" pos="0 0 -0.3" mass="1"/>
      </body>
    </body>
  </worldbody>
  <actuator><position name="slide" joint="slide" kp="2000" kv="60" ctrlrange="-0.3 0.1"/></actuator>
</mujoco>"#;

fn task(observe: &str, more: &str) -> TaskSpec {
    let text = format!(
        "name = \"hopper\"\n[robot]\nfile = \"hopper.xml\"\n[physics]\ntimestep = 0.002\n\
         [observe.policy]\n{observe}\n{more}"
    );
    let path = repository().join("scenes/hopper/scene.toml");
    TaskSpec::parse(&text, &path, &[]).unwrap_or_else(|error| panic!("{error}"))
}

fn build(spec: &TaskSpec, xml: &str, options: &EnvOptions) -> Result<TaskEnv, String> {
    let scene = Scene::compose(spec, read(xml).unwrap()).map_err(|error| error.to_string())?;
    TaskEnv::with_scene(spec, scene, options).map_err(|error| error.to_string())
}

#[test]
fn the_scan_of_a_random_terrain_is_its_height() {
    let spec = task(
        "scan = { term = \"height_scan\", counts = [3, 2], spacing = [0.5, 0.4], offset = [0.1, 0.0], reach = 9.0 }\n\
         down = { term = \"ray_distance\", frames = [\"eye\"], reach = 9.0 }\n\
         up = { term = \"ray_distance\", frames = [\"hull\"], reach = 2.5 }",
        "[observe.critic]\nscan = { term = \"height_scan\", counts = [3, 2], spacing = [0.5, 0.4], \
         offset = [0.1, 0.0], reach = 9.0 }\n\
         [randomize]\nground = { term = \"terrain\", x = [-1.0, 1.0], y = [-1.0, 1.0] }\n\
         turn = { term = \"base_pose\", yaw = [-3.0, 3.0] }\n",
    );
    for physics in [EngineChoice::Lanes, EngineChoice::Rapier] {
        // rapier's triangles meet along the other diagonals: on cells that are flat there is no difference.
        let flat = HOPPER.replace("0 1 2 1  3 1 0 2  2 2 1 4", "0 1 2 3  1 2 3 4  2 3 4 5");
        let xml = if matches!(physics, EngineChoice::Rapier) { flat.as_str() } else { HOPPER };
        let env = build(&spec, xml, &EnvOptions { physics: Some(physics), ..options(8, 5) }).unwrap();
        let model = &env.scene().model;
        assert_eq!(model.sensors.len(), 3, "both groups share one scan");
        let field = &model.height_fields[0];
        for i in 0..8 {
            let [ox, oy, oz] = [0, 1, 2].map(|k| f64::from(env.parameters().terrain.get(k, i)));
            let [qz, qw] = [5, 6].map(|row| f64::from(env.state().qpos.get(row, i)));
            let (sine, cosine) = (2.0 * qz * qw, 1.0 - 2.0 * qz * qz);
            let surface = |x: f64, y: f64| oz + field.height_at(x - ox, y - oy).unwrap();
            let observed: Vec<f32> = env.output().observations[0].column(i).collect();
            for (k, found) in observed[..6].iter().enumerate() {
                let (x, y) = (0.5 * (k % 3) as f64 - 0.4, 0.4 * (k / 3) as f64 - 0.2);
                let expected = 3.0 - surface(cosine * x - sine * y, sine * x + cosine * y);
                assert!((f64::from(*found) - expected).abs() < 2e-4, "{k}: {found}, {expected}");
            }
            // The leg's foot is 0.4 m below the hull, 0.18 m below the eye; and over the hull there is nothing.
            assert!((observed[6] - 0.18).abs() < 1e-4, "{}", observed[6]);
            assert_eq!(observed[7], 2.5);
            assert!(env.output().observations[1].column(i).eq(observed[..6].iter().copied()));
        }
    }
}

#[test]
fn forces_of_a_robot_at_rest_are_its_weight() {
    let spec = task(
        "torque = { term = \"joint_torque\" }\n\
         ground = { term = \"contact_wrench\", on = \"leg\", frame = \"world\" }\n\
         hills = { term = \"contact_wrench\", on = \"leg\", with = \"hills\" }\n\
         floor = { term = \"contact_wrench\", on = \"floor\", with = \"leg\", frame = \"leg\" }",
        "",
    );
    // The field lies deep below the floor here.
    let xml = HOPPER.replace(
        "hfield=\"hills\"/>\n    <geom name=\"floor\"",
        "hfield=\"hills\" pos=\"0 0 -9\"/>\n    <geom name=\"floor\"",
    );
    let mut env = build(&spec, &xml.replace("pos=\"0 0 3\"", "pos=\"0 0 -1.55\""), &options(2, 1)).unwrap();
    assert!(env.engine().starts_with("lanes"));
    for _ in 0..100 {
        env.step(&Field::zeros(1, 2));
    }
    let read: Vec<f32> = env.output().observations[0].column(1).collect();
    assert_eq!(read.len(), 1 + 3 * 6);
    let near = |found: f32, expected: f32| (found - expected).abs() < 0.2;
    // The servo pushes the leg down with what the hull weighs, the floor pushes it up with what both weigh: together that is
    // what the leg's own weight asks for.
    assert!(near(read[0], 9.81), "{read:?}");
    assert!(near(read[1], 0.0) && near(read[2], 0.0) && near(read[3], 5.0 * 9.81), "{read:?}");
    assert_eq!(read[7..13], [0.0; 6], "the hills are out of reach");
    assert!(near(read[15], -5.0 * 9.81), "what the leg does to the floor: {read:?}");
}

#[test]
fn terms_are_refused_by_name_and_place() {
    let refused = |observe: &str, physics: EngineChoice| {
        let spec = task(observe, "");
        build(&spec, HOPPER, &EnvOptions { physics: Some(physics), ..options(1, 0) })
            .err()
            .unwrap_or_default()
    };
    for (observe, parts) in [
        (
            "t = { term = \"joint_torque\", joints = [\"knee*\"] }",
            ["unknown joint `knee*`", "allowed: slide"],
        ),
        (
            "w = { term = \"contact_wrench\", on = \"leg\", with = \"flor\" }",
            ["body or geom `flor`", "did you mean `floor`?"],
        ),
        (
            "s = { term = \"height_scan\", body = \"hul\", counts = [1, 1], spacing = [1, 1] }",
            ["unknown body `hul`", "`hull`"],
        ),
        ("r = { term = \"ray_distance\", frames = [\"eyes\"] }", ["unknown site or body `eyes`", "`eye`"]),
        (
            "r = { term = \"ray_distance\", frames = [\"eye\"], axis = [0, 0, 0] }",
            ["scene.toml:", "has no length"],
        ),
    ] {
        let text = refused(observe, EngineChoice::Auto);
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    }
    let text = refused("t = { term = \"joint_torque\" }", EngineChoice::Rapier);
    assert!(
        text.contains("sensor `observe.policy.t`: the whole force on a joint is not supported"),
        "{text}"
    );
}
