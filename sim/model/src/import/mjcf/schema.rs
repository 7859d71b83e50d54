//! Which elements and attributes MJCF has: the test for misspelt names.
//!
//! The vocabulary is that of the MuJoCo 4.0 XML reference. A name outside it is an error; a name inside it that
//! no reader asks for is a loss.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::error::{ErrorKind, Result};
use crate::import::xml::Element;

/// One line an element: indentation is nesting, `@group` stands for the attributes of [`GROUPS`].
const ELEMENTS: &str = "
mujoco: model
  compiler: autolimits boundmass boundinertia settotalmass balanceinertia strippath coordinate angle fitaabb eulerseq \
      meshdir texturedir discardvisual usethread fusestatic inertiafromgeom inertiagrouprange saveinertial assetdir \
      alignfree conflict
    lengthrange: mode useexisting uselimit accel maxforce timeconst timestep inttotal interval tolrange
  option: timestep impratio tolerance ls_tolerance noslip_tolerance ccd_tolerance sleep_tolerance gravity wind magnetic \
      density viscosity o_margin o_solref o_solimp o_friction integrator cone jacobian solver iterations ls_iterations \
      noslip_iterations ccd_iterations sdf_iterations sdf_initpoints actuatorgroupdisable @retired_option
    flag: constraint equality frictionloss limit contact spring damper gravity clampctrl warmstart filterparent actuation \
        refsafe sensor midphase eulerdamp autoreset nativeccd island multiccd override energy fwdinv invdiscrete sleep \
        diagexact @retired_flag
  size: memory njmax nconmax nstack nuserdata nkey nuser_body nuser_jnt nuser_geom nuser_site nuser_cam nuser_tendon \
      nuser_actuator nuser_sensor
  statistic: meaninertia meanmass meansize extent center
  visual:
    global: cameraid orthographic fovy ipd azimuth elevation linewidth glow offwidth offheight realtime ellipsoidinertia \
        bvactive
    quality: shadowsize offsamples numslices numstacks numquads
    headlight: ambient diffuse specular active
    map: stiffness stiffnessrot force torque alpha fogstart fogend znear zfar haze shadowclip shadowscale actuatortendon
    scale: forcewidth contactwidth contactheight connect com camera light selectpoint jointlength jointwidth \
        actuatorlength actuatorwidth framelength framewidth constraint slidercrank frustum
    rgba: fog haze force inertia joint actuator actuatornegative actuatorpositive com camera light selectpoint connect \
        contactpoint contactforce contactfriction contacttorque contactgap rangefinder constraint slidercrank crankbroken \
        frustum bv bvactive
  default: class
    mesh: scale maxhullvert inertia
    material: @material
      layer: texture role
    joint: @joint
    geom: @geom
    site: @site
    camera: @camera
    light: @light
    pair: @pair
    equality: active solref solimp
    tendon: @tendon width material rgba
    general: @actuator ctrllimited actlimited actrange gear damping armature cranklength actdim input velrange ffrange \
        dyntype gaintype biastype dynprm gainprm biasprm actearly
    motor: @actuator ctrllimited gear damping armature cranklength
    position: @actuator ctrllimited inheritrange gear damping armature cranklength kp kv dampratio timeconst
    velocity: @actuator ctrllimited gear damping armature cranklength kv
    intvelocity: @actuator ctrllimited actlimited actrange inheritrange gear damping armature cranklength kp kv dampratio
    orientation: @actuator kp kv dampratio input
    pid: @actuator ctrllimited posrange velrange ffrange inheritrange gear damping armature cranklength kp kv dampratio \
        ki imax slewmax input
    damper: @actuator gear damping armature cranklength kv
    cylinder: @actuator ctrllimited gear damping armature cranklength timeconst area diameter bias
    muscle: @actuator ctrllimited gear damping armature cranklength timeconst tausmooth range force scale lmin lmax vmax \
        fpmax fvmax
    adhesion: @actuator gain
    dcmotor: @actuator ctrllimited gear damping armature cranklength motorconst resistance nominal saturation inductance \
        cogging controller thermal lugre input
  extension:
    plugin: plugin
      instance: name
        config: key value
  custom:
    numeric: name size data
    text: name data
    tuple: name
      element: objtype objname prm
  asset:
    mesh: name class content_type file vertex normal texcoord face refpos refquat scale smoothnormal maxhullvert inertia \
        builtin params material
      plugin: @plugin
        config: key value
    hfield: name content_type file nrow ncol size elevation
    skin: @skin
      bone: body bindpos bindquat vertid vertweight
    texture: name type colorspace content_type file gridsize gridlayout fileright fileleft fileup filedown filefront \
        fileback builtin rgb1 rgb2 mark markrgb random width height hflip vflip nchannel
    material: name class @material
      layer: texture role
    model: name file content_type
  body: name childclass pos @orient mocap gravcomp sleep simple user
    inertial: pos @orient mass diaginertia fullinertia
    joint: name class @joint
    freejoint: name group align
    geom: name class @geom
      plugin: @plugin
        config: key value
    attach: model body frame prefix
    site: name class @site
    camera: name class target @camera
    light: name class target texture @light
    plugin: @plugin
      config: key value
    composite: prefix type count offset vertex initial curve size quat
      joint: kind solreffix solimpfix @joint
      skin: texcoord material group rgba inflate subgrid
      geom: @geom
      site: group size material rgba
      plugin: @plugin
        config: key value
    flexcomp: name type group dim dof count cellcount spacing radius rigid mass inertiabox scale file point element \
        texcoord material rgba flatskin pos @orient origin
      edge: equality solref solimp stiffness damping
      elasticity: young poisson damping thickness elastic2d
      contact: @flexcontact
      pin: id range grid gridrange
      plugin: @plugin
        config: key value
  deformable:
    flex: name group dim radius material rgba flatskin body vertex element texcoord elemtexcoord node nodecoord cellcount dof
      contact: @flexcontact
      edge: stiffness damping
      elasticity: young poisson damping thickness elastic2d
    skin: @skin
      bone: body bindpos bindquat vertid vertweight
  contact:
    pair: name class geom1 geom2 @pair
    exclude: name body1 body2
  tendon:
    spatial: name class actuatorfrclimited actuatorfrcrange armature width material rgba @tendon
      site: site
      geom: geom sidesite
      pulley: divisor
    fixed: name class actuatorfrclimited actuatorfrcrange armature @tendon
      joint: joint coef
  equality:
    connect: @equality body1 body2 anchor site1 site2
    weld: @equality body1 body2 relpose anchor site1 site2 torquescale
    joint: @equality joint1 joint2 polycoef
    tendon: @equality tendon1 tendon2 polycoef
    flex: @equality flex
    flexvert: @equality flex
    flexstrain: @equality flex cell
  actuator:
    general: @transmission @actuator ctrllimited actlimited actrange body actdim input velrange ffrange dyntype gaintype \
        biastype dynprm gainprm biasprm actearly
    motor: @transmission @actuator ctrllimited
    position: @transmission @actuator ctrllimited inheritrange kp kv dampratio timeconst
    velocity: @transmission @actuator ctrllimited kv
    intvelocity: @transmission @actuator ctrllimited actlimited actrange inheritrange kp kv dampratio
    orientation: name class joint site refsite @actuator kp kv dampratio input
    pid: @transmission @actuator ctrllimited posrange velrange ffrange inheritrange kp kv dampratio ki imax slewmax input
    damper: @transmission @actuator kv
    cylinder: @transmission @actuator ctrllimited timeconst area diameter bias
    muscle: @transmission @actuator ctrllimited timeconst tausmooth range force scale lmin lmax vmax fpmax fvmax
    adhesion: name class body gain @actuator
    dcmotor: @transmission @actuator ctrllimited motorconst resistance nominal saturation inductance cogging controller \
        thermal lugre input
    plugin: plugin instance @transmission @actuator ctrllimited actlimited actrange actdim dyntype dynprm actearly
      config: key value
  sensor:
    touch: @sensor site
    accelerometer: @sensor site
    velocimeter: @sensor site
    gyro: @sensor site
    force: @sensor site
    torque: @sensor site
    magnetometer: @sensor site
    camprojection: @sensor site camera
    rangefinder: @sensor site camera data
    jointpos: @sensor joint
    jointvel: @sensor joint
    tendonpos: @sensor tendon
    tendonvel: @sensor tendon
    actuatorpos: @sensor actuator
    actuatorvel: @sensor actuator
    actuatorfrc: @sensor actuator
    jointactuatorfrc: @sensor joint
    tendonactuatorfrc: @sensor tendon
    ballquat: @sensor joint
    ballangvel: @sensor joint
    jointlimitpos: @sensor joint
    jointlimitvel: @sensor joint
    jointlimitfrc: @sensor joint
    tendonlimitpos: @sensor tendon
    tendonlimitvel: @sensor tendon
    tendonlimitfrc: @sensor tendon
    framepos: @sensor @frame_ref
    framequat: @sensor @frame_ref
    framexaxis: @sensor @frame_ref
    frameyaxis: @sensor @frame_ref
    framezaxis: @sensor @frame_ref
    framelinvel: @sensor @frame_ref
    frameangvel: @sensor @frame_ref
    framelinacc: @sensor objtype objname
    frameangacc: @sensor objtype objname
    subtreecom: @sensor body
    subtreelinvel: @sensor body
    subtreeangmom: @sensor body
    insidesite: @sensor site objtype objname
    distance: @sensor geom1 geom2 body1 body2
    normal: @sensor geom1 geom2 body1 body2
    fromto: @sensor geom1 geom2 body1 body2
    contact: @sensor geom1 geom2 body1 body2 subtree1 subtree2 site num data reduce
    e_potential: @sensor
    e_kinetic: @sensor
    clock: @sensor
    tactile: @sensor geom mesh
    user: @sensor objtype objname datatype needstage dim
    plugin: @sensor plugin instance @frame_ref
      config: key value
  keyframe:
    key: name time qpos qvel act mpos mquat ctrl
