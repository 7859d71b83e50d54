//! Mesh files that are broken or malicious: each gives one error that names the file, soon.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use glam::DVec3;
use keiko_model::Error;
use keiko_model::error::{ErrorKind, Location};
use keiko_model::mesh::{MeshLimits, check_solid, load_mesh, mass_properties, mesh_from_arrays};
use keiko_model::robot::Mesh;

use crate::support::{Stopwatch, folder};

const DEADLINE: Duration = Duration::from_secs(2);

fn refuse_file(path: &Path) -> Error {
    let start = Stopwatch::start();
    let error = load_mesh(path, DVec3::ONE, &MeshLimits::default()).unwrap_err();
    assert!(start.elapsed() < DEADLINE, "{} took {:?}", path.display(), start.elapsed());
    assert_eq!(error.location.file, path, "{error}");
    assert_eq!(error.to_string().lines().count(), 1, "{error}");
    error
}

fn refuse(name: &str, content: impl AsRef<[u8]>) -> Error {
    let path = folder(&format!("hostile_mesh_{}", name.replace('.', "_"))).join(name);
    fs::write(&path, content).unwrap();
    refuse_file(&path)
}

fn assert_error(error: &Error, kind: ErrorKind, text: &str) {
    assert_eq!(error.kind, kind, "{error}");
    assert!(error.to_string().contains(text), "`{error}` does not say `{text}`");
}

fn stl(count: u32, floats: &[f32]) -> Vec<u8> {
    let mut bytes = vec![b' '; 80];
    bytes.extend(count.to_le_bytes());
    for triangle in floats.chunks(12) {
        bytes.extend(triangle.iter().flat_map(|x| x.to_le_bytes()));
        bytes.extend([0; 2]);
    }
    bytes
}

const TRIANGLE: [f32; 12] = [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0];

#[test]
fn stl_sizes() {
    assert_error(
        &refuse("lies.stl", stl(u32::MAX, &TRIANGLE)),
        ErrorKind::Syntax,
        "4294967295 triangles in 134 bytes",
    );
    assert_error(&refuse("empty.stl", b""), ErrorKind::Syntax, "0 bytes");
    assert_error(&refuse("none.stl", stl(0, &[])), ErrorKind::Value, "without triangles");
    assert_error(
        &refuse("cut.stl", &stl(2, &[TRIANGLE; 2].concat())[..180]),
        ErrorKind::Syntax,
        "2 triangles",
    );
    assert_error(
        &refuse("ascii.stl", "solid x\nfacet normal 0 0 1\nouter loop\nvertex 0 0\n"),
        ErrorKind::Syntax,
        "STL",
    );
    assert_error(&refuse("open.stl", "solid x\n"), ErrorKind::Syntax, "STL");
}

#[test]
fn numbers_that_are_not_finite() {
    for bad in [f32::NAN, f32::INFINITY] {
        let mut floats = TRIANGLE;
        floats[4] = bad;
        assert_error(&refuse("bad.stl", stl(1, &floats)), ErrorKind::Value, "finite");
    }
    for bad in ["nan", "inf", "1e999", "1e39"] {
        let error = refuse("bad.obj", format!("v 0 0 0\nv 1 0 0\nv 0 {bad} 0\nf 1 2 3\n"));
        assert_error(&error, ErrorKind::Value, "vertex 2");
    }
    let ascii = "solid x\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1e999 0 0\nvertex 0 1 0\nendloop\nendfacet\nendsolid";
    assert_error(&refuse("huge.stl", ascii), ErrorKind::Syntax, "finite");
}

#[test]
fn obj_syntax_has_a_line() {
    let error = refuse("word.obj", "v 0 0 0\nv 1 0 0\nv zero 1 0\nf 1 2 3\n");
    assert_error(&error, ErrorKind::Syntax, "position");
    assert_eq!(error.location.line, 3, "{error}");
    for index in ["0", "-5", "999999", "99999999999999999999"] {
        assert_error(
            &refuse("index.obj", format!("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 {index}\n")),
            ErrorKind::Syntax,
            "OBJ",
        );
    }
    assert_error(&refuse("empty.obj", ""), ErrorKind::Value, "without triangles");
    assert_error(&refuse("points.obj", "v 0 0 0\nv 1 1 1\n"), ErrorKind::Value, "without triangles");
    assert_error(&refuse("binary.obj", [0xFF_u8; 1000]), ErrorKind::Syntax, "OBJ");
}

#[test]
fn materials_are_never_opened() {
    // A material library that is a device without end would hang a reader that opens it.
    let path = folder("hostile_mesh_mtl").join("m.obj");
    fs::write(&path, "mtllib /dev/zero\nusemtl x\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n").unwrap();
    assert_eq!(load_mesh(&path, DVec3::ONE, &MeshLimits::default()).unwrap().triangles.len(), 1);
}

