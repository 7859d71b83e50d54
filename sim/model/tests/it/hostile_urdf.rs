//! URDF files that are broken or malicious: each gives one error with file, line and column, soon.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use keiko_model::Error;
use keiko_model::error::ErrorKind;
use keiko_model::import::{ImportOptions, load};

use crate::support::{Stopwatch, folder};

const DEADLINE: Duration = Duration::from_secs(2);

const INERTIAL: &str =
    "<inertial><mass value='1'/><inertia ixx='1' iyy='1' izz='1' ixy='0' ixz='0' iyz='0'/></inertial>";

fn link(name: &str) -> String {
    format!("<link name='{name}'>{INERTIAL}</link>\n")
}

fn joint(name: &str, parent: &str, child: &str) -> String {
    format!(
        "<joint name='{name}' type='continuous'><parent link='{parent}'/><child link='{child}'/></joint>\n"
    )
}

fn write(name: &str, text: &str) -> PathBuf {
    let path = folder(&format!("hostile_urdf_{name}")).join("r.urdf");
    fs::write(&path, text).unwrap();
    path
}

fn refuse_with(name: &str, text: &str, options: &ImportOptions) -> Error {
    let path = write(name, text);
    let start = Stopwatch::start();
    let error = load(&path, options).err().unwrap_or_else(|| panic!("{name} is accepted"));
    assert!(start.elapsed() < DEADLINE, "{name} took {:?}", start.elapsed());
    let shown = error.to_string();
    assert_eq!(shown.lines().count(), 1, "{shown}");
    assert_eq!(error.location.file, path, "{shown}");
    assert!(error.location.line > 0 && error.location.column > 0, "{shown}");
    error
}

/// The second line of the file holds `body`.
fn refuse(name: &str, body: &str, kind: ErrorKind, line: u32, text: &str) {
    let error = refuse_with(name, &format!("<robot name='r'>\n{body}</robot>\n"), &ImportOptions::default());
    assert_eq!(error.kind, kind, "{error}");
    assert_eq!(error.location.line, line, "{error}");
    assert!(error.to_string().contains(text), "`{error}` does not say `{text}`");
}

fn shape(tag: &str, shape: &str) -> String {
    format!("<link name='a'><{tag}><geometry>{shape}</geometry></{tag}></link>")
}

#[test]
fn links_and_joints_must_form_one_tree() {
    use ErrorKind::Structure;
    let abc = ["a", "b", "c"].map(link).concat();
    refuse("no_link", "", Structure, 1, "no `<link>`");
    refuse("two_links", &format!("{}{}", link("a"), link("a")), Structure, 3, "the first stands at");
    refuse("two_roots", &abc, Structure, 3, "link `b` hangs on no joint, and neither does link `a`");
    let twice = [abc.clone(), joint("j", "a", "b"), joint("j", "b", "c")].concat();
    refuse("two_joints", &twice, Structure, 6, "a second joint named `j`; the first stands at");
    let parents = [abc.clone(), joint("j", "a", "c"), joint("k", "b", "c")].concat();
    refuse("two_parents", &parents, Structure, 6, "it is the child of joint `j` at");
    refuse("self_parent", &[link("a"), joint("j", "a", "a")].concat(), Structure, 3, "to itself");
    let cycle = [abc.clone(), joint("j", "a", "b"), joint("k", "b", "c"), joint("l", "c", "a")].concat();
    refuse("cycle", &cycle, Structure, 7, "cycle");
    let aside = [abc.clone(), joint("j", "b", "c"), joint("k", "c", "b")].concat();
    refuse("cycle_aside", &aside, Structure, 6, "cycle");
    let dangling = [abc.clone(), joint("j", "a", "bb"), joint("k", "a", "c")].concat();
    refuse("dangling", &dangling, Structure, 5, "there is no link named `bb`; did you mean `b`?");
    refuse(
        "no_child",
        &[link("a"), "<joint name='j' type='fixed'><parent link='a'/></joint>".into()].concat(),
        Structure,
        3,
        "lacks the element `<child>`",
    );
    refuse("no_name", "<link/>", Structure, 2, "lacks the attribute `name`");
    refuse("empty_name", "<link name=''/>", ErrorKind::Value, 2, "is empty");
    refuse(
        "long_name",
        &format!("<link name='{}'/>", "x".repeat(300)),
        ErrorKind::Limit,
        2,
        "at most 256 bytes",
    );
    refuse("world", &[link("a"), link("world"), joint("j", "a", "world")].concat(), Structure, 1, "`world`");
}

