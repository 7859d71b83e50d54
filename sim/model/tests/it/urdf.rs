//! URDF: what each element becomes, and every robot of a wheel that we did not write.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use glam::DVec3;
use keiko_model::import::{Import, ImportOptions, Verdict, load};
use keiko_model::kinematics::forward_kinematics;
use keiko_model::robot::{EqualityKind, JointKind, RobotModel, Shape, Transmission};
use keiko_testkit::{self as testkit, assert_all_close, assert_close, assert_close_relative};
use serde_json::{Value, json};

use crate::mesh::binary_stl;
use crate::support::{Random, folder};

fn import_with(name: &str, text: &str, options: &ImportOptions) -> Import {
    let path = folder(&format!("urdf_{name}")).join("robot.urdf");
    std::fs::write(&path, text).unwrap();
    load(&path, options).unwrap_or_else(|e| panic!("{e}"))
}

fn import(name: &str, text: &str) -> Import {
    import_with(name, text, &ImportOptions::default())
}

const INERTIAL: &str = "<inertial><mass value='2'/>\
    <inertia ixx='0.3' iyy='0.2' izz='0.2' ixy='0' ixz='0' iyz='0'/></inertial>";

fn link(name: &str) -> String {
    format!("<link name='{name}'>{INERTIAL}</link>\n")
}

fn joint(name: &str, kind: &str, parent: &str, child: &str, rest: &str) -> String {
    format!(
        "<joint name='{name}' type='{kind}'><parent link='{parent}'/><child link='{child}'/>{rest}</joint>\n"
    )
}

#[test]
fn joints_keep_what_other_readers_lose() {
    let limit = "<limit lower='-1' upper='2' effort='30' velocity='4'/>";
    let text = [
        "<robot name='all'>".to_owned(),
        ["base", "a", "b", "c", "d", "e"].map(link).concat(),
        joint(
            "turn",
            "revolute",
            "base",
            "a",
            &format!(
                "<origin xyz='1 2 3' rpy='0 0 1.5707963267948966'/><axis xyz='0 0 -2'/>{limit}<dynamics damping='0.5' friction='0.25'/>"
            ),
        ),
        joint("spin", "continuous", "a", "b", "<limit effort='0' velocity='0'/>"),
        joint("slide", "prismatic", "b", "c", &format!("<axis xyz='0 1 0'/>{limit}")),
        joint("follow", "continuous", "a", "d", "<mimic joint='turn' multiplier='-2' offset='0.5'/>"),
        joint("ball", "spherical", "d", "e", ""),
        "</robot>".to_owned(),
    ];
    let Import { model, report } = import("joints", &text.concat());
    let names: Vec<&str> = model.joints.iter().map(|j| j.name.as_str()).collect();
    assert_eq!(
        names,
        ["turn", "spin", "slide", "follow", "ball"],
        "depth first, in the order of the file's joints"
    );
    let turn = &model.joints[0];
    assert_eq!((turn.kind, turn.axis, turn.range), (JointKind::Revolute, -DVec3::Z, Some([-1.0, 2.0])));
    assert_eq!((turn.damping, turn.friction_loss), (0.5, 0.25));
    assert_eq!((turn.effort_range, turn.velocity_limit), (Some([-30.0, 30.0]), Some(4.0)));
    let spin = &model.joints[1];
    assert_eq!((spin.axis, spin.range, spin.effort_range, spin.velocity_limit), (DVec3::X, None, None, None));
    assert_eq!(model.joints[2].kind, JointKind::Prismatic);
    assert!(model.joints[3].mimic);
    assert_eq!(model.joints[4].kind, JointKind::Ball);
    assert_eq!(
        model.equalities[0].kind,
        EqualityKind::Joint { joint: 3, other: Some(0), polynomial: [0.5, -2.0, 0.0, 0.0, 0.0] }
    );
    // One motor for each driven scalar joint, bounded by its effort.
    let driven: Vec<&Transmission> = model.actuators.iter().map(|a| &a.transmission).collect();
    assert_eq!(driven, [0, 1, 2].map(|joint| Transmission::Joint { joint }).iter().collect::<Vec<_>>());
    assert_eq!(model.actuators[0].force_range, Some([-30.0, 30.0]));
    assert_eq!(model.actuators[1].force_range, None);
    let zero: Vec<_> = report.entries.iter().filter(|l| l.verdict == Verdict::Approximated).collect();
    assert_eq!(zero.len(), 2, "{report:?}");
    assert!(zero.iter().all(|loss| loss.reason.contains("0 is read as no limit")));
    assert_eq!(report.kept["joint"], 5);
}

