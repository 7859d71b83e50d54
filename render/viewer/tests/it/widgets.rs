//! The window's widgets, by their names, as a screen reader finds them; keys and mouse.

use eframe::egui::{
    Event, Key, Modifiers, MouseWheelSource, MouseWheelUnit, PointerButton, Pos2, TouchPhase, vec2,
};
use egui_kittest::{Harness, kittest::Queryable};
use keiko_env::{Field, TaskEnv};
use keiko_viewer::{Action, Actor, App, Casting, Curve, Session, Thing, Words};

use crate::support::{options, scene, scene_source};

fn harness(session: Session) -> Harness<'static, App> {
    let app = App::new(session).unwrap();
    let mut harness = Harness::builder()
        .with_size(vec2(1280.0, 720.0))
        .with_step_dt(0.02)
        .with_max_steps(40)
        .build_ui_state(|ui, app: &mut App| app.ui(ui), app);
    harness.run_ok();
    harness
}

#[test]
fn buttons_and_keys_rule_time() {
    let mut harness = harness(scene("cartpole", &[], 2));
    harness.get_by_label("Step").click();
    harness.run_steps(2);
    assert_eq!(harness.state().session().step_count(), 1);
    harness.key_press(Key::ArrowRight);
    harness.run_steps(2);
    assert_eq!(harness.state().session().step_count(), 2);
    harness.key_press(Key::ArrowLeft);
    harness.run_steps(2);
    assert_eq!(harness.state().session().step_count(), 1);
    harness.get_by_label("Play").click();
    harness.run_steps(12);
    assert!(harness.state().session().is_playing() && harness.state().session().step_count() > 5);
    harness.key_press(Key::Space);
    harness.run_steps(2);
    assert!(!harness.state().session().is_playing());
    harness.key_press(Key::Minus);
    harness.key_press(Key::CloseBracket);
    harness.run_steps(2);
    assert_eq!((harness.state().session().speed(), harness.state().session().env()), (0.5, 1));
    harness.key_press(Key::Backspace);
    harness.run_steps(2);
    assert_eq!(harness.state().session().state().steps[1], 0);
}

#[test]
fn a_window_that_rests_asks_for_no_frames() {
    let mut harness = harness(scene("cartpole", &[], 1));
    harness.run();
    assert!(harness.output().viewport_output.values().all(|v| v.repaint_delay.as_secs_f64() > 60.0));
}

#[test]
fn the_tree_is_searched_and_selects() {
    let mut harness = harness(scene("walk", &[], 1));
    assert_eq!(harness.query_all_by_label("trunk").count(), 2, "a body and a geom");
    harness.get_by_label("search").focus();
    harness.get_by_label("search").type_text("fr_kn");
    harness.run_ok();
    assert_eq!(harness.query_all_by_label("trunk").count(), 0, "it does not fit");
    harness.get_all_by_label("FR_knee").next().unwrap().click();
    harness.run_ok();
    let thing = harness.state().session().selected().unwrap();
    assert_eq!(thing.name(harness.state().session().model()), "FR_knee");
    // Keys that write are the text's while somebody types.
    harness.get_by_label("search").focus();
    harness.run_ok();
    harness.key_press(Key::Space);
    harness.run_steps(2);
    assert!(!harness.state().session().is_playing());
}

#[test]
fn a_selected_joint_has_its_limits_beside_it() {
    let mut harness = harness(scene("walk", &[], 1));
    let joint =
        harness.state().session().model().joints.iter().position(|joint| joint.name == "FR_knee").unwrap();
    harness.state_mut().session_mut().select(Some(Thing::Joint(joint)));
    harness.run_ok();
    assert!(harness.query_by_label("range").is_some());
    assert!(harness.query_by_label("-2.8 to -0.88 rad").is_some());
    harness.key_press(Key::Escape);
    harness.run_ok();
    assert!(harness.state().session().selected().is_none());
    assert!(harness.query_by_label("-2.8 to -0.88 rad").is_none());
}