#[test]
fn numbers_must_be_finite_and_possible() {
    use ErrorKind::Value;
    for (name, bad) in [("nan", "nan"), ("inf", "inf"), ("huge", "1e999"), ("word", "heavy")] {
        let text = link("a").replace("mass value='1'", &format!("mass value='{bad}'"));
        refuse(&format!("mass_{name}"), &text, Value, 2, bad);
        let text = [
            link("a"),
            link("b"),
            joint("j", "a", "b").replace("<parent", &format!("<origin xyz='0 {bad} 0'/><parent")),
        ]
        .concat();
        refuse(&format!("origin_{name}"), &text, Value, 4, bad);
    }
    refuse("mass_negative", &link("a").replace("mass value='1'", "mass value='-1'"), Value, 2, "is negative");
    let moving = |child: &str| [link("a"), child.to_owned(), "\n".to_owned(), joint("j", "a", "b")].concat();
    refuse(
        "mass_zero",
        &moving(&link("b").replace("mass value='1'", "mass value='0'")),
        Value,
        3,
        "neither it nor what is fixed to it has mass",
    );
    refuse("mass_missing", &moving("<link name='b'/>"), Value, 3, "has mass");
    let point = INERTIAL.replace("='1' i", "='0' i").replace("izz='1'", "izz='0'");
    refuse(
        "inertia_zero",
        &moving(&format!("<link name='b'>{point}</link>")),
        Value,
        3,
        "moments of inertia are 0 0 0",
    );
    refuse("triangle", &link("a").replace("ixx='1'", "ixx='3'"), Value, 2, "exceeds the sum of the others");
    refuse("indefinite", &link("a").replace("ixy='0'", "ixy='2'"), Value, 2, "at least 0");
    refuse("five_numbers", &link("a").replace(" izz='1'", ""), ErrorKind::Structure, 2, "`izz`");
    let with = |rest: &str| {
        [
            link("a"),
            link("b"),
            joint("j", "a", "b")
                .replace("continuous", "revolute")
                .replace("</joint>", &format!("{rest}</joint>")),
        ]
        .concat()
    };
    refuse("axis", &with("<axis xyz='0 0 0'/>"), Value, 4, "has no direction");
    refuse(
        "range",
        &with("<limit lower='1' upper='-1' effort='1' velocity='1'/>"),
        Value,
        4,
        "lower must not exceed upper",
    );
    refuse(
        "effort",
        &with("<limit lower='0' upper='1' effort='-1' velocity='1'/>"),
        Value,
        4,
        "`effort` is -1",
    );
    refuse("damping", &with("<dynamics damping='-0.1'/>"), Value, 4, "`damping` is -0.1");
    refuse("mimic_none", &with("<mimic joint='k'/>"), ErrorKind::Structure, 4, "did you mean `j`?");
    refuse("mimic_self", &with("<mimic joint='j'/>"), ErrorKind::Structure, 4, "follows itself");
    refuse(
        "friction",
        "<link name='a'><contact><lateral_friction value='-1'/></contact></link>",
        Value,
        2,
        "is negative",
    );
}

#[test]
fn joints_cannot_follow_each_other() {
    let follow = |name: &str, parent: &str, child: &str, leader: &str| {
        joint(name, parent, child).replace("</joint>", &format!("<mimic joint='{leader}'/></joint>"))
    };
    let links = ["a", "b", "c", "d"].map(link).concat();
    let lead = joint("j", "a", "b");
    let good = [links.clone(), lead.clone(), follow("k", "b", "c", "j"), follow("l", "c", "d", "k")].concat();
    let path = write("mimic_chain", &format!("<robot name='r'>{good}</robot>"));
    assert_eq!(load(&path, &ImportOptions::default()).unwrap().model.equalities.len(), 2);
    let bad = [links, lead, follow("k", "b", "c", "l"), follow("l", "c", "d", "k")].concat();
    refuse("mimic_cycle", &bad, ErrorKind::Structure, 7, "joint `k` follows itself");
}

#[test]
fn kinds_and_shapes_must_be_known() {
    use ErrorKind::{Structure, Unsupported, Value};
    let kind = |kind: &str| [link("a"), link("b"), joint("j", "a", "b").replace("continuous", kind)].concat();
    refuse("planar", &kind("planar"), Unsupported, 4, "two prismatic joints");
    refuse("kind", &kind("revolut"), Value, 4, "did you mean `revolute`?");
    let floating = [
        link("a"),
        link("b"),
        link("c"),
        joint("j", "a", "b"),
        joint("k", "b", "c").replace("continuous", "floating"),
    ];
    refuse("floating", &floating.concat(), Unsupported, 6, "floats in the moving link `b`");
    refuse("no_shape", &shape("collision", ""), Structure, 2, "is empty");
    refuse("cone", &shape("collision", "<cone/>"), Unsupported, 2, "one of: box, cylinder");
    for (name, bad) in [
        ("box", "<box size='1 0 1'/>"),
        ("sphere", "<sphere radius='-1'/>"),
        ("cylinder", "<cylinder radius='1' length='0'/>"),
        ("count", "<box size='1 1'/>"),
        ("plane", "<plane normal='0 0 0'/>"),
    ] {
        refuse(&format!("size_{name}"), &shape("collision", bad), Value, 2, "");
    }
    refuse("xacro", "<xacro:macro xmlns:xacro='x'/>", Unsupported, 2, "run `xacro` on the file first");
    refuse("deformable", "<deformable name='d'/>", Unsupported, 2, "deformable");
    refuse("geometry", "<link name='a'><visual/></link>", Structure, 2, "lacks `<geometry>`");
}