#[test]
fn shapes_colours_and_contact_parameters() {
    let text = "<robot name='r'><material name='red'><color rgba='1 0 0 1'/></material><link name='l'>
        <visual name='shell'><origin xyz='0 0 1'/><geometry><box size='2 4 6'/></geometry><material name='red'/></visual>
        <visual><geometry><sphere radius='0'/></geometry></visual>
        <collision><geometry><cylinder radius='0.5' length='3'/></geometry></collision>
        <collision><geometry><capsule radius='0.5' length='3'/></geometry></collision>
        <collision><geometry><plane normal='1 0 0'/></geometry></collision>
        <contact><lateral_friction value='0.7'/><rolling_friction value='0.01'/><restitution value='0.5'/><stiffness value='1'/></contact>
        </link></robot>";
    let Import { model, report } = import("shapes", text);
    let [shell, cylinder, capsule, plane] = model.geoms.as_slice() else { panic!("{:?}", model.geoms) };
    assert_eq!(shell.shape, Shape::Box { half_size: DVec3::new(1.0, 2.0, 3.0) });
    assert_eq!((shell.name.as_str(), shell.rgba, shell.collides()), ("shell", [1.0, 0.0, 0.0, 1.0], false));
    assert_eq!(shell.pose.position, DVec3::Z);
    assert_eq!(cylinder.shape, Shape::Cylinder { radius: 0.5, half_length: 1.5 });
    assert_eq!((cylinder.name.as_str(), cylinder.contype, cylinder.conaffinity), ("l_collision_0", 1, 1));
    assert_eq!((cylinder.friction, cylinder.restitution), (DVec3::new(0.7, 0.005, 0.01), 0.5));
    assert!((0..=2).contains(&shell.group) && cylinder.group == 3);
    assert_eq!(capsule.shape, Shape::Capsule { radius: 0.5, half_length: 1.5 });
    assert_all_close(
        &(plane.pose.rotation * DVec3::Z).to_array(),
        &[1.0, 0.0, 0.0],
        1e-12,
        "normal of the plane",
    );
    let lost: Vec<&str> = report.entries.iter().map(|l| l.element.as_str()).collect();
    assert_eq!(lost, ["sphere", "stiffness"]);
}

#[test]
fn inertia_turns_to_principal_axes() {
    let text =
        "<robot name='r'><link name='l'><inertial><origin xyz='1 2 3' rpy='0.1 0.2 0.3'/><mass value='5'/>
        <inertia ixx='0.9' ixy='0.1' ixz='-0.05' iyy='0.8' iyz='0.02' izz='0.7'/></inertial></link></robot>";
    let inertial = import("inertia", text).model.bodies[1].inertial;
    assert_eq!((inertial.mass, inertial.pose.position), (5.0, DVec3::new(1.0, 2.0, 3.0)));
    // Back to six numbers in the frame of the inertial's origin: roll about x first, yaw about z last.
    let (sin, cos): (Vec<f64>, Vec<f64>) = [0.1_f64, 0.2, 0.3].iter().map(|a| a.sin_cos()).unzip();
    let rotate = |v: DVec3| {
        let v = DVec3::new(v.x, cos[0] * v.y - sin[0] * v.z, sin[0] * v.y + cos[0] * v.z);
        let v = DVec3::new(cos[1] * v.x + sin[1] * v.z, v.y, -sin[1] * v.x + cos[1] * v.z);
        DVec3::new(cos[2] * v.x - sin[2] * v.y, sin[2] * v.x + cos[2] * v.y, v.z)
    };
    let axes = [DVec3::X, DVec3::Y, DVec3::Z].map(|axis| inertial.pose.rotation.inverse() * rotate(axis));
    let entry = |i: usize, j: usize| (axes[i] * inertial.moments).dot(axes[j]);
    let found = [entry(0, 0), entry(0, 1), entry(0, 2), entry(1, 1), entry(1, 2), entry(2, 2)];
    assert_all_close(&found, &[0.9, 0.1, -0.05, 0.8, 0.02, 0.7], 1e-12, "inertia");
}

