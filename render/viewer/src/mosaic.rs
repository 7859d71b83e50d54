//! Many environments side by side: one picture of tiles, each seen from where the shown one is seen.

use std::sync::Arc;
use std::time::Instant;

use glam::DVec3;
use keiko_camera::{Backend, Camera, CameraError, CameraGroup, Channel, Tracer};
use keiko_world::BatchState;

use crate::blit::Picture;
use crate::eye::{Resolution, Shapes, dressed};
use crate::session::Session;
use crate::thing::body_pose;
use crate::wardrobe;

/// Tiles of a picture at most.
const MOST: usize = 36;
/// Time that a picture may take while something moves \[s\].
const BUDGET: f64 = 0.03;

/// Where tiles lie: environments of a page, row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiling {
    /// The first environment.
    pub first: usize,
    /// How many there are.
    pub count: usize,
    /// How many lie in a row.
    pub columns: usize,
}

impl Tiling {
    /// The page of an environment.
    pub fn of(env: usize, num_envs: usize) -> Self {
        let page = num_envs.clamp(1, MOST);
        let first = env / page * page;
        let count = page.min(num_envs - first);
        // All pages have their tiles at the same places.
        Self { first, count, columns: (page as f64).sqrt().ceil() as usize }
    }

    /// Rows of a page.
    pub fn rows(self) -> usize {
        self.count.div_ceil(self.columns)
    }

    /// Column and row of an environment.
    pub fn place(self, env: usize) -> [usize; 2] {
        let index = env - self.first;
        [index % self.columns, index / self.columns]
    }

    /// The environment at a place, in parts of the picture's width and height.
    pub fn at(self, x: f64, y: f64) -> Option<usize> {
        let inside =
            |part: f64, count: usize| (0.0..1.0).contains(&part).then_some((part * count as f64) as usize);
        let index = inside(y, self.rows())? * self.columns + inside(x, self.columns)?;
        (index < self.count).then_some(self.first + index)
    }
}

/// Of what a picture was made.
#[derive(Clone, Debug, PartialEq)]
struct Made {
    revision: u64,
    tiling: Tiling,
    camera: Camera,
    fine: bool,
}

/// Looks at a page of environments at once.
pub struct Mosaic {
    tracer: Tracer,
    posed: BatchState,
    group: Option<CameraGroup>,
    resolution: Resolution,
    picture: Option<Arc<Picture>>,
    made: Option<Made>,
}

impl std::fmt::Debug for Mosaic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mosaic").field("made", &self.made).finish_non_exhaustive()
    }
}

impl Mosaic {
    /// For the environments of a session.
    ///
    /// # Errors
    /// As [`Tracer::new`].
    pub fn new(backend: &Backend, session: &Session, shapes: Shapes) -> Result<Self, CameraError> {
        let subject = session.subject();
        let model = dressed(&subject.model, shapes);
        let tiles = subject.num_envs().min(MOST);
        Ok(Self {
            tracer: Tracer::new(backend, &model, tiles, &subject.looks())?,
            posed: BatchState::new(&model, tiles),
            group: None,
            resolution: Resolution::default(),
            picture: None,
            made: None,
        })
    }

    /// The picture that was made last.
    pub fn picture(&self) -> Option<&Arc<Picture>> {
        self.picture.as_ref()
    }

    /// Makes the picture of the page of the environment that is shown, of a size \[pixel\]; `of_tile` gives the camera of a tile of a
    /// size. True where a finer one is to come.
    ///
    /// # Errors
    /// The device is lost, or has no room for it.
    pub fn look(
        &mut self,
        session: &Session,
        size: [u32; 2],
        follow: bool,
        moving: bool,
        of_tile: &dyn Fn([u32; 2]) -> Camera,
    ) -> Result<bool, CameraError> {
        let tiling = Tiling::of(session.env(), session.subject().num_envs());
        let tile = [size[0] / tiling.columns as u32, size[1] / tiling.rows() as u32].map(|side| side.max(1));
        let camera = of_tile(tile);
        let revision = session.revision();
        let same = self
            .made
            .as_ref()
            .is_some_and(|made| (made.revision, made.tiling, &made.camera) == (revision, tiling, &camera));
        let was_fine = self.made.as_ref().is_some_and(|made| made.fine);
        if same && (was_fine || moving) {
            return Ok(!was_fine);
        }
        let fine = same;
        let divisor = if fine { 1 } else { self.resolution.divisor(size, BUDGET) };
        let sides = tile.map(|side| if fine { 2 * side } else { side.div_ceil(divisor) });
        let start = Instant::now();
        self.pose(session, tiling, follow)?;
        let varied = wardrobe::varies(session.subject());
        let picture =
            Picture { smooth: sides != tile, ..self.trace(&camera.clone().resized(sides), tiling, varied)? };
        self.resolution.took(picture.size, start.elapsed().as_secs_f64());
        self.picture = Some(Arc::new(picture));
        self.made = Some(Made { revision, tiling, camera, fine });
        Ok(!fine)
    }