";

/// Attributes that several elements share. The `retired` ones are of older releases and still found in files.
const GROUPS: &[(&str, &str)] = &[
    ("retired_option", "collision apirate mpr_tolerance mpr_iterations"),
    ("retired_flag", "passive sensornoise"),
    ("orient", "quat axisangle xyaxes zaxis euler"),
    ("plugin", "plugin instance"),
    (
        "material",
        "texture texrepeat texuniform emission specular shininess reflectance metallic roughness rgba",
    ),
    (
        "joint",
        "type group pos axis springdamper limited actuatorfrclimited solreflimit solimplimit solreffriction \
         solimpfriction stiffness range actuatorfrcrange actuatorgravcomp margin ref springref armature damping \
         frictionloss user",
    ),
    (
        "geom",
        "type contype conaffinity condim group priority size material friction mass density shellinertia solmix solref \
         solimp margin gap surfacevel adhesion fromto pos quat axisangle xyaxes zaxis euler hfield mesh fitscale rgba \
         fluidshape fluidcoef user",
    ),
    ("site", "type group pos quat axisangle xyaxes zaxis euler material size fromto rgba user"),
    (
        "camera",
        "projection orthographic fovy ipd resolution output pos quat axisangle xyaxes zaxis euler mode focal focalpixel \
         principal principalpixel sensorsize user",
    ),
    (
        "light",
        "directional type castshadow active pos dir bulbradius intensity range attenuation cutoff softness exponent ambient \
         diffuse specular mode",
    ),
    ("pair", "condim friction solref solreffriction solimp gap margin adhesion"),
    ("equality", "name class active solref solimp"),
    (
        "tendon",
        "group limited range solreflimit solimplimit solreffriction solimpfriction frictionloss springlength margin stiffness \
         damping user",
    ),
    ("actuator", "group nsample interp delay ctrlrange user forcelimited forcerange"),
    (
        "transmission",
        "name class lengthrange gear damping armature cranklength joint jointinparent tendon slidersite cranksite site refsite",
    ),
    ("sensor", "name nsample interp delay interval cutoff noise user"),
    ("frame_ref", "objtype objname reftype refname"),
    ("skin", "name file material rgba inflate vertex texcoord face group"),
    (
        "flexcontact",
        "contype conaffinity condim priority friction solmix solref solimp margin gap internal selfcollide activelayers passive",
    ),
];