#[test]
fn the_base_is_fixed_floating_or_the_world() {
    let two = |root: &str| {
        format!(
            "<robot name='r'>{}{}{}</robot>",
            link(root),
            link("arm"),
            joint("j", "continuous", root, "arm", "")
        )
    };
    let fixed = import("fixed", &two("base")).model;
    assert_eq!((fixed.bodies.len(), fixed.num_dofs(), fixed.bodies[1].parent), (3, 1, 0));
    let world = import("world", &two("world")).model;
    assert_eq!((world.bodies.len(), world.num_dofs(), world.total_mass()), (2, 1, 2.0));
    let options = ImportOptions { floating_base: true, ..Default::default() };
    let floating = import_with("floating", &two("base"), &options).model;
    assert_eq!(floating.joints[0].kind, JointKind::Free);
    assert_eq!((floating.num_qpos(), floating.num_dofs(), floating.actuators.len()), (8, 7, 1));
    let inner = format!(
        "<robot name='r'>{}{}{}</robot>",
        link("base"),
        link("top"),
        joint("j", "floating", "base", "top", "<origin xyz='0 0 1'/>")
    );
    let inner = import("inner_floating", &inner).model;
    assert_eq!(
        (inner.bodies[2].parent, inner.bodies[2].pose.position, inner.joints[0].kind),
        (0, DVec3::Z, JointKind::Free)
    );
}

#[test]
fn meshes_are_found_inside_the_root() {
    let root = folder("urdf_meshes");
    std::fs::create_dir_all(root.join("bot/urdf")).unwrap();
    std::fs::create_dir_all(root.join("bot/meshes")).unwrap();
    let corner = (
        vec![[0.0; 3], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        vec![[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]],
    );
    std::fs::write(root.join("bot/meshes/part.STL"), binary_stl(&corner)).unwrap();
    let names = [
        "package://bot/meshes/part.STL",
        "package://other_name/meshes/part.STL",
        "meshes/part.STL",
        "../meshes/part.STL",
        "bot/meshes/part.STL",
    ];
    let shape = |name: &str, tag: &str| {
        format!("<{tag}><geometry><mesh filename='{name}' scale='2 2 2'/></geometry></{tag}>")
    };
    let text = format!(
        "<robot name='r'><link name='l'>{}{}{}</link></robot>",
        names.map(|name| shape(name, "collision")).concat(),
        shape("package://bot/meshes/part.dae", "visual"),
        shape("nowhere.obj", "visual"),
    );
    let path = root.join("bot/urdf/bot.urdf");
    std::fs::write(&path, text).unwrap();
    let options = ImportOptions { root: Some(root), ..Default::default() };
    let Import { model, report } = load(&path, &options).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((model.geoms.len(), model.meshes.len()), (5, 1), "one file is read once");
    assert_eq!(model.meshes[0].vertices.iter().flatten().fold(0.0, |m: f32, x| m.max(*x)), 2.0);
    assert_eq!(report.lost(), 2, "{report:?}");
    assert!(report.entries.iter().all(|loss| loss.visual && loss.verdict == Verdict::Dropped));
}

#[test]
fn what_is_not_read_is_reported() {
    let text = format!(
        "<robot name='r'><gazebo/><transmission name='t'/>{}{}{}</robot>",
        link("base"),
        link("arm").replace("<link name='arm'>", "<link name='arm' colour='red'><colision/>"),
        joint("j", "revolute", "base", "arm", "<calibration rising='0'/><safety_controller k_velocity='1'/>"),
    );
    let report = import("losses", &text).report;
    let lines: Vec<String> = report.entries.iter().map(ToString::to_string).collect();
    for expected in [
        "gazebo",
        "transmission `t`",
        "`colour`",
        "did you mean `collision`?",
        "calibration",
        "safety_controller",
        "moves without bounds",
    ] {
        let hits = lines.iter().filter(|line| line.contains(expected)).count();
        assert_eq!(hits, 1, "`{expected}` in {lines:#?}");
    }
    assert!(lines.iter().all(|line| line.contains("robot.urdf:")), "{lines:#?}");
}

fn urdf_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut stack = vec![folder.to_path_buf()];
    while let Some(folder) = stack.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                stack.push(path);
            } else if path.extension().is_some_and(|e| e == "urdf") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Sum of all masses of each file, by Python's own XML parser; the mass of a link `world` is left out.
