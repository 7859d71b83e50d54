//! How the session is looked at: from where, which shapes, which marks, and the picture that is on screen.

use std::sync::Arc;
use std::time::Instant;

use glam::DVec3;
use keiko_camera::{Backend, Camera, CameraError, Channel, Images, shown, visible};
use keiko_model::Pose;

use crate::blit::Picture;
use crate::eye::{Eye, Resolution, Shapes, dressed};
use crate::marks::MarkOptions;
use crate::mosaic::Mosaic;
use crate::orbit::Orbit;
use crate::outline::outline;
use crate::project::Projection;
use crate::seen::Shown;
use crate::session::Session;
use crate::thing::{body_pose, body_poses};
use crate::wardrobe;

/// Longest side of a camera's preview \[pixel\].
const PREVIEW: u32 = 320;
/// Time that a picture may take while something moves \[s\].
const BUDGET: f64 = 0.014;

/// A picture as it was made.
#[derive(Clone, Debug, PartialEq)]
struct Made {
    revision: u64,
    env: usize,
    camera: Camera,
    /// Whether it has four rays for each pixel of the screen.
    fine: bool,
}

/// Where somebody looks from, and at what.
pub struct View {
    /// The free camera.
    pub orbit: Orbit,
    /// The camera of the scene that is looked through, by its number in the model.
    pub through: Option<usize>,
    /// Which shapes are seen.
    pub shapes: Shapes,
    /// What is drawn over them.
    pub marks: MarkOptions,
    /// Whether the free camera keeps the robot in sight.
    pub follow: bool,
    /// Whether many environments are seen, side by side.
    pub grid: bool,
    /// Bodies whose ways are drawn.
    pub trails: Vec<usize>,
    mosaic: Option<Mosaic>,
    /// Edges of each geom that is looked at, once somebody wants to see them.
    outlines: Option<Vec<Vec<[DVec3; 2]>>>,
    backend: Backend,
    eye: Eye,
    resolution: Resolution,
    picture: Option<Arc<Picture>>,
    made: Option<Made>,
    /// Of the picture on the screen \[pixel\].
    shown: [u32; 2],
    followed: Option<DVec3>,
    /// Size of the robot and its things \[m\].
    size: f64,
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View")
            .field("orbit", &self.orbit)
            .field("through", &self.through)
            .finish_non_exhaustive()
    }
}

impl View {
    /// A look at all of a session's subject.
    ///
    /// # Errors
    /// As [`Eye::new`].
    pub fn new(session: &Session) -> Result<Self, CameraError> {
        let backend = session.options().backend.clone();
        let orbit = over(session);
        Ok(Self {
            orbit,
            through: None,
            shapes: Shapes::default(),
            marks: MarkOptions::default(),
            follow: true,
            grid: false,
            trails: Vec::new(),
            mosaic: None,
            outlines: None,
            eye: Eye::new(&backend, session.subject(), Shapes::default())?,
            backend,
            resolution: Resolution::default(),
            picture: None,
            made: None,
            shown: [640, 480],
            followed: Some(place(session)),
            size: 0.5 * orbit.height_at_target(),
        })
    }

    /// After the subject was loaded again, or other shapes were asked for.
    ///
    /// # Errors
    /// As [`Eye::new`]; the old eye stays.
    pub fn renew(&mut self, session: &Session) -> Result<(), CameraError> {
        self.eye = Eye::new(&self.backend, session.subject(), self.shapes)?;
        self.size = 0.5 * over(session).height_at_target();
        self.through = self.through.filter(|camera| *camera < session.model().cameras.len());
        self.trails.retain(|body| *body < session.model().bodies.len());
        self.mosaic = None;
        self.outlines = None;
        self.made = None;
        Ok(())
    }

    /// Whether many environments are seen: somebody wants to, and there are many here.
    pub fn is_grid(&self, session: &Session) -> bool {
        self.grid && session.subject().num_envs() > 1 && session.subject().remote().is_none()
    }

    /// Makes the picture of many environments; see [`View::look`].
    ///
    /// # Errors
    /// As [`View::look`].
    pub fn look_at_many(
        &mut self,
        session: &Session,
        size: [u32; 2],
        moving: bool,
    ) -> Result<bool, CameraError> {
        let mut mosaic = match self.mosaic.take() {
            Some(mosaic) => mosaic,
            None => Mosaic::new(&self.backend, session, self.shapes)?,
        };
        let of_tile = |tile| self.camera(session, tile).0;
        let made = mosaic.look(session, size, self.follow, moving, &of_tile);
        self.mosaic = Some(mosaic);
        made
    }

    /// The picture of many environments that was made last.
    pub fn mosaic(&self) -> Option<&Arc<Picture>> {
        self.mosaic.as_ref()?.picture()
    }

    /// Draws the way of a body from now on, or no longer.
    pub fn toggle_trail(&mut self, body: usize) {
        match self.trails.iter().position(|other| *other == body) {
            Some(at) => drop(self.trails.remove(at)),
            None => self.trails.push(body),
        }
    }

    /// Edges of each geom that is looked at, in its own frame; none of the others.
    pub fn outlines(&mut self, session: &Session) -> &[Vec<[DVec3; 2]>] {
        let shapes = self.shapes;
        self.outlines.get_or_insert_with(|| {
            let model = dressed(session.model(), shapes);
            let mut outlines = vec![Vec::new(); model.geoms.len()];
            for (index, geom) in visible(&model) {
                outlines[index] = outline(&model, geom);
            }
            outlines
        })
    }