/// An element's attributes and child elements.
#[derive(Debug, Default)]
struct Entry {
    attributes: Vec<&'static str>,
    children: BTreeMap<&'static str, Entry>,
}

fn mujoco() -> &'static Entry {
    static TABLE: OnceLock<Entry> = OnceLock::new();
    TABLE.get_or_init(|| {
        let lines: Vec<&'static str> = ELEMENTS.lines().filter(|line| !line.trim().is_empty()).collect();
        let (name, mut entry) = parse(&lines, &mut 0);
        debug_assert_eq!(name, "mujoco");
        entry.children.insert("worldbody", Entry::default());
        entry
    })
}

/// One element and what is indented under it.
fn parse(lines: &[&'static str], at: &mut usize) -> (&'static str, Entry) {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let line = lines[*at];
    let (name, attributes) = line.trim().split_once(':').unwrap_or((line.trim(), ""));
    let mut entry = Entry { attributes: expand(attributes), children: BTreeMap::new() };
    *at += 1;
    while lines.get(*at).is_some_and(|next| indent(next) > indent(line)) {
        let (child, below) = parse(lines, at);
        entry.children.insert(child, below);
    }
    (name, entry)
}

fn expand(attributes: &'static str) -> Vec<&'static str> {
    let words = attributes.split_ascii_whitespace().flat_map(|word| match word.strip_prefix('@') {
        None => vec![word],
        Some(group) => {
            let found = GROUPS.iter().find(|(name, _)| *name == group);
            found.map(|(_, names)| names.split_ascii_whitespace().collect()).unwrap_or_default()
        }
    });
    words.collect()
}

/// Refuses every element and attribute that MJCF does not have.
///
/// # Errors
/// `Unknown`, at the first such name, with the nearest one that exists there.
pub fn check(root: &Element) -> Result<()> {
    check_element(root, mujoco(), &[])
}

const FRAME: [&str; 8] = ["name", "childclass", "pos", "quat", "axisangle", "xyaxes", "zaxis", "euler"];
const REPLICATE: [&str; 5] = ["count", "offset", "euler", "sep", "childclass"];

fn check_element(element: &Element, entry: &Entry, attributes: &[&'static str]) -> Result<()> {
    let allowed = if attributes.is_empty() { &entry.attributes[..] } else { attributes };
    if let Some(attribute) = element.attributes.iter().find(|a| !allowed.contains(&a.name.as_str())) {
        let message = format!("`<{}>` has no attribute `{}`", element.name, attribute.name);
        let mut error = attribute.error(ErrorKind::Unknown, message);
        error = error.nearest(&attribute.name, allowed.iter().copied());
        return Err(if error.nearest.is_none() && !allowed.is_empty() {
            error.allowed(format!("it has: {}", allowed.join(", ")))
        } else {
            error
        });
    }
    for child in &element.children {
        check_child(element, entry, child)?;
    }
    Ok(())
}

fn check_child(parent: &Element, entry: &Entry, child: &Element) -> Result<()> {
    let body = &mujoco().children["body"];
    let in_body = std::ptr::eq(entry, body);
    match child.name.as_str() {
        // `body` stands in the table beside the sections only to have a row of its own.
        "body" | "frame" | "replicate" if in_body => check_element(
            child,
            body,
            match child.name.as_str() {
                "frame" => &FRAME,
                "replicate" => &REPLICATE,
                _ => &[],
            },
        ),
        "worldbody" if std::ptr::eq(entry, mujoco()) => {
            if let Some(attribute) = child.attributes.first() {
                return Err(attribute.error(ErrorKind::Unknown, "`<worldbody>` has no attributes"));
            }
            child.children.iter().try_for_each(|c| check_child(child, body, c))
        }
        "default" if entry.children.contains_key("default") || parent.name == "default" => {
            check_element(child, &mujoco().children["default"], &[])
        }
        name => match entry.children.get(name).filter(|_| name != "body") {
            Some(below) => check_element(child, below, &[]),
            None => Err(unknown_child(parent, entry, child)),
        },
    }
}

fn unknown_child(parent: &Element, entry: &Entry, child: &Element) -> crate::Error {
    let mut names: Vec<&str> = entry.children.keys().copied().collect();
    if std::ptr::eq(entry, &mujoco().children["body"]) {
        names.extend(["body", "frame", "replicate"]);
    } else {
        names.retain(|name| *name != "body");
    }
    let message = format!("`<{}>` is not known inside `<{}>`", child.name, parent.name);
    let error = child.error(ErrorKind::Unknown, message).nearest(&child.name, names.iter().copied());
    match (error.nearest.is_some(), names.is_empty()) {
        (true, _) => error,
        (false, true) => error.allowed("it has no child elements"),
        (false, false) => error.allowed(format!("it has: {}", names.join(", "))),
    }
}