#[test]
fn other_formats_are_named() {
    for name in ["a.dae", "a.glb", "a", "a.stl.zip"] {
        assert_error(&refuse(name, "x"), ErrorKind::Unsupported, "convert to STL or OBJ");
    }
}

#[cfg(unix)]
#[test]
fn only_regular_files_are_opened() {
    let folder = folder("hostile_mesh_files");
    let named = |name: &str| -> PathBuf { folder.join(name) };
    fs::create_dir(named("folder.obj")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", named("zero.stl")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(named("pipe.obj")).status().unwrap();
    assert!(made.success());
    for name in ["folder.obj", "zero.stl", "pipe.obj"] {
        assert_error(&refuse_file(&named(name)), ErrorKind::Io, "not a regular file");
    }
    assert_error(&refuse_file(&named("missing.obj")), ErrorKind::Io, "cannot be read");
}

#[test]
fn sizes_are_checked_before_reading() {
    let folder = folder("hostile_mesh_limits");
    let path = folder.join("sparse.stl");
    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    assert_error(&refuse_file(&path), ErrorKind::Limit, "at most 67108864 bytes");
    let path = folder.join("two.stl");
    fs::write(&path, stl(2, &[TRIANGLE; 2].concat())).unwrap();
    let limits = MeshLimits { max_triangles: 1, ..Default::default() };
    assert_error(
        &load_mesh(&path, DVec3::ONE, &limits).unwrap_err(),
        ErrorKind::Limit,
        "2 triangles; at most 1",
    );
}

#[test]
fn scales_must_be_numbers() {
    let path = folder("hostile_mesh_scale").join("m.stl");
    fs::write(&path, stl(1, &TRIANGLE)).unwrap();
    for scale in [DVec3::ZERO, DVec3::new(1.0, f64::NAN, 1.0), DVec3::new(1.0, 1.0, f64::INFINITY)] {
        let error = load_mesh(&path, scale, &MeshLimits::default()).unwrap_err();
        assert_error(&error, ErrorKind::Value, "mesh scale");
    }
    let error = load_mesh(&path, DVec3::splat(1e300), &MeshLimits::default()).unwrap_err();
    assert_error(&error, ErrorKind::Value, "finite");
}

fn from_points(points: &[[f64; 3]], triangles: &[[u32; 3]]) -> Mesh {
    let at = Location::file("test");
    mesh_from_arrays("m", points, triangles, DVec3::ONE, &at, &MeshLimits::default()).unwrap()
}

#[test]
fn flat_meshes_load_and_have_no_mass() {
    let fan = [[0, 1, 2], [0, 2, 3]];
    let cases = [
        (vec![[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], vec![[0, 1, 2]], "3 distinct vertices"),
        (vec![[1.0, 1.0, 1.0], [0.0; 3], [3.0, 3.0, 3.0], [2.0, 2.0, 2.0]], fan.to_vec(), "in one line"),
        (vec![[0.0; 3], [1.0, 0.0, 0.3], [1.0, 1.0, 0.3], [0.0, 1.0, 0.0]], fan.to_vec(), "in one plane"),
    ];
    for (points, triangles, text) in cases {
        let mesh = from_points(&points, &triangles);
        let reason = check_solid(&mesh).unwrap_err();
        assert!(reason.to_string().contains(text), "{reason}");
        assert_eq!(mass_properties(&mesh), Err(reason.clone()));
        assert_error(&reason.at(Location::file("m.stl")), ErrorKind::Value, "m.stl: mesh");
    }
}

#[test]
fn closed_but_empty_inside() {
    // Two equal faces back to back over a point off their plane: vertices in space, no volume.
    let points = [[0.0; 3], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    let mesh = from_points(&points, &[[0, 1, 2], [0, 2, 1], [0, 1, 3], [0, 3, 1]]);
    let reason = mass_properties(&mesh).unwrap_err();
    assert!(reason.to_string().contains("volume"), "{reason}");
}

#[test]
fn wild_arrays() {
    let at = Location::file("m.xml");
    let limits = MeshLimits::default();
    let far = mesh_from_arrays("m", &[[0.0; 3]; 3], &[[0, 1, 3]], DVec3::ONE, &at, &limits).unwrap_err();
    assert_error(&far, ErrorKind::Value, "vertex 3; 0 to 2");
    // All corners merge, so nothing is left to draw.
    let point = mesh_from_arrays("m", &[[0.0; 3]; 3], &[[0, 1, 2]], DVec3::ONE, &at, &limits).unwrap_err();
    assert_error(&point, ErrorKind::Value, "without triangles");
    let none = mesh_from_arrays("m", &[], &[[0, 0, 0]], DVec3::ONE, &at, &limits).unwrap_err();
    assert_error(&none, ErrorKind::Value, "vertex 0");
}
