//! MJCF files that want to hurt: each gets one error with a place, within two seconds.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use keiko_model::Error;
use keiko_model::error::ErrorKind;
use keiko_model::import::{ImportOptions, load};

use crate::support::folder;

/// What a refusal may take.
const PATIENCE: Duration = Duration::from_secs(2);

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[track_caller]
fn refused(path: &Path, kind: ErrorKind, says: &str) -> Error {
    let start = Instant::now();
    let result = load(path, &ImportOptions::default());
    let elapsed = start.elapsed();
    let Err(error) = result else { panic!("{} was accepted", path.display()) };
    assert_eq!(error.kind, kind, "{error}");
    assert!(error.to_string().contains(says), "`{says}` is not in: {error}");
    assert!(elapsed < PATIENCE, "took {elapsed:?}: {error}");
    error
}

/// Refused in the file itself, at a line and column.
#[track_caller]
fn refused_text(name: &str, text: &str, kind: ErrorKind, says: &str) -> Error {
    let error = refused(&write(&folder(&format!("hostile-{name}")), "robot.xml", text), kind, says);
    assert!(error.location.line > 0 && error.location.column > 0, "no place: {error}");
    error
}

fn body(inner: &str) -> String {
    format!("<mujoco>\n<worldbody>\n<body name=\"b\">\n{inner}\n</body>\n</worldbody>\n</mujoco>")
}

#[test]
fn deep_nesting() {
    for depth in [5_000, 20_000, 100_000] {
        let text = format!(
            "<mujoco><worldbody>{}{}</worldbody></mujoco>",
            "<body>".repeat(depth),
            "</body>".repeat(depth)
        );
        refused_text(&format!("depth-{depth}"), &text, ErrorKind::Limit, "nested deeper than 256");
        refused_text(
            &format!("open-{depth}"),
            &"<body>".repeat(depth),
            ErrorKind::Limit,
            "nested deeper than 256",
        );
    }
}

#[test]
fn many_elements_and_attributes() {
    let text = format!("<mujoco><worldbody>{}</worldbody></mujoco>", "<geom/>".repeat(1_100_000));
    refused_text("elements", &text, ErrorKind::Limit, "more than 1000000 elements");
    let geoms = format!("<mujoco><worldbody>{}</worldbody></mujoco>", "<geom size=\"1\"/>".repeat(50_001));
    refused_text("geoms", &geoms, ErrorKind::Limit, "more than 50000 geoms");
    let attributes = (0..100_000).fold(String::new(), |mut text, i| {
        write!(text, " a{i}=\"1\"").unwrap();
        text
    });
    refused_text(
        "attributes",
        &format!("<mujoco{attributes}/>"),
        ErrorKind::Limit,
        "more than 256 attributes",
    );
    refused_text(
        "name",
        &body(&format!("<geom name=\"{}\" size=\"1\"/>", "n".repeat(5000))),
        ErrorKind::Limit,
        "name",
    );
}

#[test]
fn includes_that_multiply() {
    // Each file includes the next one twice: 2^18 copies of the last.
    let folder = folder("hostile-fan-out");
    for i in 0..18 {
        let next = format!("<include file=\"f{}.xml\"/>", i + 1);
        let root = if i == 0 { "mujoco" } else { "mujocoinclude" };
        write(&folder, &format!("f{i}.xml"), &format!("<{root}>{next}{next}</{root}>"));
    }
    write(&folder, "f18.xml", "<mujocoinclude/>");
    refused(&folder.join("f0.xml"), ErrorKind::Limit, "includes within includes");
    // Not so deep, but twice.
    let error = refused(
        &write(
            &folder,
            "twice.xml",
            "<mujoco>\n<include file=\"f18.xml\"/><include file=\"f18.xml\"/></mujoco>",
        ),
        ErrorKind::Structure,
        "a second time",
    );
    assert_eq!((error.location.line, error.location.column), (2, 35), "{error}");
}

#[test]
fn includes_in_a_circle() {
    let folder = folder("hostile-cycle");
    write(&folder, "b.xml", "<mujocoinclude>\n<include file=\"a.xml\"/></mujocoinclude>");
    let error = refused(
        &write(&folder, "a.xml", "<mujoco><include file=\"b.xml\"/></mujoco>"),
        ErrorKind::Structure,
        "includes itself",
    );
    assert!(error.location.file.ends_with("b.xml") && error.location.line == 2, "{error}");
}

#[test]
fn too_many_includes() {
    let folder = folder("hostile-many-includes");
    let mut text = "<mujoco>".to_owned();
    for i in 0..65 {
        write(&folder, &format!("{i}.xml"), "<mujocoinclude/>");
        write!(text, "<include file=\"{i}.xml\"/>").unwrap();
    }
    refused(
        &write(&folder, "robot.xml", &(text + "</mujoco>")),
        ErrorKind::Limit,
        "more than 64 included files",
    );
}

