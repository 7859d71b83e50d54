//! `keiko import`: what our robots are, and what is said about what a file loses.

use std::fs;

use serde_json::Value;

use crate::support::{TempDir, keiko, workspace_file};

fn import(file: &str) -> Value {
    keiko(&["import", file, "--json"]).expect(0).result()
}

/// Counts as read in the files: joints include a free joint, dofs count it six times.
#[test]
fn our_robots_lose_nothing_that_moves() {
    let robots = [
        ("cartpole/cartpole.xml", 2, 2, 2, 1),
        ("ant/ant.xml", 13, 9, 14, 8),
        ("arm/arm.xml", 8, 7, 7, 7),
        ("quadruped/quadruped.xml", 13, 13, 18, 12),
    ];
    for (file, bodies, joints, dofs, actuators) in robots {
        let result = import(&workspace_file(&format!("assets/robots/{file}")));
        // The world is body 0, as in MuJoCo.
        assert_eq!(result["bodies"], bodies + 1, "{file}");
        assert_eq!(result["joints"], joints, "{file}");
        assert_eq!(result["dofs"], dofs, "{file}");
        assert_eq!(result["actuators"].as_array().unwrap().len(), actuators, "{file}");
        let losses = result["losses"].as_array().unwrap();
        assert_eq!(result["lost"], losses.len(), "{file}");
        let physical: Vec<&Value> = losses.iter().filter(|loss| loss["visual"] == false).collect();
        assert!(physical.is_empty(), "{file}: {physical:?}");
    }
}

#[test]
fn masses_and_names_are_those_of_the_file() {
    let cartpole = import(&workspace_file("assets/robots/cartpole/cartpole.xml"));
    assert!((cartpole["mass"].as_f64().unwrap() - 1.1).abs() < 1e-9, "{cartpole}");
    assert_eq!(cartpole["actuators"], serde_json::json!(["slider"]));
    assert_eq!(cartpole["joint_names"], serde_json::json!(["slider", "hinge"]));
    let dog = import(&workspace_file("assets/robots/quadruped/quadruped.xml"));
    let legs = ["FR", "FL", "RR", "RL"];
    let in_order: Vec<String> = legs
        .iter()
        .flat_map(|leg| ["abduction", "hip", "knee"].map(|joint| format!("{leg}_{joint}")))
        .collect();
    assert_eq!(dog["actuators"], serde_json::json!(in_order));
}

const WITH_LOSSES: &str = r#"<mujoco model="lossy">
  <worldbody>
    <body name="link">
      <joint name="hinge" axis="0 1 0"/>
      <geom name="rod" type="capsule" fromto="0 0 0 0 0 1" size="0.05"/>
    </body>
  </worldbody>
  <actuator>
    <muscle name="biceps" joint="hinge"/>
  </actuator>
</mujoco>
"#;

#[test]
fn strict_fails_on_any_loss_and_each_is_named() {
    let dir = TempDir::new("strict");
    let lossy = dir.file("lossy.xml");
    fs::write(&lossy, WITH_LOSSES).unwrap();
    let outcome = keiko(&["import", &lossy]).expect(0);
    assert!(
        outcome.stdout.contains("biceps") && outcome.stdout.contains("lossy.xml:9:"),
        "{}",
        outcome.stdout
    );
    let result = keiko(&["import", &lossy, "--strict", "--json"]).expect(1).result();
    assert!(result["lost"].as_u64().unwrap() >= 1);
    let losses = result["losses"].as_array().unwrap();
    assert!(losses.iter().any(|loss| loss["element"].as_str().unwrap().contains("biceps")), "{losses:?}");

    let faithful = dir.file("faithful.xml");
    let motor = WITH_LOSSES.replace("<muscle name=\"biceps\"", "<motor name=\"biceps\"");
    fs::write(&faithful, motor).unwrap();
    let result = keiko(&["import", &faithful, "--strict", "--json"]).expect(0).result();
    assert_eq!(result["lost"], 0);
}

const URDF: &str = r#"<robot name="two">
  <link name="base"><inertial><mass value="2"/>
    <inertia ixx="0.1" iyy="0.1" izz="0.1" ixy="0" ixz="0" iyz="0"/></inertial></link>
  <link name="arm"><inertial><mass value="0.5"/>
    <inertia ixx="0.01" iyy="0.01" izz="0.01" ixy="0" ixz="0" iyz="0"/></inertial></link>
  <joint name="shoulder" type="revolute"><parent link="base"/><child link="arm"/><axis xyz="0 1 0"/>
    <limit lower="-1" upper="1" effort="10" velocity="3"/></joint>
</robot>
"#;

#[test]
fn a_urdf_stands_or_floats() {
    let dir = TempDir::new("urdf");
    let file = dir.file("two.urdf");
    fs::write(&file, URDF).unwrap();
    let standing = import(&file);
    assert_eq!((standing["joints"].as_u64(), standing["dofs"].as_u64()), (Some(1), Some(1)), "{standing}");
    let floating = keiko(&["import", &file, "--floating-base", "--json"]).expect(0).result();
    assert_eq!((floating["joints"].as_u64(), floating["dofs"].as_u64()), (Some(2), Some(7)), "{floating}");
    assert!((floating["mass"].as_f64().unwrap() - 2.5).abs() < 1e-9, "{floating}");
}

#[test]
fn people_read_joints_with_limits_and_actuators() {
    let outcome = keiko(&["import", &workspace_file("assets/robots/arm/arm.xml")]).expect(0);
    for piece in ["axis1", "axis7", "revolute", "-2.9600 .. 2.9600", "-320.0000 .. 320.0000", "kg"] {
        assert!(outcome.stdout.contains(piece), "no `{piece}` in {}", outcome.stdout);
    }
}
