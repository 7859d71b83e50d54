//! Checks of everything that hangs on bodies and joints.

use super::Check;
use crate::camera::Follow;
use crate::inertia::check_solid;
use crate::robot::{ContactSide, EqualityKind, FrameRef, SensorKind, Shape, Transmission};

impl Check<'_> {
    pub(super) fn shapes(&mut self) {
        for mesh in &self.model.meshes {
            let name = &mesh.name;
            if mesh.vertices.iter().flatten().any(|x| !x.is_finite()) {
                self.fail("mesh", name, "has a vertex that is not finite");
            }
            let count = mesh.vertices.len();
            if mesh.triangles.is_empty() || mesh.triangles.iter().flatten().any(|i| *i as usize >= count) {
                self.fail("mesh", name, format!("has no triangle, or one beyond its {count} vertices"));
            }
        }
        for mesh in self.model.meshes.iter().filter(|mesh| !mesh.texcoords.is_empty()) {
            if mesh.texcoords.len() != mesh.triangles.len()
                || mesh.texcoords.iter().flatten().flatten().any(|x| !x.is_finite())
            {
                self.fail("mesh", &mesh.name, "has no place in a texture for some triangle");
            }
        }
        for texture in &self.model.textures {
            let faces = texture.kind.num_faces();
            let bytes =
                texture.width.checked_mul(texture.height).and_then(|area| area.checked_mul(3 * faces));
            if bytes != Some(texture.pixels.len()) || texture.pixels.is_empty() {
                self.fail("texture", &texture.name, format!("has {} bytes", texture.pixels.len()));
            }
        }
        for material in &self.model.materials {
            let name = &material.name;
            if let Some(finish) = material.finish {
                for share in [finish.roughness, finish.metallic, finish.specular] {
                    if !(0.0..=1.0).contains(&share) {
                        self.fail("material", name, format!("has a share of {share}, not from 0 to 1"));
                    }
                }
                self.at_least_zero("material", name, "emission", finish.emission);
            }
            if let Some(used) = material.texture {
                self.index("material", name, "texture", used.texture, self.model.textures.len());
                self.finite("material", name, "repeat", &used.repeat);
            }
        }
        for field in &self.model.height_fields {
            let name = &field.name;
            if field.num_rows < 2
                || field.num_cols < 2
                || field.num_rows.checked_mul(field.num_cols) != Some(field.heights.len())
            {
                let size = (field.num_rows, field.num_cols);
                self.fail(
                    "height field",
                    name,
                    format!("of size {size:?} has {} heights", field.heights.len()),
                );
            }
            if field.heights.iter().any(|h| !h.is_finite()) {
                self.fail("height field", name, "has a height that is not finite");
            }
            self.positive("height field", name, "half size", field.half_size[0].min(field.half_size[1]));
            self.at_least_zero("height field", name, "base", field.base);
        }
    }

    pub(super) fn geoms_and_sites(&mut self) {
        let m = self.model;
        for geom in &m.geoms {
            let name = &geom.name;
            self.index("geom", name, "body", geom.body, m.bodies.len());
            if let Some(material) = geom.material {
                self.index("geom", name, "material", material, m.materials.len());
            }
            self.pose("geom", name, geom.pose);
            self.shape(name, &geom.shape, geom.collides());
            for friction in geom.friction.to_array() {
                self.at_least_zero("geom", name, "friction", friction);
            }
            if !matches!(geom.condim, 1 | 3 | 4 | 6) {
                self.fail(
                    "geom",
                    name,
                    format!("has contacts of dimension {}; 1, 3, 4 and 6 exist", geom.condim),
                );
            }
            self.at_least_zero("geom", name, "restitution", geom.restitution);
            self.at_least_zero("geom", name, "solmix", geom.solmix);
            self.finite("geom", name, "margin or gap", &[geom.margin, geom.gap]);
            self.finite("geom", name, "softness", &geom.softness.solref);
            self.finite("geom", name, "softness", &geom.softness.solimp);
            self.finite("geom", name, "colour", &geom.rgba.map(f64::from));
        }
        for site in &m.sites {
            self.index("site", &site.name, "body", site.body, m.bodies.len());
            self.pose("site", &site.name, site.pose);
        }
    }

    pub(super) fn cameras(&mut self) {
        for camera in &self.model.cameras {
            let name = &camera.name;
            self.index("camera", name, "body", camera.body, self.model.bodies.len());
            self.pose("camera", name, camera.pose);
            if let Follow::Target { from, body, .. } = camera.follow {
                self.index("camera", name, "target", body, self.model.bodies.len());
                self.finite("camera", name, "place", &from.to_array());
            }
            self.finite("camera", name, "principal point", &camera.center);
            self.finite("camera", name, "lens", &camera.lens.coefficients());
            for focal in camera.focal {
                self.positive("camera", name, "focal length", focal);
            }
            self.at_least_zero("camera", name, "near", camera.near);
            self.positive("camera", name, "far", camera.far);
            if camera.size.contains(&0) {
                self.fail("camera", name, "has an image without pixels");
            } else if let Some([x, y]) = camera.blind_spot() {
                self.fail("camera", name, format!("has a lens without a ray for the point ({x:.1}, {y:.1})"));
            }
        }
    }

    pub(super) fn lamps(&mut self) {
        for lamp in self.model.lamps.iter().chain(&self.model.file_light.lamps) {
            let name = &lamp.name;
            self.index("lamp", name, "body", lamp.body, self.model.bodies.len());
            self.finite("lamp", name, "position", &lamp.position.to_array());
            self.finite("lamp", name, "direction", &lamp.direction.to_array());
            lamp.color.to_array().into_iter().for_each(|c| self.at_least_zero("lamp", name, "colour", c));
            self.positive("lamp", name, "range", lamp.range);
            self.at_least_zero("lamp", name, "exponent", lamp.exponent);
            lamp.attenuation.into_iter().for_each(|a| self.at_least_zero("lamp", name, "attenuation", a));
        }
    }

    fn shape(&mut self, name: &str, shape: &Shape, collides: bool) {
        match *shape {
            Shape::Plane { half_size } => {
                half_size.iter().for_each(|s| self.at_least_zero("geom", name, "size", *s))
            }
            Shape::Sphere { radius } => self.positive("geom", name, "radius", radius),
            Shape::Capsule { radius, half_length } | Shape::Cylinder { radius, half_length } => {
                self.positive("geom", name, "radius", radius);
                self.positive("geom", name, "half length", half_length);
            }
            Shape::Box { half_size: size } | Shape::Ellipsoid { radii: size } => {
                size.to_array().into_iter().for_each(|s| self.positive("geom", name, "half size", s));
            }
            Shape::Mesh { mesh } => {
                if self.index("geom", name, "mesh", mesh, self.model.meshes.len())
                    && collides
                    && let Err(flat) = check_solid(&self.model.meshes[mesh])
                {
                    self.fail("geom", name, format!("collides with a {flat}"));
                }
            }
            Shape::HeightField { height_field } => {
                self.index("geom", name, "height field", height_field, self.model.height_fields.len());
            }
        }
    }

    fn scalar_joint(&mut self, kind: &str, name: &str, joint: usize) {
        if self.index(kind, name, "joint", joint, self.model.joints.len())
            && self.model.joints[joint].kind.num_dofs() != 1
        {
            self.fail(
                kind,
                name,
                format!("needs a revolute or prismatic joint, not `{}`", self.model.joints[joint].name),
            );
        }
    }

    pub(super) fn tendons(&mut self) {
        for tendon in &self.model.tendons {
            let name = &tendon.name;
            for (joint, coefficient) in &tendon.terms {
                self.scalar_joint("tendon", name, *joint);
                self.finite("tendon", name, "coefficient", &[*coefficient]);
            }
            self.range("tendon", name, "range", tendon.range);
            let [low, high] = tendon.spring_length;
            self.range("tendon", name, "spring length", Some([low, high]));
            for number in [tendon.stiffness, tendon.damping, tendon.friction_loss] {
                self.at_least_zero("tendon", name, "stiffness, damping or friction loss", number);
            }
        }
    }

    pub(super) fn actuators(&mut self) {
        let m = self.model;
        for actuator in &m.actuators {
            let name = &actuator.name;
            match actuator.transmission {
                Transmission::Joint { joint } => self.index("actuator", name, "joint", joint, m.joints.len()),
                Transmission::Tendon { tendon } => {
                    self.index("actuator", name, "tendon", tendon, m.tendons.len())
                }
                Transmission::Site { site } => self.index("actuator", name, "site", site, m.sites.len()),
            };
            self.finite("actuator", name, "gear", &actuator.gear);
            self.finite("actuator", name, "gain", &[actuator.gain]);
            self.finite("actuator", name, "bias", &actuator.bias);
            self.range("actuator", name, "control range", actuator.ctrl_range);
            self.range("actuator", name, "force range", actuator.force_range);
            self.at_least_zero("actuator", name, "time constant", actuator.time_constant);
        }
    }

    pub(super) fn sensors(&mut self) {
        let m = self.model;
        for sensor in &m.sensors {
            let name = &sensor.name;
            self.finite("sensor", name, "noise or cutoff", &[sensor.noise, sensor.cutoff]);
            match sensor.kind {
                SensorKind::JointPosition(j)
                | SensorKind::JointVelocity(j)
                | SensorKind::JointActuatorForce(j)
                | SensorKind::JointForce(j) => self.scalar_joint("sensor", name, j),
                SensorKind::TendonPosition(i) | SensorKind::TendonVelocity(i) => {
                    self.index("sensor", name, "tendon", i, m.tendons.len());
                }
                SensorKind::ActuatorForce(i) => {
                    self.index("sensor", name, "actuator", i, m.actuators.len());
                }
                SensorKind::FramePosition(frame, reference)
                | SensorKind::FrameOrientation(frame, reference)
                | SensorKind::FrameLinearVelocity(frame, reference)
                | SensorKind::FrameAngularVelocity(frame, reference) => self.frames(name, frame, reference),
                SensorKind::FrameAxis(frame, axis, reference) => {
                    self.frames(name, frame, reference);
                    self.index("sensor", name, "axis", usize::from(axis), 3);
                }
                SensorKind::Accelerometer(i)
                | SensorKind::Gyro(i)
                | SensorKind::Velocimeter(i)
                | SensorKind::Touch(i) => {
                    self.index("sensor", name, "site", i, m.sites.len());
                }
                SensorKind::ContactWrench { on, with, frame } => {
                    for side in [Some(on), with].into_iter().flatten() {
                        self.contact_side(name, side);
                    }
                    if let Some(frame) = frame {
                        self.frames(name, frame, None);
                    }
                }
                SensorKind::RayDistance { frame, axis, reach } => {
                    self.frames(name, frame, None);
                    self.finite("sensor", name, "axis or reach", &axis.to_array());
                    self.finite("sensor", name, "axis or reach", &[reach.unwrap_or(0.0)]);
                }
                SensorKind::HeightScan(scan) => {
                    self.index("sensor", name, "body", scan.body, m.bodies.len());
                    let numbers = [scan.spacing, scan.offset, [scan.above, scan.reach]];
                    self.finite("sensor", name, "grid", numbers.as_flattened());
                }
                SensorKind::ContactForce(i) => {
                    self.index("sensor", name, "body", i, m.bodies.len());
                }
            }
        }
    }

    fn contact_side(&mut self, name: &str, side: ContactSide) {
        let m = self.model;
        match side {
            ContactSide::Body(i) => self.index("sensor", name, "body", i, m.bodies.len()),
            ContactSide::Geom(i) => self.index("sensor", name, "geom", i, m.geoms.len()),
        };
    }

    fn frames(&mut self, name: &str, frame: FrameRef, reference: Option<FrameRef>) {
        let m = self.model;
        for frame in std::iter::once(frame).chain(reference) {
            match frame {
                FrameRef::Body(i) | FrameRef::BodyCom(i) => {
                    self.index("sensor", name, "body", i, m.bodies.len())
                }
                FrameRef::Geom(i) => self.index("sensor", name, "geom", i, m.geoms.len()),
                FrameRef::Site(i) => self.index("sensor", name, "site", i, m.sites.len()),
            };
        }
    }

    pub(super) fn equalities(&mut self) {
        let m = self.model;
        for equality in &m.equalities {
            let name = &equality.name;
            self.finite("equality", name, "softness", &equality.softness.solref);
            self.finite("equality", name, "softness", &equality.softness.solimp);
            match equality.kind {
                EqualityKind::Connect { body_a, body_b, anchor_in_a, anchor_in_b } => {
                    self.body_pair(name, [body_a, body_b]);
                    self.finite("equality", name, "anchor", &anchor_in_a.to_array());
                    self.finite("equality", name, "anchor", &anchor_in_b.to_array());
                }
                EqualityKind::Weld { body_a, body_b, a_from_b, anchor_in_b } => {
                    self.body_pair(name, [body_a, body_b]);
                    self.pose("equality", name, a_from_b);
                    self.finite("equality", name, "anchor", &anchor_in_b.to_array());
                }
                EqualityKind::Joint { joint, other, polynomial } => {
                    self.finite("equality", name, "polynomial", &polynomial);
                    std::iter::once(joint).chain(other).for_each(|j| self.scalar_joint("equality", name, j));
                    if other == Some(joint) {
                        self.fail("equality", name, "makes a joint follow itself");
                    }
                }
                EqualityKind::Tendon { tendon, other, polynomial } => {
                    self.finite("equality", name, "polynomial", &polynomial);
                    for index in std::iter::once(tendon).chain(other) {
                        self.index("equality", name, "tendon", index, m.tendons.len());
                    }
                }
            }
        }
    }

    fn body_pair(&mut self, name: &str, bodies: [usize; 2]) {
        for body in bodies {
            self.index("equality", name, "body", body, self.model.bodies.len());
        }
        if bodies[0] == bodies[1] {
            self.fail("equality", name, "ties a body to itself");
        }
    }

    pub(super) fn contacts(&mut self) {
        let m = self.model;
        for (index, pair) in m.contact_pairs.iter().enumerate() {
            let name = format!("#{index}");
            for geom in pair.geoms {
                self.index("contact pair", &name, "geom", geom, m.geoms.len());
            }
            if pair.condim.is_some_and(|c| !matches!(c, 1 | 3 | 4 | 6)) {
                self.fail("contact pair", &name, "has a dimension other than 1, 3, 4 and 6");
            }
            let friction = pair.friction.unwrap_or_default();
            friction.into_iter().for_each(|f| self.at_least_zero("contact pair", &name, "friction", f));
            self.finite(
                "contact pair",
                &name,
                "margin or gap",
                &[pair.margin.unwrap_or(0.0), pair.gap.unwrap_or(0.0)],
            );
        }
        for (index, bodies) in m.contact_excludes.iter().enumerate() {
            for body in bodies {
                self.index("contact exclude", &format!("#{index}"), "body", *body, m.bodies.len());
            }
        }
    }

    pub(super) fn keyframes(&mut self) {
        let m = self.model;
        let lengths = [("qpos", m.num_qpos()), ("qvel", m.num_dofs()), ("ctrl", m.actuators.len())];
        for key in &m.keyframes {
            for ((what, expected), numbers) in lengths.into_iter().zip([&key.qpos, &key.qvel, &key.ctrl]) {
                if numbers.len() != expected {
                    self.fail(
                        "keyframe",
                        &key.name,
                        format!("has {} numbers in {what}, not {expected}", numbers.len()),
                    );
                }
                self.finite("keyframe", &key.name, what, numbers);
            }
        }
    }
}
