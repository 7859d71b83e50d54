//! Names and units of the numbers of joints and sensors.

use keiko_model::robot::{JointKind, SensorKind};

/// Of the `k`th number of a joint in qpos.
pub fn position(kind: JointKind, k: usize) -> (&'static str, &'static str) {
    match kind {
        JointKind::Free if k < 3 => (["x", "y", "z"][k], "m"),
        JointKind::Free => (["qx", "qy", "qz", "qw"][k - 3], ""),
        JointKind::Ball => (["qx", "qy", "qz", "qw"][k], ""),
        JointKind::Revolute => ("position", "rad"),
        JointKind::Prismatic => ("position", "m"),
    }
}

/// Of the `k`th number of a joint in qvel.
pub fn velocity(kind: JointKind, k: usize) -> (&'static str, &'static str) {
    match kind {
        JointKind::Free if k < 3 => (["vx", "vy", "vz"][k], "m/s"),
        JointKind::Free => (["wx", "wy", "wz"][k - 3], "rad/s"),
        JointKind::Ball => (["wx", "wy", "wz"][k], "rad/s"),
        JointKind::Revolute => ("velocity", "rad/s"),
        JointKind::Prismatic => ("velocity", "m/s"),
    }
}

/// Of what a joint's effort is measured in.
pub fn effort(kind: JointKind) -> &'static str {
    match kind {
        JointKind::Prismatic => "N",
        _ => "N·m",
    }
}

/// Of what a sensor gives.
pub fn sensor(kind: &SensorKind) -> &'static str {
    match kind {
        SensorKind::JointPosition(_) | SensorKind::TendonPosition(_) => "rad, m",
        SensorKind::JointVelocity(_) | SensorKind::TendonVelocity(_) => "rad/s, m/s",
        SensorKind::ActuatorForce(_)
        | SensorKind::JointActuatorForce(_)
        | SensorKind::JointForce(_)
        | SensorKind::ContactWrench { .. } => "N, N·m",
        SensorKind::FramePosition(..) | SensorKind::RayDistance { .. } | SensorKind::HeightScan(_) => "m",
        SensorKind::FrameOrientation(..) | SensorKind::FrameAxis(..) => "",
        SensorKind::FrameLinearVelocity(..) | SensorKind::Velocimeter(_) => "m/s",
        SensorKind::FrameAngularVelocity(..) | SensorKind::Gyro(_) => "rad/s",
        SensorKind::Accelerometer(_) => "m/s²",
        SensorKind::Touch(_) | SensorKind::ContactForce(_) => "N",
    }
}

/// Name of the `k`th number of a sensor.
pub fn sensor_part(kind: &SensorKind, k: usize) -> String {
    match kind.size() {
        1 => "value".to_owned(),
        3 if !matches!(kind, SensorKind::HeightScan(_)) => ["x", "y", "z"][k].to_owned(),
        4 if matches!(kind, SensorKind::FrameOrientation(..)) => ["qx", "qy", "qz", "qw"][k].to_owned(),
        6 => ["fx", "fy", "fz", "tx", "ty", "tz"][k].to_owned(),
        _ => k.to_string(),
    }
}
