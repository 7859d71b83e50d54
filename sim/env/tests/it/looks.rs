//! Randomised looks: within their ranges, by environment and episode alone, and nothing to the physics.

use keiko_env::{EnvOptions, Moment, Renderer, TaskEnv, VecEnv};
use keiko_model::TaskSpec;
use keiko_model::compose::NUM_FINISHES;
use keiko_model::imager::ColorSensor;
use keiko_world::looks::LampLook;
use keiko_world::{BatchState, Looks};

use crate::common::{actions, options, scene};

const TERMS: [&str; 10] = [
    "randomize.place={ term = \"camera_pose\", position = [-0.02, 0.03], rotation = [-0.1, 0.05] }",
    "randomize.zoom={ term = \"focal_length\", factor = [0.8, 1.3] }",
    "randomize.sun={ term = \"sun\", azimuth = [-3.0, 3.0], elevation = [0.3, 1.2], brightness = [0.5, 1.0], tint = [0.9, 1.1] }",
    "randomize.sky={ term = \"sky\", brightness = [0.5, 1.5] }",
    "randomize.cart_color={ term = \"color\", bodies = [\"cart\"], offset = [-0.3, 0.3] }",
    "randomize.pole_color={ term = \"color\", bodies = [\"pole\", \"world\"], offset = [0.1, 0.2], alike = true }",
    "randomize.stuff={ term = \"material\", bodies = [\"pole\"], materials = [\"red\", \"bare\", \"tin\"] }",
    "randomize.shine={ term = \"finish\", bodies = [\"cart\", \"world\"], roughness = [0.2, 0.8] }",
    "randomize.aperture={ term = \"exposure\", factor = [0.5, 1.5] }",
    "randomize.torch={ term = \"lamp\", lamps = [\"torch\"], position = [-0.4, 0.2], brightness = [0.6, 1.4] }",
];
const LAMPS: &str =
    "lamps=[{ name = \"still\", position = [0, 0, 2] }, { name = \"torch\", position = [1, 0, 2] }]";
const MATERIALS: &str = "materials=[{ name = \"red\", rgba = [0.5, 0.0, 0.0, 1.0] }, { name = \"bare\" }, \
                         { name = \"tin\", finish = { roughness = 0.3, metallic = 1.0 } }]";

/// The cartpole in short episodes, seen by a camera.
fn task(terms: &[&str]) -> TaskSpec {
    let eye =
        "observe.policy.eye={ term = \"camera\", camera = \"side\", channels = [\"grey\"], size = [1, 1] }";
    let mut task = scene("cartpole", &[&[eye, "episode.seconds=0.4", MATERIALS, LAMPS], terms].concat());
    task.cameras[0].color_sensor = Some(ColorSensor::default());
    task
}

fn env(terms: &[&str], num_envs: usize, first_env: u32) -> TaskEnv {
    TaskEnv::new(&task(terms), &EnvOptions { first_env, ..options(num_envs, 5) }).unwrap()
}