    /// What a camera of the scene sees on a channel, no wider and higher than a preview needs: rows of red, green and blue.
    ///
    /// # Errors
    /// The device is lost, or has no room for it.
    pub fn preview(
        &mut self,
        session: &Session,
        camera: usize,
        channel: Channel,
    ) -> Result<Option<Shown>, CameraError> {
        let Some(camera) = wardrobe::drawn(session, camera) else { return Ok(None) };
        let over = camera.size.into_iter().max().unwrap_or(1).div_ceil(PREVIEW).max(1);
        let size = camera.size.map(|side| (side / over).max(1));
        let camera = camera.resized(size);
        self.eye.pose(session)?;
        let images = self.eye.look(&camera, &[channel])?;
        let pixels = shown(&images, channel).map(|pixels| pixels.into_flattened());
        let size = size.map(|side| side as usize);
        Ok(pixels.map(|pixels| Shown { name: camera.name.clone(), size, pixels }))
    }

    /// Size of the robot and its things \[m\].
    pub fn size(&self) -> f64 {
        self.size
    }

    /// Size of the picture on the screen \[pixel\].
    pub fn shown_size(&self) -> [u32; 2] {
        self.shown
    }

    /// Looks at all of it.
    pub fn look_over(&mut self, session: &Session) {
        self.orbit = over(session);
        self.through = None;
    }

    /// Moves with the robot, if it is to be kept in sight.
    pub fn keep_up(&mut self, session: &Session) {
        let position = place(session);
        if let Some(before) = self.followed.replace(position)
            && self.follow
            && position.is_finite()
            && before.is_finite()
        {
            let moved = position - before;
            self.orbit.target += DVec3::new(moved.x, moved.y, 0.0);
        }
    }

    /// The camera for a picture of a size \[pixel\], and `world_from_rig` of what it stands on.
    pub fn camera(&self, session: &Session, size: [u32; 2]) -> (Camera, Pose) {
        match self.through.and_then(|index| wardrobe::drawn(session, index)) {
            Some(camera) => {
                let poses = body_poses(session.model(), session.state(), session.env());
                let rig = camera.follow.rig(session.model(), camera.body, &poses);
                (camera.resized(size), rig)
            }
            None => (self.orbit.camera(size), Pose::IDENTITY),
        }
    }

    /// The same as a projection.
    pub fn projection(&self, session: &Session, size: [u32; 2]) -> Projection {
        let (camera, pose) = self.camera(session, size);
        Projection::new(&camera, pose)
    }

    /// Makes the picture of a size \[pixel\]: coarse while something moves, fine when it rests. True where a finer one is to come.
    ///
    /// # Errors
    /// The device is lost, or has no room for it.
    pub fn look(&mut self, session: &Session, size: [u32; 2], moving: bool) -> Result<bool, CameraError> {
        self.shown = size;
        let (camera, _) = self.camera(session, size);
        let (revision, env) = (session.revision(), session.env());
        let same = self
            .made
            .as_ref()
            .is_some_and(|made| (made.revision, made.env, &made.camera) == (revision, env, &camera));
        let was_fine = self.made.as_ref().is_some_and(|made| made.fine);
        if same && (was_fine || moving) {
            return Ok(!was_fine);
        }
        // What has just changed may change again at once; what is still the same may rest.
        let fine = same;
        let divisor = if fine { 1 } else { self.resolution.divisor(size, BUDGET) };
        let sides = size.map(|side| if fine { 2 * side } else { side.div_ceil(divisor) });
        let images = self.trace(session, &camera, sides)?;
        let rgba = images.rgb().unwrap_or_default().to_vec();
        self.picture = Some(Arc::new(Picture { size: sides, rgba, smooth: sides != size }));
        self.made = Some(Made { revision, env, camera, fine });
        Ok(!fine)
    }

    /// The same without a window, as coarse as a window's first picture.
    ///
    /// # Errors
    /// As [`View::look`].
    pub fn coarse(&mut self, session: &Session, size: [u32; 2]) -> Result<Images, CameraError> {
        let (camera, _) = self.camera(session, size);
        let divisor = self.resolution.divisor(size, BUDGET);
        self.trace(session, &camera, size.map(|side| side.div_ceil(divisor)))
    }

    fn trace(&mut self, session: &Session, camera: &Camera, sides: [u32; 2]) -> Result<Images, CameraError> {
        let start = Instant::now();
        self.eye.pose(session)?;
        let images = self.eye.look(&camera.clone().resized(sides), &[Channel::Rgb])?;
        self.resolution.took(sides, start.elapsed().as_secs_f64());
        Ok(images)
    }

    /// The picture that was made last.
    pub fn picture(&self) -> Option<&Arc<Picture>> {
        self.picture.as_ref()
    }

    /// Body, geom and point of the surface under a pixel of a picture of a size \[pixel\].
    ///
    /// # Errors
    /// The device is lost.
    pub fn pick(
        &mut self,
        session: &Session,
        size: [u32; 2],
        pixel: [f64; 2],
    ) -> Result<Option<Picked>, CameraError> {
        let (camera, pose) = self.camera(session, size);
        self.eye.pose(session)?;
        let found = self.eye.pick(&camera, pose, pixel)?;
        Ok(found.map(|(geom, point)| Picked { geom, body: session.model().geoms[geom].body, point }))
    }
}

/// What is under the pointer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Picked {
    /// Index of the geom.
    pub geom: usize,
    /// Its body.
    pub body: usize,
    /// Where the surface is, in the world \[m\].
    pub point: DVec3,
}

/// Where the robot is \[m\].
fn place(session: &Session) -> DVec3 {
    body_pose(session.state(), session.env(), session.subject().base()).position
}

fn over(session: &Session) -> Orbit {
    let qpos: Vec<f64> = session.state().qpos.column(session.env()).map(f64::from).collect();
    Orbit::over(session.model(), &qpos)
}
