//! The window as it looks, beside pictures that a person has looked at. `KEIKO_UPDATE_PICTURES=1` writes them anew.

use std::path::Path;

use eframe::egui::vec2;
use eframe::egui_wgpu::RendererOptions;
use egui_kittest::wgpu::{WgpuTestRenderer, create_render_state, default_wgpu_setup};
use egui_kittest::{Harness, kittest::Queryable};
use keiko_data::Image;
use keiko_viewer::{App, Thing, install_pictures};

use crate::support::scene;

/// Mean difference of a colour that drivers may bring \[levels of 255\].
const TOLERANCE: f64 = 1.0;

/// Whether there is something to draw with. The tracer's tests give software Vulkan a vector width; this rasteriser of the same
/// driver takes none (Mesa 22.3 then writes outside of its memory).
fn can_draw() -> bool {
    if keiko_gpu::adapters().is_empty() {
        let missing = "no adapter; install the package mesa-vulkan-drivers";
        keiko_testkit::skip_or_fail(keiko_testkit::Skip(missing.to_owned()));
        return false;
    }
    true
}

fn compare(name: &str, mut harness: Harness<'_, App>) {
    for _ in 0..6 {
        harness.step();
    }
    let picture = harness.render().unwrap();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let pixels: Vec<u8> = picture.pixels().flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
    let found = Image { height, width, pixels };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures").join(format!("{name}.png"));
    if std::env::var_os("KEIKO_UPDATE_PICTURES").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, found.to_png()).unwrap();
        return;
    }
    let expected = Image::from_png(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!((found.width, found.height), (expected.width, expected.height));
    let differences = found.pixels.iter().zip(&expected.pixels).map(|(a, b)| f64::from(a.abs_diff(*b)));
    let mean = differences.sum::<f64>() / found.pixels.len() as f64;
    let seen = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
    if mean > TOLERANCE {
        std::fs::write(&seen, found.to_png()).unwrap();
    }
    assert!(mean <= TOLERANCE, "{name} differs by {mean:.2} levels; see {}", seen.display());
}

fn window(app: App, size: [f32; 2]) -> Harness<'static, App> {
    let state = create_render_state(default_wgpu_setup(), RendererOptions::PREDICTABLE);
    install_pictures(&state);
    let builder = Harness::builder().with_size(vec2(size[0], size[1])).with_step_dt(0.3);
    let builder = builder.renderer(WgpuTestRenderer::from_render_state(state));
    builder.build_ui_state(|ui, app: &mut App| app.ui(ui), app)
}

#[test]
fn a_quadruped_with_a_joint_selected() {
    if !can_draw() {
        return;
    }
    let mut app = App::new(scene("walk", &[], 1)).unwrap();
    let joint = app.session().model().joints.iter().position(|joint| joint.name == "FR_hip").unwrap();
    app.session_mut().select(Some(Thing::Joint(joint)));
    app.view_mut().marks.joints = true;
    for _ in 0..25 {
        app.session_mut().single_step();
    }
    compare("quadruped", window(app, [860.0, 480.0]));
}

#[test]
fn what_a_policy_sees_beside_the_scene() {
    if !can_draw() {
        return;
    }
    let mut app = App::new(scene("cartpole-pixels", &[], 1)).unwrap();
    app.session_mut().set_input(0, 0.4);
    for _ in 0..30 {
        app.session_mut().single_step();
    }
    let mut harness = window(app, [860.0, 480.0]);
    harness.step();
    harness.get_by_label("Cameras").click();
    compare("policy-sees", harness);
}

#[test]
fn many_environments_side_by_side() {
    if !can_draw() {
        return;
    }
    let mut app = App::new(scene("walk", &[], 9)).unwrap();
    app.view_mut().grid = true;
    app.session_mut().show(4);
    for _ in 0..25 {
        app.session_mut().single_step();
    }
    compare("grid", window(app, [860.0, 480.0]));
}