#[test]
fn looks_are_within_their_ranges_and_fill_them() {
    const NUM_ENVS: usize = 400;
    let env = env(&TERMS, NUM_ENVS, 0);
    let model = &env.scene().model;
    let looks = env.looks();
    assert_eq!(looks.cameras.len(), NUM_ENVS * model.cameras.len());
    let check = |what: &str, values: Vec<f64>, [low, high]: [f64; 2]| {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let near = 0.05 * (high - low);
        assert!(least >= low - 1e-6 && most <= high + 1e-6, "{what}: {least} to {most}");
        assert!(least < low + near && most > high - near, "{what}: {least} to {most}");
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let error = 5.0 * (high - low) / (12.0 * values.len() as f64).sqrt();
        assert!((mean - 0.5 * (low + high)).abs() < error, "{what}: mean {mean}");
    };
    for axis in 0..3 {
        check("shift", looks.cameras.iter().map(|look| look.shift[axis]).collect(), [-0.02, 0.03]);
        check("turn", looks.cameras.iter().map(|look| look.turn[axis]).collect(), [-0.1, 0.05]);
    }
    check("zoom", looks.cameras.iter().map(|look| look.zoom).collect(), [0.8, 1.3]);
    check("exposure", looks.cameras.iter().map(|look| look.exposure).collect(), [0.5, 1.5]);
    check("azimuth", looks.lights.iter().map(|look| look.azimuth.unwrap()).collect(), [-3.0, 3.0]);
    check("elevation", looks.lights.iter().map(|look| look.elevation.unwrap()).collect(), [0.3, 1.2]);
    let (still, torch): (Vec<_>, Vec<_>) = looks.lamps.iter().enumerate().partition(|(at, _)| at % 2 == 0);
    assert!(still.len() == NUM_ENVS && still.iter().all(|(_, look)| **look == LampLook::default()));
    for axis in 0..3 {
        check("place of a lamp", torch.iter().map(|(_, look)| look.shift[axis]).collect(), [-0.4, 0.2]);
    }
    check("lamp", torch.iter().map(|(_, look)| f64::from(look.factor[1])).collect(), [0.6, 1.4]);
    assert!(looks.lights.iter().all(|look| look.sky_factor[0] == look.sky_factor[1]), "no tint");
    check("sky", looks.lights.iter().map(|look| f64::from(look.sky_factor[2])).collect(), [0.5, 1.5]);
    assert!(looks.lights.iter().all(|look| look.sun_factor.iter().all(|f| (0.45..=1.1).contains(f))));
    assert!(looks.lights.iter().any(|look| (look.sun_factor[0] - look.sun_factor[1]).abs() > 0.02));

    let body = |name: &str| model.bodies.iter().position(|body| body.name == name).unwrap();
    let [cart, pole] = ["cart", "pole"].map(body);
    let material = |env: usize, geom: usize| looks.materials[env * model.geoms.len() + geom];
    let red = model.materials.iter().position(|material| material.name == "red");
    // What it is painted over.
    let base = |env: usize, geom: usize| match red.filter(|_| material(env, geom) == red) {
        Some(red) => model.materials[red].rgba.unwrap(),
        None => model.geoms[geom].rgba,
    };
    let change = |env: usize, geom: usize, k: usize| {
        f64::from(looks.colors[env * model.geoms.len() + geom][k] - base(env, geom)[k])
    };
    for (geom, of) in model.geoms.iter().enumerate() {
        for k in 0..3 {
            for env in 0..NUM_ENVS {
                let room = |offset: [f64; 2]| {
                    let c = f64::from(base(env, geom)[k]);
                    offset.map(|x| (c + x).clamp(0.0, 1.0) - c)
                };
                let range = if of.body == cart { room([-0.3, 0.3]) } else { room([0.1, 0.2]) };
                let x = change(env, geom, k);
                assert!(x >= range[0] - 1e-6 && x <= range[1] + 1e-6, "{}: {x} of {range:?}", of.name);
            }
            assert!(of.body == cart || of.body == pole || of.body == 0);
        }
        // How often each material was drawn.
        let mut counts = std::collections::BTreeMap::new();
        (0..NUM_ENVS).for_each(|env| *counts.entry(material(env, geom).unwrap()).or_insert(0) += 1);
        let names: Vec<&str> = counts.keys().map(|k| model.materials[*k].name.as_str()).collect();
        if of.body == pole {
            assert_eq!(names, ["red", "bare", "tin"]);
        } else {
            assert_eq!(names.len(), NUM_FINISHES, "{names:?}");
            let roughness = counts.keys().map(|k| model.materials[*k].finish.unwrap().roughness);
            assert!(roughness.clone().all(|r| (0.2..=0.8).contains(&r)) && roughness.sum::<f64>() > 7.5);
        }
        let even = NUM_ENVS as f64 / names.len() as f64;
        assert!(counts.values().all(|n| (f64::from(*n) - even).abs() < 5.0 * even.sqrt()), "{counts:?}");
    }
    assert!((0..model.geoms.len()).any(|geom| model.geoms[geom].body == pole));
}

#[test]
fn an_environments_looks_are_its_own_and_change_nothing_else() {
    let mut batch = env(&TERMS, 6, 0);
    let mut plain = env(&[], 6, 0);
    let mut alone: Vec<TaskEnv> = (0..6).map(|i| env(&TERMS, 1, i)).collect();
    assert!(batch.looks_vary() && !plain.looks_vary() && plain.looks() == Looks::default());
    let num_geoms = batch.scene().model.geoms.len();
    let (mut seen, mut ends) = (Vec::new(), 0);
    for step in 0..50 {
        let looks = batch.looks();
        for (i, alone) in alone.iter().enumerate() {
            let own = alone.looks();
            assert_eq!((own.cameras[0], own.lights[0]), (looks.cameras[i], looks.lights[i]));
            assert_eq!(own.lamps, &looks.lamps[2 * i..2 * (i + 1)]);
            assert_eq!(own.colors, &looks.colors[i * num_geoms..(i + 1) * num_geoms]);
            assert_eq!(own.materials, &looks.materials[i * num_geoms..(i + 1) * num_geoms]);
            if !seen.contains(&own.cameras[0].zoom.to_bits()) {
                seen.push(own.cameras[0].zoom.to_bits());
            }
        }
        assert_eq!(seen.len(), 6 + ends, "a draw for each episode");
        batch.step(&actions(&batch, step, 0));
        plain.step(&actions(&plain, step, 0));
        alone.iter_mut().enumerate().for_each(|(i, alone)| alone.step(&actions(alone, step, i)));
        ends += batch.output().episodes.len();
        assert_eq!(batch.output(), plain.output(), "the physics and all numbers are the same");
    }
    assert!(ends > 6, "{ends}");

    let saved = batch.save().unwrap();
    let mut resumed = env(&TERMS, 6, 0);
    resumed.load(&saved).unwrap();
    assert_eq!(resumed.looks(), batch.looks());
}