#[test]
fn sliders_set_actions_and_joints() {
    let mut harness = harness(scene("cartpole", &[], 1));
    harness.get_by_label("Controls").click();
    harness.run_ok();
    let name = harness.state().session().subject().inputs[0].name.clone();
    harness.get_by_label(&format!("input {name}")).set_value_accesskit(0.75);
    harness.run_ok();
    assert_eq!(harness.state().session().input(0), 0.75);
    harness.get_by_label("joint hinge").set_value_accesskit(0.1);
    harness.run_ok();
    assert_eq!(harness.state().session().state().qpos.get(1, 0), 0.1);
}

#[test]
fn the_task_shows_rewards_and_endings_live() {
    let mut harness = harness(scene("cartpole", &[], 1));
    for _ in 0..3 {
        harness.key_press(Key::ArrowRight);
    }
    harness.run_ok();
    assert!(harness.query_by_label("alive").is_some() && harness.query_by_label("pole_fell").is_some());
    // Three steps of a reward of 1: the sum of the term, and of all of them.
    assert_eq!(harness.get_all_by_label("3").count(), 2);
    assert!(harness.query_by_label_contains("episode: step 3 of 500").is_some());
}

#[test]
fn the_palette_finds_commands_and_help_lists_keys() {
    let mut harness = harness(scene("cartpole", &[], 1));
    harness.key_press_modifiers(Modifiers::COMMAND, Key::P);
    harness.run_steps(3);
    harness.get_by_label("command").type_text("joint axes");
    harness.run_steps(3);
    harness.key_press(Key::Enter);
    harness.run_steps(3);
    assert!(harness.state_mut().view_mut().marks.joints);
    assert!(harness.query_by_label("command").is_none(), "it is closed");
    harness.key_press(Key::F1);
    harness.run_ok();
    assert!(harness.query_by_label("Backspace").is_some());
    harness.key_press(Key::Escape);
    harness.run_ok();
    assert!(harness.query_by_label("Backspace").is_none());
}

fn press(harness: &Harness<'_, App>, at: Pos2, button: PointerButton, pressed: bool, modifiers: Modifiers) {
    harness.event(Event::PointerMoved(at));
    harness.event(Event::PointerButton { pos: at, button, pressed, modifiers });
}

fn drag(harness: &mut Harness<'_, App>, from: Pos2, to: Pos2, button: PointerButton, modifiers: Modifiers) {
    harness.event(Event::ModifiersChanged(modifiers));
    press(harness, from, button, true, modifiers);
    harness.run_steps(2);
    for k in 1..=4 {
        harness.event(Event::PointerMoved(from + (to - from) * (k as f32 / 4.0)));
        harness.run_steps(2);
    }
}

#[test]
fn the_mouse_turns_moves_zooms_and_selects() {
    let mut harness = harness(scene("walk", &[], 1));
    let middle = harness.get_by_label("viewport").rect().center();
    let before = harness.state_mut().view_mut().orbit;
    drag(&mut harness, middle, middle + vec2(60.0, 20.0), PointerButton::Primary, Modifiers::NONE);
    press(&harness, middle + vec2(60.0, 20.0), PointerButton::Primary, false, Modifiers::NONE);
    harness.run_steps(2);
    let turned = harness.state_mut().view_mut().orbit;
    assert!(turned.yaw != before.yaw && turned.pitch > before.pitch && turned.target == before.target);
    drag(&mut harness, middle, middle + vec2(30.0, 0.0), PointerButton::Secondary, Modifiers::NONE);
    press(&harness, middle + vec2(30.0, 0.0), PointerButton::Secondary, false, Modifiers::NONE);
    harness.run_steps(2);
    let moved = harness.state_mut().view_mut().orbit;
    assert!(moved.target != turned.target && moved.yaw == turned.yaw);
    let wheel = Event::MouseWheel {
        unit: MouseWheelUnit::Point,
        delta: vec2(0.0, 100.0),
        phase: TouchPhase::Move,
        source: MouseWheelSource::Wheel,
        modifiers: Modifiers::NONE,
    };
    harness.event(Event::PointerMoved(middle));
    harness.event(wheel);
    harness.run_steps(30);
    assert!(harness.state_mut().view_mut().orbit.distance < moved.distance);

    harness.state_mut().view_mut().orbit = before;
    harness.run_ok();
    for _ in 0..2 {
        press(&harness, middle, PointerButton::Primary, true, Modifiers::NONE);
        press(&harness, middle, PointerButton::Primary, false, Modifiers::NONE);
        harness.step();
    }
    harness.run_ok();
    let selected = harness.state().session().selected().expect("the robot is in the middle");
    assert_eq!((selected.kind(), selected.name(harness.state().session().model())), ("body", "trunk"));
}