#[cfg(unix)]
#[test]
fn files_that_are_no_files() {
    let folder = folder("hostile-kinds");
    std::fs::create_dir(folder.join("dir.xml")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(folder.join("pipe.xml")).status().unwrap();
    assert!(made.success());
    std::os::unix::fs::symlink("/dev/zero", folder.join("zero.xml")).unwrap();
    let including =
        |name: &str| write(&folder, "robot.xml", &format!("<mujoco>\n<include file=\"{name}\"/></mujoco>"));
    refused(&including("dir.xml"), ErrorKind::Io, "not a regular file");
    refused(&including("pipe.xml"), ErrorKind::Io, "not a regular file");
    refused(&including("zero.xml"), ErrorKind::Confinement, "outside the root folder");
    let error = refused(&including("/dev/zero"), ErrorKind::Confinement, "outside the root folder");
    assert_eq!(error.location.line, 2);
    refused(&folder.join("pipe.xml"), ErrorKind::Io, "not a regular file");
    // Even where the root is everything, a device is not read.
    let options = ImportOptions { root: Some("/".into()), ..Default::default() };
    let error = load(&including("/dev/zero"), &options).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Io, "{error}");
}

#[cfg(unix)]
#[test]
fn paths_that_leave_the_folder() {
    let folder = folder("hostile-escape");
    let inside = folder.join("robot");
    std::fs::create_dir(&inside).unwrap();
    write(&folder, "secret.xml", "<mujocoinclude/>");
    std::os::unix::fs::symlink(folder.join("secret.xml"), inside.join("link.xml")).unwrap();
    for name in ["../secret.xml", "link.xml", "../missing.xml"] {
        let path = write(&inside, "robot.xml", &format!("<mujoco>\n<include file=\"{name}\"/></mujoco>"));
        let error = refused(&path, ErrorKind::Confinement, "--root");
        assert_eq!((error.location.line, error.location.column), (2, 10), "{error}");
    }
    let path = write(&inside, "robot.xml", "<mujoco><asset><mesh file=\"../m.stl\"/></asset></mujoco>");
    std::fs::write(folder.join("m.stl"), []).unwrap();
    let error = refused(&path, ErrorKind::Confinement, "--root");
    // The folder that would be needed is named, and with it the file is let in.
    let needed = folder.canonicalize().unwrap();
    assert!(error.to_string().contains(&format!("--root {}", needed.display())), "{error}");
    let path = write(&inside, "robot.xml", "<mujoco><include file=\"../secret.xml\"/></mujoco>");
    let options = ImportOptions { root: Some(needed), ..Default::default() };
    load(&path, &options).unwrap();
}

#[test]
fn document_types_and_entities() {
    let mut laughs = "<!DOCTYPE mujoco [<!ENTITY a0 \"ha\">".to_owned();
    for i in 1..30 {
        write!(laughs, "<!ENTITY a{i} \"&a{};&a{};\">", i - 1, i - 1).unwrap();
    }
    laughs += "]><mujoco model=\"&a29;\"/>";
    refused_text("laughs", &laughs, ErrorKind::Syntax, "document type");
    let external = "<?xml version=\"1.0\"?>\n<!DOCTYPE m [<!ENTITY x SYSTEM \"file:///etc/hostname\">]><mujoco model=\"&x;\"/>";
    let error = refused_text("external", external, ErrorKind::Syntax, "document type");
    assert_eq!(error.location.line, 2);
}

#[test]
fn text_that_is_no_xml() {
    refused_text("nul", "<mujoco model=\"a\0b\"/>", ErrorKind::Syntax, "NUL");
    refused_text("open", "<mujoco><worldbody>", ErrorKind::Syntax, "");
    refused_text("twice", "<mujoco model=\"a\" model=\"b\"/>", ErrorKind::Syntax, "model");
    refused_text("root", "<sdf/>", ErrorKind::Unknown, "<sdf>");
    let folder = folder("hostile-bytes");
    let path = folder.join("robot.xml");
    std::fs::write(&path, b"<mujoco>\n  \xff\xfe</mujoco>").unwrap();
    let error = refused(&path, ErrorKind::Syntax, "not UTF-8");
    assert_eq!((error.location.line, error.location.column), (2, 3));
    std::fs::write(&path, b"").unwrap();
    refused(&path, ErrorKind::Syntax, "");
}