/// Shows how a camera is drawn.
struct Zoom {
    dressed: Looks,
    pixels: Vec<f32>,
}

impl Renderer for Zoom {
    fn dress(&mut self, looks: &Looks) -> Result<(), String> {
        self.dressed = looks.clone();
        Ok(())
    }

    fn render(&mut self, _: &BatchState, _: &[Moment]) -> Result<(), String> {
        self.pixels = self.dressed.cameras.iter().map(|look| look.zoom as f32).collect();
        Ok(())
    }

    fn pixels(&self, _: usize) -> &[f32] {
        &self.pixels
    }
}

#[test]
fn the_last_image_of_an_episode_has_the_looks_of_that_episode() {
    const IMAGE: usize = 4;
    let mut env = env(&TERMS, 5, 0);
    env.see_with(Box::new(Zoom { dressed: Looks::default(), pixels: Vec::new() }));
    let zooms = |env: &TaskEnv| env.looks().cameras.iter().map(|look| look.zoom as f32).collect::<Vec<_>>();
    let mut before = zooms(&env);
    let mut ends = 0;
    for step in 0..60 {
        env.step(&actions(&env, step, 0));
        let now = zooms(&env);
        let output = env.output();
        for i in 0..5 {
            assert_eq!(output.final_observations[0].get(IMAGE, i), before[i], "step {step}");
            assert_eq!(output.observations[0].get(IMAGE, i), now[i], "step {step}");
            let ended = output.terminated[i] || output.truncated[i];
            assert_eq!(ended, before[i] != now[i]);
            ends += usize::from(ended);
        }
        before = now;
    }
    assert!(ends > 10 && env.failure().is_none());
}

#[test]
fn mistakes_in_looks_are_named_with_their_place() {
    for (term, reason) in [
        ("camera_pose\", cameras = [\"sid\"]", "did you mean `side`?"),
        ("camera_pose\", position = [1.0, 0.0]", "the range [1, 0] is empty"),
        ("focal_length\", factor = [0.0, 1.0]", "a factor is not over 0"),
        ("sun\", elevation = [-0.1, 0.5]", "the sun is not above the horizon"),
        ("sky\", brightness = [-1.0, 1.0]", "a factor is not over 0"),
        ("color\", bodies = [\"crat\"], offset = [0.0, 0.1]", "did you mean `cart`?"),
        ("material\", bodies = [\"cart\"], materials = [\"tim\"]", "did you mean `tin`?"),
        ("finish\", bodies = [\"cart\"]", "the finish has no range"),
        ("finish\", bodies = [\"cart\"], metallic = [0.5, 1.5]", "a share is not from 0 to 1"),
        ("exposure\", factor = [0.0, 1.0]", "a factor is not over 0"),
        ("lamp\", lamps = [\"trch\"]", "did you mean `torch`?"),
    ] {
        let text = format!("randomize.x={{ term = \"{term} }}");
        let error = TaskEnv::new(&task(&[&text]), &options(1, 0)).err().unwrap().to_string();
        assert!(error.contains(reason) && error.contains("randomize.x"), "{term}: {error}");
    }
    let mut perfect = task(&["randomize.x={ term = \"exposure\", factor = [0.5, 1.0] }"]);
    perfect.cameras[0].color_sensor = None;
    let error = TaskEnv::new(&perfect, &options(1, 0)).err().unwrap().to_string();
    assert!(error.contains("has no `color_sensor`"), "{error}");
    let mut task = task(&["randomize.x={ term = \"focal_length\", factor = [0.1, 1.0] }"]);
    task.cameras[0].lens =
        keiko_model::lens::Lens::BrownConrady { k1: -0.3, k2: 0.0, p1: 0.0, p2: 0.0, k3: 0.0 };
    let error = TaskEnv::new(&task, &options(1, 0)).err().unwrap().to_string();
    assert!(error.contains("has no ray"), "{error}");
}
