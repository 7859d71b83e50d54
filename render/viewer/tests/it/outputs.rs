//! Files that come out, and files that change.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use keiko_viewer::{Film, View, Watch, state_toml};

use crate::support::{Folder, scene};

#[test]
fn the_state_as_text_is_read_back_and_is_where_a_scene_can_start() {
    let mut session = scene("walk", &[], 2);
    session.show(1);
    session.set_input(3, 0.25);
    for _ in 0..7 {
        session.single_step();
    }
    let text = state_toml(&session);
    let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{error} in {text}"));
    let numbers = |key: &str| -> Vec<f32> {
        table[key].as_array().unwrap().iter().map(|value| value.as_float().unwrap() as f32).collect()
    };
    assert!(numbers("qpos").into_iter().eq(session.state().qpos.column(1)));
    assert!(numbers("qvel").into_iter().eq(session.state().qvel.column(1)));
    assert_eq!(numbers("inputs")[3], 0.25);

    let positions = table["initial"]["positions"].as_table().unwrap();
    let overrides: Vec<String> =
        positions.iter().map(|(name, value)| format!("initial.positions.{name}={value}")).collect();
    let overrides: Vec<&str> = overrides.iter().map(String::as_str).collect();
    let started = scene("walk", &overrides, 1);
    let default = &started.subject().task().unwrap().scene().default_qpos;
    for (found, expected) in default[7..].iter().zip(session.state().qpos.column(1).skip(7)) {
        assert!((*found as f32 - expected).abs() < 1e-7, "{found} instead of {expected}");
    }
}

#[test]
fn a_video_has_the_time_of_the_simulation() {
    let folder = Folder::new();
    let path = folder.0.join("walk.mp4");
    let mut session = scene("walk", &[], 1);
    let view = View::new(&session).unwrap();
    let mut film = Film::create(&path, &session, &view, [97, 64]).unwrap();
    for _ in 0..10 {
        session.single_step();
        film.after_step(&session, &view).unwrap();
    }
    // 50 control steps a second: a frame for each.
    assert_eq!(film.num_frames(), 10);
    assert!(!path.exists(), "it has its name when it is whole");
    film.finish().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert!(bytes[4..].starts_with(b"ftyp") && bytes.len() > 1000, "{} bytes", bytes.len());

    // 500 steps a second: a frame for every ninth, at most 60 a second.
    let mut session = crate::support::robot(
        "<mujoco><worldbody><body name=\"b\"><freejoint/><geom size=\".1\"/></body></worldbody></mujoco>",
    );
    let view = View::new(&session).unwrap();
    let mut film = Film::create(&path, &session, &view, [64, 48]).unwrap();
    for _ in 0..90 {
        session.single_step();
        film.after_step(&session, &view).unwrap();
    }
    assert_eq!(film.num_frames(), 10);
    let nowhere = Film::create(&PathBuf::from("no/such/folder/x.mp4"), &session, &view, [64, 48]);
    assert!(nowhere.unwrap_err().contains("no/such/folder"));
}

fn waits(watch: &mut Watch, most: Duration) -> bool {
    let start = Instant::now();
    while start.elapsed() < most {
        if watch.is_due().0 {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

#[test]
fn files_that_are_saved_are_noticed_once_and_readers_are_not() {
    const PATIENCE: Duration = Duration::from_secs(20);
    const MOMENT: Duration = Duration::from_millis(400);
    let folder = Folder::new();
    let file = folder.0.join("scene.toml");
    std::fs::write(&file, "a").unwrap();
    let mut watch = Watch::new(|| ()).unwrap();
    watch.follow(std::slice::from_ref(&file)).unwrap();
    std::fs::read(&file).unwrap();
    std::fs::write(folder.0.join("notes.txt"), "b").unwrap();
    assert!(!waits(&mut watch, MOMENT), "nothing that a scene is made of has changed");
    std::fs::write(&file, "c").unwrap();
    assert!(waits(&mut watch, PATIENCE));
    assert!(!waits(&mut watch, MOMENT), "once");
    // Editors write beside and rename.
    std::fs::write(folder.0.join("scene.tmp"), "d").unwrap();
    std::fs::rename(folder.0.join("scene.tmp"), &file).unwrap();
    assert!(waits(&mut watch, PATIENCE));
    let missing = folder.0.join("gone/robot.xml");
    assert!(watch.follow(&[missing]).is_err_and(|error| error.contains("gone")));
}