const MASSES: &str = r#"
import json, sys, xml.etree.ElementTree as ET
out = []
for path in json.load(sys.stdin):
    robot = ET.parse(path).getroot()
    out.append(sum(float(l.find('inertial/mass').get('value')) for l in robot.findall('link')
                   if l.get('name') != 'world' and l.find('inertial/mass') is not None))
print(json.dumps(out))
"#;

#[test]
fn every_robot_of_the_wheel_loads_or_says_why() {
    /// Share of the files that load; the others are broken or want what keiko does not have.
    const FLOOR: f64 = 0.97;
    let Some(wheel) = testkit::available(testkit::wheel("pybullet")) else { return };
    let files = urdf_files(&wheel);
    let (mut loaded, mut refused) = (Vec::new(), BTreeMap::<String, Vec<String>>::new());
    for path in &files {
        let root = wheel.join("pybullet_data");
        let root = if path.starts_with(&root) { root } else { wheel.clone() };
        match load(path, &ImportOptions { root: Some(root), ..Default::default() }) {
            Ok(import) => {
                let model = &import.model;
                let poses = forward_kinematics(model, &model.reference_qpos());
                assert!(
                    poses.iter().all(|p| p.position.is_finite() && p.rotation.is_finite()),
                    "{}",
                    path.display()
                );
                loaded.push((path.display().to_string(), model.total_mass()));
            }
            Err(e) => refused.entry(format!("{:?}", e.kind)).or_default().push(e.to_string()),
        }
    }
    println!("{} URDF files: {} loaded", files.len(), loaded.len());
    for (kind, errors) in &refused {
        println!("{} refused, {kind}:", errors.len());
        errors.iter().for_each(|e| println!("    {e}"));
        assert!(
            errors.iter().all(|e| e.contains(".urdf:") || e.contains(".obj:")),
            "each names a file: {errors:#?}"
        );
    }
    assert!(files.len() > 1000);
    assert!(loaded.len() as f64 >= FLOOR * files.len() as f64);
    let paths: Vec<&String> = loaded.iter().map(|(path, _)| path).collect();
    let request = json!(paths);
    let Some(masses) = testkit::available(testkit::ask_python(MASSES, &request)) else { return };
    for ((path, mass), expected) in loaded.iter().zip(masses.as_array().unwrap()) {
        assert_close_relative(*mass, expected.as_f64().unwrap(), 1e-12, path);
    }
}

/// Poses and inertias by MuJoCo's own URDF reader; shapes are cut out, they do not matter here.
const MUJOCO_URDF: &str = r#"
import json, sys, mujoco, xml.etree.ElementTree as ET
import numpy as np
out = []
for case in json.load(sys.stdin):
    robot = ET.parse(case['path']).getroot()
    for link in robot.findall('link'):
        for tag in ('visual', 'collision'):
            for e in link.findall(tag): link.remove(e)
    ext = ET.SubElement(robot, 'mujoco')
    ET.SubElement(ext, 'compiler', fusestatic='false')
    m = mujoco.MjModel.from_xml_string(ET.tostring(robot, encoding='unicode'))
    d = mujoco.MjData(m)
    joint = lambda name: mujoco.mj_name2id(m, mujoco.mjtObj.mjOBJ_JOINT, name)
    for name, q in case['qpos'].items(): d.qpos[m.jnt_qposadr[joint(name)]] = q
    mujoco.mj_kinematics(m, d)
    bodies = {}
    for i in range(m.nbody):
        R = np.zeros(9); mujoco.mju_quat2Mat(R, m.body_iquat[i]); R = R.reshape(3, 3)
        bodies[m.body(i).name] = {'xpos': d.xpos[i].tolist(), 'xquat': d.xquat[i].tolist(), 'mass': m.body_mass[i],
            'ipos': m.body_ipos[i].tolist(), 'inertia': (R @ np.diag(m.body_inertia[i]) @ R.T).flatten().tolist()}
    out.append(bodies)