    /// Puts the environments of a page into the tracer. One that follows has its robot where the shown one has it: the world is
    /// moved, so that one camera serves all.
    fn pose(&mut self, session: &Session, tiling: Tiling, follow: bool) -> Result<(), CameraError> {
        let (state, base) = (session.state(), session.subject().base());
        let place = |env| body_pose(state, env, base).position;
        let shown = place(session.env());
        // A page that is not full shows its last environment again, where nobody looks.
        let env_of = |index: usize| tiling.first + index.min(tiling.count - 1);
        let envs: Vec<usize> = (0..self.tracer.num_envs()).map(env_of).collect();
        if let Some(looks) = wardrobe::looks(session.subject(), &envs) {
            self.tracer.dress(&looks)?;
        }
        for (index, env) in envs.into_iter().enumerate() {
            let moved = shown - place(env);
            let shift =
                if follow && moved.is_finite() { DVec3::new(moved.x, moved.y, 0.0) } else { DVec3::ZERO };
            let shift = shift.as_vec3().to_array();
            let position = state.body_position.column(env).enumerate();
            self.posed.body_position.set_column(index, position.map(|(row, value)| value + shift[row % 3]));
            self.posed.body_rotation.set_column(index, state.body_rotation.column(env));
        }
        self.tracer.pose(&self.posed);
        Ok(())
    }

    /// All tiles as one picture.
    fn trace(&mut self, camera: &Camera, tiling: Tiling, varied: bool) -> Result<Picture, CameraError> {
        let cameras = std::slice::from_ref(camera);
        let kept = self
            .group
            .take()
            .filter(|group| group.size == camera.size && (group.lenses || camera.lens.is_pinhole()));
        let group = match kept {
            Some(group) => {
                // Where looks vary each environment has a camera of its own.
                let count = if varied { self.tracer.num_envs() } else { 1 };
                self.tracer.aim(&group, &vec![camera.clone(); count])?;
                group
            }
            None => self.tracer.group(cameras, &[Channel::Rgb])?,
        };
        self.tracer.render(&group);
        let images = self.tracer.read(&group)?;
        self.group = Some(group);
        let [width, height] = camera.size.map(|side| side as usize);
        let row = 4 * width;
        let pixels = images.rgb().unwrap_or_default();
        let whole = [width * tiling.columns, height * tiling.rows()];
        let mut all = vec![0; 4 * whole[0] * whole[1]];
        for (index, tile) in pixels.chunks_exact(row * height).take(tiling.count).enumerate() {
            let [column, line] = tiling.place(tiling.first + index);
            for (y, from) in tile.chunks_exact(row).enumerate() {
                let at = 4 * ((line * height + y) * whole[0] + column * width);
                all[at..at + row].copy_from_slice(from);
            }
        }
        Ok(Picture { size: whole.map(|side| side as u32), rgba: all, smooth: false })
    }
}

#[cfg(test)]
mod tests {
    use super::Tiling;

    #[test]
    fn every_environment_has_one_place() {
        for num_envs in [1, 2, 5, 36, 37, 100, 4096] {
            for env in [0, num_envs / 2, num_envs - 1] {
                let tiling = Tiling::of(env, num_envs);
                assert!(tiling.first <= env && env < tiling.first + tiling.count, "{env} of {num_envs}");
                let [column, row] = tiling.place(env);
                let [x, y] = [(column, tiling.columns), (row, tiling.rows())]
                    .map(|(index, count)| (index as f64 + 0.5) / count as f64);
                assert_eq!(tiling.at(x, y), Some(env));
            }
        }
        let tiling = Tiling::of(0, 5);
        assert_eq!((tiling.columns, tiling.rows()), (3, 2));
        assert_eq!(tiling.at(0.9, 0.9), None, "the last place is empty");
        assert_eq!(tiling.at(1.0, 0.5), None);
    }
}