#[test]
fn a_drag_with_ctrl_pulls_and_a_release_lets_go() {
    let mut harness = harness(scene("walk", &[], 1));
    let middle = harness.get_by_label("viewport").rect().center();
    let before = harness.state_mut().view_mut().orbit;
    drag(&mut harness, middle, middle + vec2(0.0, -80.0), PointerButton::Primary, Modifiers::CTRL);
    let session = harness.state().session();
    let pull = session.pull().copied().expect("the robot is in the middle");
    assert!(pull.body > 0 && pull.hand.z > pull.held(session.state(), 0).z + 0.05, "{pull:?}");
    assert!(pull.force(session.model(), session.state(), 0).z > 0.0);
    assert_eq!(harness.state_mut().view_mut().orbit, before, "the view stays");
    press(&harness, middle + vec2(0.0, -80.0), PointerButton::Primary, false, Modifiers::CTRL);
    harness.event(Event::ModifiersChanged(Modifiers::NONE));
    harness.run_ok();
    assert!(harness.state().session().pull().is_none());
}

#[test]
fn a_run_shows_how_it_learned() {
    let mut harness = harness(scene("cartpole", &[], 1));
    harness.get_by_label("Plots").click();
    harness.run_ok();
    assert!(harness.query_by_label("metric").is_none(), "there is no run");
    let curve = |name: &str| Curve { name: name.to_owned(), unit: "", points: vec![[0.0, 1.0], [1e6, 2.0]] };
    harness.state_mut().show_learned(vec![curve("Loss/value"), curve("Train/mean_reward")]);
    harness.run_ok();
    assert_eq!(harness.get_by_label("metric").value().as_deref(), Some("Train/mean_reward"));
}

#[test]
fn a_click_in_the_grid_chooses_and_a_double_click_shows_it_alone() {
    let mut harness = harness(scene("cartpole", &[], 9));
    harness.key_press(Key::B);
    harness.run_ok();
    assert!(harness.state_mut().view_mut().grid);
    let rect = harness.get_by_label("viewport").rect();
    // Three rows of three: the middle of the second row is environment 4, the last tile environment 8.
    for (x, y, env) in [(0.5, 0.5, 4), (0.9, 0.9, 8), (0.1, 0.1, 0)] {
        let at = rect.min + rect.size() * vec2(x, y);
        press(&harness, at, PointerButton::Primary, true, Modifiers::NONE);
        press(&harness, at, PointerButton::Primary, false, Modifiers::NONE);
        harness.run_ok();
        assert_eq!(harness.state().session().env(), env);
        assert!(harness.state_mut().view_mut().grid, "one click goes on showing all");
        // Clicks that follow one another fast would be one double click.
        (0..40).for_each(|_| harness.step());
    }
    let at = rect.min + rect.size() * vec2(0.5, 0.9);
    for _ in 0..2 {
        press(&harness, at, PointerButton::Primary, true, Modifiers::NONE);
        press(&harness, at, PointerButton::Primary, false, Modifiers::NONE);
        harness.step();
    }
    harness.run_ok();
    assert_eq!(harness.state().session().env(), 7);
    assert!(!harness.state_mut().view_mut().grid);
}

#[test]
fn any_camera_has_previews_of_channels_that_the_policy_does_not_see() {
    let mut harness = harness(scene("cartpole-pixels", &[], 1));
    harness.get_by_label("Cameras").click();
    harness.run_ok();
    assert!(harness.query_by_label_contains("preview side").is_none());
    for (list, choice) in [("preview camera", "side"), ("preview channel", "depth")] {
        harness.get_by_label(list).click();
        harness.run_ok();
        harness.get_all_by_label(choice).next_back().unwrap().click();
        harness.run_ok();
    }
    assert!(harness.query_by_label("preview side depth").is_some());
}