print(json.dumps(out))
"#;

fn random_qpos(model: &RobotModel, random: &mut Random) -> Vec<f64> {
    let scalar = |j: &keiko_model::robot::Joint| j.range.unwrap_or([-3.0, 3.0]);
    model
        .joints
        .iter()
        .map(|j| {
            let [low, high] = scalar(j);
            random.uniform(low, high)
        })
        .collect()
}

#[test]
fn robots_agree_with_mujoco() {
    /// MuJoCo finds principal axes by iteration and stores them; poses are products of a dozen rotations.
    const POSE: f64 = 1e-9;
    const INERTIA: f64 = 1e-7;
    const CONFIGURATIONS: usize = 5;
    let Some(wheel) = testkit::available(testkit::wheel("pybullet")) else { return };
    let root = wheel.join("pybullet_data");
    let robots = [
        "kuka_iiwa/model.urdf",
        "franka_panda/panda.urdf",
        "quadruped/minitaur.urdf",
        "r2d2.urdf",
        "a1/a1.urdf",
        "pr2_gripper.urdf",
    ];
    let mut random = Random(3);
    let mut cases = Vec::new();
    for robot in robots {
        let path = root.join(robot);
        let options = ImportOptions { root: Some(root.clone()), ..Default::default() };
        let model = load(&path, &options).unwrap_or_else(|e| panic!("{e}")).model;
        assert!(model.joints.iter().all(|j| j.kind.num_qpos() == 1));
        for _ in 0..CONFIGURATIONS {
            let qpos = random_qpos(&model, &mut random);
            let named: BTreeMap<&str, f64> =
                model.joints.iter().zip(&qpos).map(|(j, q)| (j.name.as_str(), *q)).collect();
            cases.push((model.clone(), qpos.clone(), json!({"path": path, "qpos": named})));
        }
    }
    let request: Vec<&Value> = cases.iter().map(|c| &c.2).collect();
    let request = json!(request);
    let Some(answer) = testkit::available(testkit::ask_python(MUJOCO_URDF, &request)) else { return };
    for ((model, qpos, _), expected) in cases.iter().zip(answer.as_array().unwrap()) {
        let poses = forward_kinematics(model, qpos);
        let mut compared = 0;
        for (body, pose) in model.bodies.iter().zip(&poses).skip(1) {
            // MuJoCo merges the base link with the world.
            let Some(theirs) = expected.get(&body.name) else { continue };
            compared += 1;
            let floats = |key: &str| -> Vec<f64> {
                theirs[key].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
            };
            let what = format!("{} {}", model.name, body.name);
            assert_all_close(&pose.position.to_array(), &floats("xpos"), POSE, &what);
            let [w, x, y, z] = floats("xquat").try_into().unwrap();
            assert_close(pose.rotation.dot(glam::DQuat::from_xyzw(x, y, z, w)).abs(), 1.0, POSE, &what);
            let inertial = body.inertial;
            assert_close(inertial.mass, theirs["mass"].as_f64().unwrap(), POSE, &what);
            if inertial.mass > 0.0 {
                assert_all_close(&inertial.pose.position.to_array(), &floats("ipos"), POSE, &what);
                let axes = glam::DMat3::from_quat(inertial.pose.rotation);
                let inertia = axes * glam::DMat3::from_diagonal(inertial.moments) * axes.transpose();
                assert_all_close(&inertia.to_cols_array(), &floats("inertia"), INERTIA, &what);
            }
        }
        assert!(compared + 2 >= model.bodies.len(), "{}: {compared} of {}", model.name, model.bodies.len());
    }
}
