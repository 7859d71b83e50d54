//! The window's text: valid without a GPU.

use keiko_gpu::wgpu::naga::front::wgsl::parse_str;
use keiko_gpu::{validate, window::picture_shader};

#[test]
fn the_picture_has_its_two_entry_points() {
    validate(picture_shader()).unwrap_or_else(|error| panic!("{error}"));
    let module = parse_str(picture_shader()).expect("it is valid");
    let names: Vec<&str> = module.entry_points.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["corner", "show"]);
}