#[test]
fn copies_without_end() {
    for (name, inner) in [
        ("replicate", r#"<replicate count="1000000"><geom size="1"/></replicate>"#),
        (
            "nested",
            r#"<replicate count="1000"><replicate count="1000"><geom size="1"/></replicate></replicate>"#,
        ),
        ("huge", r#"<replicate count="18446744073709551615"><replicate count="2"/></replicate>"#),
    ] {
        refused_text(name, &body(inner), ErrorKind::Limit, "copies");
    }
    refused_text(
        "bodies",
        "<mujoco><worldbody><replicate count=\"10001\"><body/></replicate></worldbody></mujoco>",
        ErrorKind::Limit,
        "10000 bodies",
    );
    refused_text("negative", &body(r#"<replicate count="-1"/>"#), ErrorKind::Value, "not a whole number");
}

#[test]
fn numbers_that_are_none() {
    for value in ["nan", "inf", "-Infinity", "1e999", "0x10", "one", "1,2", ""] {
        let says = if value.is_empty() { "numbers" } else { value };
        refused_text("number", &body(&format!("<geom size=\"{value}\"/>")), ErrorKind::Value, says);
        refused_text(
            "pos",
            &body(&format!("<geom size=\"1\" pos=\"0 {value} 0\"/>")),
            ErrorKind::Value,
            "pos",
        );
    }
    let error =
        refused_text("many", &body("<geom size=\"1 2 3 4\"/>"), ErrorKind::Value, "more than 3 numbers");
    assert_eq!((error.location.line, error.location.column), (4, 7), "{error}");
    let long = "1 ".repeat(25_000_000);
    refused_text("long", &body(&format!("<geom size=\"{long}\"/>")), ErrorKind::Value, "more than 3 numbers");
}

#[test]
fn time_steps() {
    for step in ["0", "-1", "1", "1e-9", "nan"] {
        refused_text(
            "timestep",
            &format!("<mujoco><option timestep=\"{step}\"/></mujoco>"),
            ErrorKind::Value,
            "",
        );
    }
}

#[test]
fn masses_and_shapes() {
    for (inner, says) in [
        (r#"<joint/><inertial pos="0 0 0" mass="-1" diaginertia="1 1 1"/>"#, "the mass is -1"),
        (r#"<joint/><inertial pos="0 0 0" mass="0" diaginertia="1 1 1"/>"#, "no mass"),
        (r#"<joint/>"#, "no mass"),
        (r#"<inertial pos="0 0 0" mass="1" diaginertia="1 1 3"/>"#, "balanceinertia"),
        (r#"<inertial pos="0 0 0" mass="1" diaginertia="1 1 -1"/>"#, "moment of inertia is -1"),
        (r#"<inertial pos="0 0 0" mass="1" fullinertia="1 1 1 5 0 0"/>"#, "moment of inertia is -"),
        (r#"<geom size="1" mass="-1"/>"#, "mass is -1"),
        (r#"<geom size="1" density="-1"/>"#, "density is -1"),
        (r#"<geom size="-1"/>"#, "positive"),
        (r#"<geom type="box" size="1 1"/>"#, "number 3"),
        (r#"<geom size="1" quat="0 0 0 0"/>"#, "no length"),
        (r#"<geom size="1" zaxis="0 0 0"/>"#, "no length"),
        (r#"<joint axis="0 0 0"/><geom size="1"/>"#, "no length"),
        (r#"<joint range="1 -1"/><geom size="1"/>"#, "empty"),
        (r#"<geom type="capsule" size="1" fromto="1 1 1 1 1 1"/>"#, "too close"),
        (r#"<geom size="1" condim="2"/>"#, "1, 3, 4 or 6"),
        (r#"<geom size="1" type="blob"/>"#, "one of: plane"),
    ] {
        let error =
            match load(&write(&folder("hostile-mass"), "robot.xml", &body(inner)), &ImportOptions::default())
            {
                Ok(_) => panic!("accepted: {inner}"),
                Err(error) => error,
            };
        assert!(matches!(error.kind, ErrorKind::Value | ErrorKind::Structure), "{error}");
        assert!(error.to_string().contains(says), "`{says}` is not in: {error}");
        assert!(error.location.line >= 3, "{error}");
    }
}

#[test]
fn unknown_names_and_the_nearest_known_one() {
    for (text, nearest, column) in [
        ("<mujoco><worldbody><bodyy/></worldbody></mujoco>", "body", 20),
        ("<mujoco><worldboddy/></mujoco>", "worldbody", 9),
        ("<mujoco><worldbody><geom sise=\"1\"/></worldbody></mujoco>", "size", 26),
        ("<mujoco><compiler angel=\"radian\"/></mujoco>", "angle", 19),
        ("<mujoco><default><default class=\"a\"><goem/></default></default></mujoco>", "geom", 37),
    ] {
        let error = refused_text("unknown", text, ErrorKind::Unknown, nearest);
        assert_eq!(error.nearest.as_deref(), Some(nearest), "{error}");
        assert_eq!(error.location.column, column, "{error}");
    }
    let keyword = refused_text("keyword", &body("<joint type=\"hindge\"/>"), ErrorKind::Value, "hinge");
    assert_eq!(keyword.nearest.as_deref(), Some("hinge"));
}

#[test]
fn names_twice_and_names_of_nothing() {
    let twice = body("<geom name=\"g\" size=\"1\"/>\n<geom name=\"g\" size=\"1\"/>");
    let error = refused_text("twice-g", &twice, ErrorKind::Structure, "second geom named `g`");
    assert_eq!(error.location.line, 5);
    assert!(error.to_string().contains("robot.xml:4:7"), "the first is not named: {error}");
    let classes = "<mujoco><default><default class=\"a\"/><default class=\"a\"/></default></mujoco>";
    refused_text("twice-class", classes, ErrorKind::Structure, "defined twice");
    refused_text(
        "no-class",
        &body("<geom class=\"leg\" size=\"1\"/>"),
        ErrorKind::Structure,
        "no default class `leg`",
    );
    for (section, inner, nearest) in [
        ("actuator", "<motor joint=\"elbov\"/>", "elbow"),
        ("equality", "<weld body1=\"c\"/>", "b"),
        ("contact", "<exclude body1=\"b\" body2=\"bb\"/>", "b"),
        ("sensor", "<jointpos joint=\"elbo\"/>", "elbow"),
        ("sensor", "<contact geom1=\"lim\"/>", "limb"),
        ("tendon", "<fixed><joint joint=\"elboww\" coef=\"1\"/></fixed>", "elbow"),
    ] {
        let text = format!(
            "<mujoco><worldbody><body name=\"b\"><joint name=\"elbow\"/><geom name=\"limb\" size=\"1\"/></body></worldbody>\n<{section}>{inner}</{section}></mujoco>"
        );
        let error = refused_text("dangling", &text, ErrorKind::Structure, "there is no");
        assert_eq!(error.nearest.as_deref(), Some(nearest), "{error}");
        assert_eq!(error.location.line, 2);
    }
}

#[test]
fn height_fields_of_any_size() {
    for (rows, cols) in [("60000", "60000"), ("2147483647", "2147483647"), ("0", "5"), ("-1", "5")] {
        let field = format!(
            "<mujoco><asset><hfield name=\"h\" nrow=\"{rows}\" ncol=\"{cols}\" size=\"1 1 1 1\"/></asset></mujoco>"
        );
        refused_text("hfield", &field, ErrorKind::Limit, "1 to 4096");
    }
    let folder = folder("hostile-hfield");
    let mut bytes = Vec::new();
    bytes.extend(60_000i32.to_le_bytes());
    bytes.extend(60_000i32.to_le_bytes());
    std::fs::write(folder.join("h.bin"), &bytes).unwrap();
    let text = "<mujoco><asset><hfield file=\"h.bin\" size=\"1 1 1 1\"/></asset></mujoco>";
    refused(&write(&folder, "robot.xml", text), ErrorKind::Limit, "1 to 4096");
    std::fs::write(folder.join("h.png"), &bytes).unwrap();
    let text = "<mujoco><asset><hfield file=\"h.png\" size=\"1 1 1 1\"/></asset></mujoco>";
    refused(&write(&folder, "robot.xml", text), ErrorKind::Syntax, "a damaged PNG file");
}

#[test]
fn meshes_that_lie_about_their_size() {
    let folder = folder("hostile-msh");
    let mut bytes = Vec::new();
    for count in [i32::MAX, 0, 0, i32::MAX] {
        bytes.extend(count.to_le_bytes());
    }
    std::fs::write(folder.join("m.msh"), &bytes).unwrap();
    let path = write(&folder, "robot.xml", "<mujoco><asset><mesh file=\"m.msh\"/></asset></mujoco>");
    refused(&path, ErrorKind::Syntax, "no MSH file");
}

#[test]
fn messages_cannot_turn_the_terminal() {
    let text = body("<geom class=\"a\u{202E}b\" size=\"1\"/>");
    let error = refused_text("rlo", &text, ErrorKind::Structure, "\\u{202e}");
    assert!(!error.to_string().contains('\u{202E}'));
    let text = body("<geom size=\"&#x1B;\"/>");
    let path = write(&folder("hostile-escape-code"), "robot.xml", &text);
    let error = load(&path, &ImportOptions::default()).unwrap_err();
    assert!(!error.to_string().contains('\u{1B}'), "{error:?}");
}
