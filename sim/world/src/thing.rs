//! What has a name in a model.

use keiko_model::robot::{RobotModel, Transmission};

/// A named part of a model, by its index there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Thing {
    /// A body.
    Body(usize),
    /// A joint.
    Joint(usize),
    /// A shape.
    Geom(usize),
    /// A named frame.
    Site(usize),
    /// A camera.
    Camera(usize),
    /// An actuator.
    Actuator(usize),
    /// A sensor.
    Sensor(usize),
}

impl Thing {
    /// Everything in a model, by kind.
    pub fn all(model: &RobotModel) -> Vec<Self> {
        let mut things = Vec::new();
        things.extend((0..model.bodies.len()).map(Self::Body));
        things.extend((0..model.joints.len()).map(Self::Joint));
        things.extend((0..model.geoms.len()).map(Self::Geom));
        things.extend((0..model.sites.len()).map(Self::Site));
        things.extend((0..model.cameras.len()).map(Self::Camera));
        things.extend((0..model.actuators.len()).map(Self::Actuator));
        things.extend((0..model.sensors.len()).map(Self::Sensor));
        things
    }

    /// What kind of thing it is.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Body(_) => "body",
            Self::Joint(_) => "joint",
            Self::Geom(_) => "geom",
            Self::Site(_) => "site",
            Self::Camera(_) => "camera",
            Self::Actuator(_) => "actuator",
            Self::Sensor(_) => "sensor",
        }
    }

    /// Its name.
    pub fn name(self, model: &RobotModel) -> &str {
        match self {
            Self::Body(index) => &model.bodies[index].name,
            Self::Joint(index) => &model.joints[index].name,
            Self::Geom(index) => &model.geoms[index].name,
            Self::Site(index) => &model.sites[index].name,
            Self::Camera(index) => &model.cameras[index].name,
            Self::Actuator(index) => &model.actuators[index].name,
            Self::Sensor(index) => &model.sensors[index].name,
        }
    }

    /// The body that it is, is on, moves or acts on; the world where there is no single one.
    pub fn body(self, model: &RobotModel) -> usize {
        match self {
            Self::Body(index) => index,
            Self::Joint(index) => model.joints[index].body,
            Self::Geom(index) => model.geoms[index].body,
            Self::Site(index) => model.sites[index].body,
            Self::Camera(index) => model.cameras[index].body,
            Self::Actuator(index) => match model.actuators[index].transmission {
                Transmission::Joint { joint } => model.joints[joint].body,
                Transmission::Site { site } => model.sites[site].body,
                Transmission::Tendon { .. } => 0,
            },
            Self::Sensor(_) => 0,
        }
    }

    /// The same thing in another model of the same names.
    pub fn in_other(self, model: &RobotModel, other: &RobotModel) -> Option<Self> {
        let name = self.name(model);
        Self::all(other).into_iter().find(|thing| thing.kind() == self.kind() && thing.name(other) == name)
    }
}