#[test]
fn meshes_stay_inside_and_whole() {
    use ErrorKind::{Confinement, Io, Unsupported, Value};
    let mesh = |tag: &str, file: &str| shape(tag, &format!("<mesh filename='{file}'/>"));
    refuse("missing", &mesh("collision", "m.obj"), Io, 2, "there is no mesh `m.obj`");
    refuse("dae", &mesh("collision", "package://p/m.dae"), Io, 2, "there is no mesh");
    refuse("http", &mesh("collision", "http://host/m.stl"), Unsupported, 2, "`http://`");
    for tag in ["visual", "collision"] {
        refuse(
            &format!("up_{tag}"),
            &mesh(tag, "../../../../../../../../etc/passwd"),
            Confinement,
            2,
            "outside the root",
        );
        refuse(
            &format!("absolute_{tag}"),
            &mesh(tag, "file:///etc/passwd"),
            Confinement,
            2,
            "outside the root",
        );
        refuse(
            &format!("scale_{tag}"),
            &shape(tag, "<mesh filename='m.obj' scale='1 0 1'/>"),
            Value,
            2,
            "flattens",
        );
    }
    let path = write("flat", &format!("<robot name='r'>{}</robot>", mesh("collision", "flat.obj")));
    fs::write(path.with_file_name("flat.obj"), "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3 4\n").unwrap();
    let error = load(&path, &ImportOptions::default()).unwrap_err();
    assert!(error.to_string().contains("r.urdf:1:") && error.to_string().contains("in one plane"), "{error}");
    fs::write(path.with_file_name("flat.obj"), "v 0 0 0\nv 1 0 nan\nv 1 1 0\nf 1 2 3\n").unwrap();
    let error = load(&path, &ImportOptions::default()).unwrap_err();
    assert!(error.to_string().contains("flat.obj: mesh vertex 1"), "{error}");
    let path = write("dae", &format!("<robot name='r'>{}</robot>", mesh("collision", "m.dae")));
    fs::write(path.with_file_name("m.dae"), "<x/>").unwrap();
    let error = load(&path, &ImportOptions::default()).unwrap_err();
    assert!(
        error.kind == Unsupported && error.to_string().contains("m.dae") && error.location.line == 1,
        "{error}"
    );
}

#[test]
fn depth_and_counts_are_bounded() {
    let nested = format!("{}{}", "<link name='a'>".repeat(20_000), "</link>".repeat(20_000));
    refuse("nesting", &nested, ErrorKind::Limit, 2, "nested deeper than 256");
    let many: String = (0..10_001).map(|i| format!("<link name='l{i}'/>\n")).collect();
    refuse("links", &many, ErrorKind::Limit, 10_002, "more than 10000 links");
    let shapes = "<visual name='v'><geometry><sphere radius='1'/></geometry></visual>".repeat(50_001);
    refuse("shapes", &format!("<link name='a'>{shapes}</link>"), ErrorKind::Limit, 2, "more than 50000");
}

#[test]
fn long_chains_are_fine() {
    /// Links in one chain, each following the joint before it: what a recursion or a quadratic search would choke on.
    const LINKS: usize = 9_999;
    let mut text = "<robot name='r'>".to_owned();
    (0..LINKS).for_each(|i| text.push_str(&link(&format!("l{i}"))));
    for i in 1..LINKS {
        let mimic =
            if i > 1 { format!("<mimic joint='j{}'/></joint>", i - 1) } else { "</joint>".to_owned() };
        text.push_str(
            &joint(&format!("j{i}"), &format!("l{}", i - 1), &format!("l{i}")).replace("</joint>", &mimic),
        );
    }
    let path = write("chain", &(text + "</robot>"));
    let start = Stopwatch::start();
    let model = load(&path, &ImportOptions::default()).unwrap_or_else(|e| panic!("{e}")).model;
    assert_eq!((model.bodies.len(), model.equalities.len()), (LINKS + 1, LINKS - 2));
    assert!(start.elapsed() < DEADLINE, "{:?}", start.elapsed());
}

#[test]
fn a_base_without_mass_cannot_float() {
    let options = ImportOptions { floating_base: true, ..Default::default() };
    let error = refuse_with("float_massless", "<robot name='r'>\n<link name='a'/></robot>", &options);
    assert!(error.to_string().contains("link `a` moves"), "{error}");
    let error = refuse_with("float_world", "<robot name='r'>\n<link name='world'/></robot>", &options);
    assert!(error.to_string().contains("cannot float"), "{error}");
}
