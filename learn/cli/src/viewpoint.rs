//! Which camera is meant.

use anyhow::anyhow;
use keiko_camera::{Camera, overview};
use keiko_model::RobotModel;
use keiko_model::error::nearest_name;

/// Name of the camera that every scene has.
pub const OVERVIEW: &str = "overview";
/// Its image, where nobody gave a size \[pixel\].
const SIZE: [u32; 2] = [640, 480];

/// The camera of a name, else the one that is meant where none is named, else the overview; `qpos` is what an overview
/// shows whole.
///
/// # Errors
/// There is no such camera: those that there are, and the nearest name.
pub fn choose(
    model: &RobotModel,
    qpos: &[f64],
    named: Option<&str>,
    meant: Option<&str>,
    size: Option<[u32; 2]>,
) -> anyhow::Result<Camera> {
    let wanted = named.or(meant).unwrap_or(OVERVIEW);
    let has_own = || model.cameras.iter().any(|camera| camera.name == OVERVIEW);
    if wanted == OVERVIEW && !has_own() {
        return Ok(overview(model, qpos, size.unwrap_or(SIZE)));
    }
    find(model, wanted, size, &[OVERVIEW])
}

/// The camera of a name, its images of `size` where that is given; `others` are names that are allowed besides.
///
/// # Errors
/// There is no such camera: those that there are, and the nearest name.
pub fn find(
    model: &RobotModel,
    wanted: &str,
    size: Option<[u32; 2]>,
    others: &[&str],
) -> anyhow::Result<Camera> {
    let names = || model.cameras.iter().map(|camera| camera.name.as_str()).chain(others.iter().copied());
    let camera = model.cameras.iter().find(|camera| camera.name == wanted).ok_or_else(|| {
        let hint = nearest_name(wanted, names()).map(|name| format!("; did you mean `{name}`?"));
        let allowed = names().collect::<Vec<_>>().join(", ");
        anyhow!("there is no camera `{wanted}`; there are {allowed}{}", hint.unwrap_or_default())
    })?;
    Ok(size.map_or_else(|| camera.clone(), |size| camera.clone().resized(size)))
}
