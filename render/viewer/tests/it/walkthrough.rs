//! What the README walks through: why a quadruped with a flipped axis falls.

use keiko_viewer::{Session, Thing, properties};

use crate::support::{Folder, options, repository, scene_source};

const JOINT: &str = "<joint name=\"FR_hip\" class=\"hip\"";

fn walk(flipped: bool) -> (Folder, Session) {
    let folder = Folder::new();
    let text = std::fs::read_to_string(repository().join("assets/robots/quadruped/quadruped.xml")).unwrap();
    assert!(text.contains(JOINT));
    let change = if flipped { format!("{JOINT} axis=\"0 -1 0\"") } else { JOINT.to_owned() };
    let file = folder.0.join("flipped.xml");
    std::fs::write(&file, text.replace(JOINT, &change)).unwrap();
    let robot = format!("robot.file={}", file.display());
    let session = Session::new(scene_source("walk", &[&robot]), options(1), None).unwrap();
    (folder, session)
}

#[test]
fn the_flipped_axis_is_why_it_falls_and_the_properties_say_so() {
    for flipped in [false, true] {
        let (_folder, mut session) = walk(flipped);
        // Before its first push: nobody acts, the servos hold the default pose.
        for _ in 0..200 {
            session.single_step();
        }
        let falls: u32 = session.tally().endings().iter().sum();
        assert_eq!(falls > 0, flipped, "{falls} episodes ended in 4 s");
        let axis = |name: &str| {
            let joint = session.model().joints.iter().position(|joint| joint.name == name).unwrap();
            let rows = properties(session.model(), session.state(), 0, Thing::Joint(joint));
            rows.into_iter().find(|row| row.name == "axis, in its body").unwrap().value
        };
        assert_eq!(axis("FL_hip"), "0  1  0");
        assert_eq!(axis("FR_hip"), if flipped { "0  -1  0" } else { "0  1  0" });
    }
}