#[test]
fn the_arrangement_of_panels_is_taken_from_a_text_and_can_be_undone() {
    let mut harness = harness(scene("cartpole", &[], 1));
    let first = harness.state().arrangement().unwrap();
    let width = |harness: &Harness<'_, App>| harness.get_by_label("viewport").rect().width();
    let before = width(&harness);
    // The picture gets a larger share, and another tab is open.
    assert!(first.contains("share = 0.5") && first.contains("open = 1"));
    let other = first.replace("share = 0.5", "share = 1.5").replace("open = 1", "open = 4");
    assert!(harness.state_mut().arrange(&other));
    harness.run_ok();
    assert!(width(&harness) > 1.3 * before, "{} after {before}", width(&harness));
    assert!(harness.query_by_label("Nothing yet.").is_some(), "the log is open");
    let now = harness.state().arrangement().unwrap();
    assert!(now.contains("open = 4") && now.contains("share = 1.5"), "{now}");
    assert!(!harness.state_mut().arrange("lie = \"heap\""));
    assert_eq!(harness.state().arrangement().unwrap(), now);
    let ctx = harness.ctx.clone();
    harness.state_mut().act(&ctx, Action::Panels);
    harness.run_ok();
    assert!((width(&harness) - before).abs() < 1.0);
}

/// A policy that does what it is told: the number of letters.
struct Obedient(Words);

impl Actor for Obedient {
    fn name(&self) -> String {
        "obedient".to_owned()
    }

    fn act(&mut self, _: &TaskEnv, actions: &mut Field) -> Result<(), String> {
        let told = self.0.told.as_deref().unwrap_or("episode");
        actions.as_mut_slice().fill(0.01 * told.len() as f32);
        Ok(())
    }

    fn words(&mut self) -> Option<&mut Words> {
        Some(&mut self.0)
    }
}

#[test]
fn a_policy_that_reads_is_told_what_somebody_types() {
    let known = vec!["left".to_owned(), "to the right".to_owned()];
    let casting: Casting = Box::new(move |_| {
        Ok(Box::new(Obedient(Words { told: None, known: known.clone() })) as Box<dyn Actor>)
    });
    let session = Session::new(scene_source("cartpole", &[]), options(1), Some(casting)).unwrap();
    let mut harness = harness(session);
    harness.get_by_label("Controls").click();
    harness.run_ok();
    harness.key_press(Key::ArrowRight);
    harness.run_ok();
    assert_eq!(harness.state().session().input(0), 0.07, "the instruction of the episode");
    harness.get_by_label("that of the episode").click();
    harness.run_ok();
    harness.get_by_label("instruction").focus();
    harness.run_ok();
    harness.get_by_label("instruction").type_text(" now");
    harness.run_ok();
    let words = harness.state_mut().session_mut().words().unwrap().clone();
    assert_eq!(words.told.as_deref().map(str::len), Some("left now".len()), "{words:?}");
    harness.key_press(Key::Escape);
    harness.state_mut().session_mut().single_step();
    harness.run_ok();
    assert_eq!(harness.state().session().input(0), 0.08);
}

#[test]
fn the_way_of_a_body_and_the_edges_of_shapes_are_drawn_on_demand() {
    let mut harness = harness(scene("walk", &[], 1));
    let session = harness.state_mut().session_mut();
    let trunk = session.subject().base();
    session.select(Some(Thing::Body(trunk)));
    (0..5).for_each(|_| session.single_step());
    harness.key_press(Key::L);
    harness.key_press(Key::X);
    harness.run_ok();
    let view = harness.state_mut().view_mut();
    assert!(view.trails == [trunk] && view.marks.wireframe);
    harness.key_press(Key::L);
    harness.run_ok();
    assert!(harness.state_mut().view_mut().trails.is_empty());
}
