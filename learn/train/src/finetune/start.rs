//! The policy that a run begins with: one of a folder, or one that has learned nothing.

use std::path::Path;

use keiko_model::error::nearest_name;
use keiko_policy::vla::checkpoint::WEIGHTS_FILE;
use keiko_policy::vla::config::{ACTION, Feature, FeatureType, Features, STATE};
use keiko_policy::vla::{Checkpoint, Preset, Sizes};
use serde_json::Value;

use super::data::{Demonstrations, Robot};
use super::provenance::{BaseRecord, PROVENANCE_FILE, hash_file};
use crate::TrainError;
use crate::device::Device;
use crate::storage::StorageError;

/// Beside a policy: whose states and actions it knows.
pub const ROBOT_FILE: &str = "robot.json";

/// Where learning begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    /// A folder of lerobot or keiko.
    Base {
        /// The folder.
        folder: &'a Path,
        /// Whether it may learn another robot: features and statistics then become those of the data.
        new_robot: bool,
    },
    /// Nothing.
    Scratch {
        /// Its size.
        size: Preset,
        /// Cameras it looks through, by name; all of the data where empty.
        cameras: &'a [String],
    },
}

/// The policy, and what is to be recorded of its origin.
///
/// # Errors
/// A folder that cannot be read, or of another robot than the data.
pub fn start(
    from: &Origin<'_>,
    data: &dyn Demonstrations,
    seed: u64,
    device: &Device,
) -> Result<(Checkpoint, Option<BaseRecord>), TrainError> {
    match from {
        Origin::Scratch { size, cameras } => Ok((scratch(*size, cameras, data, seed, device)?, None)),
        Origin::Base { folder, new_robot } => {
            let mut base = Checkpoint::load(folder, device.tensors())?;
            let sha256 = hash_file(&folder.join(WEIGHTS_FILE))?;
            let provenance = read_json(&folder.join(PROVENANCE_FILE))?;
            match (read_robot(folder)?, new_robot) {
                (Some(robot), false) => check_robot(&robot, &data.robot())?,
                // A folder that does not say whose it is holds a model to be taught a robot.
                _ => take_features(&mut base, data)?,
            }
            let record = BaseRecord { folder: folder.display().to_string(), sha256, provenance };
            Ok((base, Some(record)))
        }
    }
}

fn scratch(
    preset: Preset,
    chosen: &[String],
    data: &dyn Demonstrations,
    seed: u64,
    device: &Device,
) -> Result<Checkpoint, TrainError> {
    let refuse = |message: String| TrainError::FineTune { what: "dataset".into(), message };
    let there = data.cameras();
    let short = |name: &str| name.strip_prefix(keiko_data::IMAGES).unwrap_or(name).to_owned();
    let find = |name: &String| {
        there.iter().find(|(camera, _)| short(camera) == short(name)).ok_or_else(|| {
            let names = there.iter().map(|(camera, _)| short(camera)).collect::<Vec<_>>();
            let hint = nearest_name(name, names.iter().map(String::as_str));
            let hint = hint.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
            refuse(format!("no camera `{name}`; there are: {}{hint}", names.join(", ")))
        })
    };
    let cameras: Vec<&(String, [usize; 3])> = match chosen.is_empty() {
        true => there.iter().collect(),
        false => chosen.iter().map(find).collect::<Result<_, _>>()?,
    };
    if cameras.is_empty() {
        return Err(refuse("it has no camera".into()));
    }
    let cameras: Vec<(&str, [usize; 3])> =
        cameras.into_iter().map(|(name, shape)| (name.as_str(), *shape)).collect();
    let instructions = data.instructions();
    Ok(Checkpoint::fresh(
        preset,
        &cameras,
        data.dims(),
        instructions.iter().map(String::as_str),
        data.statistics(),
        seed,
        device.tensors(),
    )?)
}

/// Cameras, state, action and statistics of the data instead of the base's.
fn take_features(base: &mut Checkpoint, data: &dyn Demonstrations) -> Result<(), TrainError> {
    let feature = |kind, shape: &[usize]| Feature { kind, shape: shape.to_vec() };
    let [state, action] = data.dims();
    let cameras =
        data.cameras().into_iter().map(|(name, shape)| (name, feature(FeatureType::Visual, &shape)));
    let state = (STATE.to_owned(), feature(FeatureType::State, &[state]));
    base.config.input_features = Features(std::iter::once(state).chain(cameras).collect());
    base.config.output_features =
        Features(vec![(ACTION.to_owned(), feature(FeatureType::Action, &[action]))]);
    base.sizes = Sizes::new(&base.config, &base.vlm)?;
    base.statistics = data.statistics();
    Ok(())
}

/// Whose states and actions the policy of a folder knows, where it says.
///
/// # Errors
/// The file cannot be read or is not understood.
pub fn read_robot(folder: &Path) -> Result<Option<Robot>, TrainError> {
    let Some(value) = read_json(&folder.join(ROBOT_FILE))? else { return Ok(None) };
    serde_json::from_value(value).map(Some).map_err(|error| TrainError::state(ROBOT_FILE, error))
}

/// Refuses data of another robot than the policy's.
///
/// # Errors
/// Names the first difference.
pub fn check_robot(policy: &Robot, data: &Robot) -> Result<(), TrainError> {
    let refuse = |what: &str, message: String| {
        Err(TrainError::FineTune {
            what: what.into(),
            message: format!("{message}; a base may learn another robot with --new-robot"),
        })
    };
    if let (Some(ours), Some(theirs)) = (&policy.robot_type, &data.robot_type)
        && ours != theirs
    {
        return refuse("robot", format!("the policy is of `{ours}`, the data of `{theirs}`"));
    }
    for (what, ours, theirs) in
        [("state", &policy.state, &data.state), ("action", &policy.action, &data.action)]
    {
        if ours.is_empty() || theirs.is_empty() {
            continue;
        }
        let differs = (0..ours.len().max(theirs.len())).find(|&i| ours.get(i) != theirs.get(i));
        if let Some(i) = differs {
            let name = |names: &[String]| names.get(i).map_or("none".to_owned(), |name| format!("`{name}`"));
            let message =
                format!("number {} is {} in the policy and {} in the data", i + 1, name(ours), name(theirs));
            return refuse(what, message);
        }
    }
    Ok(())
}

fn read_json(path: &Path) -> Result<Option<Value>, TrainError> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StorageError::io("read", path)(error).into()),
    };
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|error| StorageError::Format { path: path.to_owned(), message: error.to_string() }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_robot_is_refused_and_the_first_difference_named() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let robot = Robot {
            robot_type: Some("panda".into()),
            fps: 20.0,
            state: names(&["j1", "j2"]),
            action: names(&["j1", "grip"]),
        };
        check_robot(&robot, &robot).expect("the same");
        let unnamed = Robot { state: Vec::new(), robot_type: None, ..robot.clone() };
        check_robot(&robot, &unnamed).expect("nothing to compare");
        let swapped = Robot { state: names(&["j2", "j1"]), ..robot.clone() };
        let message = check_robot(&robot, &swapped).expect_err("another order").to_string();
        assert!(message.contains("number 1 is `j1` in the policy and `j2`"), "{message}");
        let other = Robot { robot_type: Some("so100".into()), ..robot.clone() };
        assert!(check_robot(&robot, &other).expect_err("another robot").to_string().contains("`so100`"));
    }
}
