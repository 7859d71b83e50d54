//! Files that change while they are shown.

use keiko_viewer::{Session, Source, Thing};

use crate::support::{Folder, numbers, options, repository};

/// The cartpole in a folder of its own: its scene and its robot.
fn copy() -> (Folder, Source) {
    let folder = Folder::new();
    let robot = repository().join("assets/robots/cartpole/cartpole.xml");
    std::fs::copy(robot, folder.0.join("cartpole.xml")).unwrap();
    let text = std::fs::read_to_string(repository().join("scenes/cartpole/scene.toml")).unwrap();
    let line = text.lines().find(|line| line.starts_with("file = ")).unwrap().to_owned();
    let file = folder.0.join("scene.toml");
    std::fs::write(&file, text.replace(&line, "file = \"cartpole.xml\"")).unwrap();
    (folder, Source::Scene { file, overrides: Vec::new() })
}

fn change(folder: &Folder, name: &str, from: &str, to: &str) {
    let file = folder.0.join(name);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(file, text.replace(from, to)).unwrap();
}

#[test]
fn a_broken_file_is_named_with_its_line_and_the_last_good_scene_stays() {
    let (folder, source) = copy();
    let mut session = Session::new(source, options(1), None).unwrap();
    let hinge = session.model().joints.iter().position(|joint| joint.name == "hinge").unwrap();
    session.select(Some(Thing::Joint(hinge)));
    for _ in 0..10 {
        session.single_step();
    }
    let before = numbers(&session);
    change(&folder, "scene.toml", "[reward]", "[rewrad]");
    assert!(!session.reload());
    let failure = session.failure().unwrap().to_owned();
    assert!(failure.contains("scene.toml:") && failure.contains("did you mean `reward`?"), "{failure}");
    assert_eq!(numbers(&session), before);
    session.single_step();
    assert_eq!(session.step_count(), 11, "the old scene goes on");

    change(&folder, "scene.toml", "[rewrad]", "[reward]");
    change(&folder, "cartpole.xml", "<geom", "<goem");
    assert!(!session.reload());
    assert!(session.failure().unwrap().contains("cartpole.xml:"), "{:?}", session.failure());

    change(&folder, "cartpole.xml", "<goem", "<geom");
    assert!(session.reload() && session.failure().is_none());
    assert_eq!((session.step_count(), session.selected()), (0, Some(Thing::Joint(hinge))));
}

#[test]
fn what_was_chosen_stays_where_it_still_fits() {
    let (folder, source) = copy();
    let mut session = Session::new(source, options(4), None).unwrap();
    session.show(2);
    session.set_input(0, 0.5);
    session.select(Some(Thing::Joint(0)));
    change(&folder, "cartpole.xml", "slider", "rail");
    change(&folder, "scene.toml", "slider", "rail");
    assert!(session.reload(), "{:?}", session.failure());
    assert_eq!((session.env(), session.selected()), (2, None), "the joint has another name");
    assert_eq!(session.model().joints[0].name, "rail");
    assert_eq!(session.input(0), 0.0, "so has the action");
    session.set_input(0, 0.5);
    session.select(Some(Thing::Joint(0)));
    change(&folder, "scene.toml", "scale = 10.0", "scale = 9.0");
    assert!(session.reload(), "{:?}", session.failure());
    assert_eq!((session.input(0), session.selected()), (0.5, Some(Thing::Joint(0))));
}
