//! `keiko render`: pictures of scenes and robot files, and what is said where none can be made.

use std::path::Path;

use crate::support::{TempDir, command, keiko, workspace_file};

/// The length of a PNG file's sides, after a look at its frame.
fn png_size(path: &Path) -> [u32; 2] {
    let bytes = std::fs::read(path).unwrap();
    assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR") && bytes.ends_with(b"IEND\xaeB`\x82"));
    [16, 20].map(|at| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()))
}

#[test]
fn scenes_and_robot_files_have_pictures() {
    let dir = TempDir::new("render");
    let (picture, arrays) = (dir.file("a.png"), dir.file("a.npz"));
    let args =
        ["--json", "render", "arm-reach", "--out", &picture, "--channels", "rgb,depth,segmentation,normals"];
    let result = keiko(&args).expect(0).result();
    assert_eq!((&result["camera"], &result["size"]), (&"front".into(), &serde_json::json!([96, 96])));
    for channel in ["rgb", "depth", "segmentation", "normals"] {
        assert_eq!(png_size(&dir.path().join(format!("a.{channel}.png"))), [96, 96]);
    }

    let robot = workspace_file("assets/robots/quadruped/quadruped.xml");
    let result =
        keiko(&["--json", "render", &robot, "--out", &picture, "--size", "80x60"]).expect(0).result();
    assert_eq!(result["camera"], "overview");
    assert_eq!(png_size(Path::new(&picture)), [80, 60]);

    keiko(&["render", "cartpole", "--out", &arrays, "--channels", "rgb,depth,normals,link", "--env", "3"])
        .expect(0);
    let script = r#"
import json, sys, numpy as np
f = np.load(sys.argv[1])
print(json.dumps({k: [str(f[k].dtype), list(f[k].shape), float(f[k].min()), float(f[k].max())] for k in f.files}))
"#;
    let Some(read) = keiko_testkit::available(keiko_testkit::run_python(script, &[&arrays])) else { return };
    let kind = |name: &str| (read[name][0].clone(), read[name][1].clone());
    assert_eq!(kind("rgb"), ("uint8".into(), serde_json::json!([48, 96, 3])));
    assert_eq!(kind("depth"), ("float32".into(), serde_json::json!([48, 96])));
    assert_eq!(kind("normals"), ("float32".into(), serde_json::json!([3, 48, 96])));
    assert_eq!(kind("link"), ("int32".into(), serde_json::json!([48, 96])));
    let depth = &read["depth"];
    assert!(depth[2].as_f64().unwrap() > 4.0 && depth[3] == 100.0, "{depth}");
}

#[test]
fn pictures_that_cannot_be_made_are_refused_with_a_reason() {
    let dir = TempDir::new("no-render");
    let out = dir.file("a.png");
    keiko(&["render", "cartpole", "--out", &dir.file("a.gif")]).expect(2).stderr_has(&[".png, .npz or .mp4"]);
    keiko(&["render", "cartpole", "--out", &out, "--camera", "sid"]).expect(2).stderr_has(&[
        "no camera `sid`",
        "overview",
        "did you mean `side`?",
    ]);
    keiko(&["render", "cartpole", "--out", &out, "--channels", "depht"])
        .expect(2)
        .stderr_has(&["did you mean `depth`?"]);
    keiko(&["render", "cartpole", "--out", &out, "--size", "0x9"]).expect(2).stderr_has(&["WIDTHxHEIGHT"]);
    keiko(&["render", "no-such-scene", "--out", &out]).expect(3);

    // A device that is not there: what to install, and what else there is.
    let without = |device: &str| {
        let (nowhere, args) = (dir.file("no-driver.json"), ["render", "cartpole", "--out", &out]);
        command(&[&args[..], &["--device", device]].concat())
            .env("VK_DRIVER_FILES", &nowhere)
            .env("VK_ICD_FILENAMES", &nowhere)
            .output()
            .unwrap()
    };
    let refused = without("gpu");
    assert_eq!(refused.status.code(), Some(4));
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert!(stderr.contains("mesa-vulkan-drivers") && stderr.contains("--device cpu"), "{stderr}");
    assert!(!Path::new(&out).exists());
    assert_eq!(without("auto").status.code(), Some(0));
    assert_eq!(png_size(Path::new(&out)), [96, 48]);
}
