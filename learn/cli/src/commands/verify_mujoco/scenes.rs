//! Scenes of level C, written here so that their truth is known: what moves, how long, and what is asked of it.

/// A scene.
pub struct Scene {
    /// Name of its rows.
    pub name: &'static str,
    /// MJCF, with a site `tip`.
    pub xml: &'static str,
    /// Time that is simulated \[s\].
    pub seconds: f64,
    /// Initial velocity of the first degree of freedom.
    pub first_velocity: f64,
    /// What is asked.
    pub asks: &'static [Ask],
}

/// What is asked of a trajectory.
pub enum Ask {
    /// Distance of the tip from MuJoCo's (RK4, a quarter of the step) never beyond `most` \[m\] until `until` \[s\].
    Tip {
        /// Time \[s\].
        until: f64,
        /// Demand \[m\].
        most: f64,
    },
    /// At the end the cube lies flat, at half its size, near MuJoCo's, and its contact force is its weight.
    Rest,
}

/// All of them. Demands of smooth scenes leave room for a first-order integrator at 2 ms.
pub const SCENES: [Scene; 7] = [
    Scene {
        name: "double pendulum",
        xml: include_str!("xml/double_pendulum.xml"),
        seconds: 3.0,
        first_velocity: 0.0,
        asks: &[Ask::Tip { until: 1.0, most: 2e-3 }, Ask::Tip { until: 3.0, most: 1e-2 }],
    },
    Scene {
        name: "cart-pole",
        xml: include_str!("xml/cart_pole.xml"),
        seconds: 2.0,
        first_velocity: 0.0,
        asks: &[Ask::Tip { until: 2.0, most: 5e-3 }],
    },
    Scene {
        name: "reacher",
        xml: include_str!("xml/reacher.xml"),
        seconds: 2.0,
        first_velocity: 0.0,
        asks: &[Ask::Tip { until: 2.0, most: 5e-3 }],
    },
    Scene {
        name: "arm of seven axes",
        xml: include_str!("xml/arm.xml"),
        seconds: 2.0,
        first_velocity: 0.0,
        asks: &[Ask::Tip { until: 2.0, most: 5e-3 }],
    },
    Scene {
        name: "box tumble",
        xml: include_str!("xml/tumble.xml"),
        seconds: 3.0,
        first_velocity: 1.0,
        asks: &[Ask::Rest],
    },
    Scene {
        name: "ball drop",
        xml: include_str!("xml/ball_drop.xml"),
        seconds: 0.5,
        first_velocity: 0.0,
        asks: &[Ask::Tip { until: 0.5, most: 1e-3 }],
    },
    Scene {
        name: "box drop",
        xml: include_str!("xml/box_drop.xml"),
        seconds: 0.5,
        first_velocity: 0.0,
        asks: &[Ask::Tip { until: 0.5, most: 1e-3 }],
    },
];
