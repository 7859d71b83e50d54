//! What networks are shown: numbers from the host, and images from wherever they are.
//!
//! Images that are tensors on the learner's device already stay there: they are joined to the numbers, acted on, kept row by
//! row, and gathered into minibatches, and none of it is read.

use crate::TrainError;
use crate::agent::{View, read};
use crate::device::Device;
use burn::tensor::{Int, Tensor, TensorData};
use keiko_policy::normalizer::Statistics;

/// Images of an environment as tensors on the learner's device; numbers of a group's images follow one another as in
/// [`keiko_env::GroupSpec`].
pub trait DeviceImages: Send {
    /// What a group shows after the last step or reset `[num_envs, pixels]`; none if nothing was seen.
    fn now(&self, group: usize) -> Option<Tensor<2>>;

    /// What a group showed before autoreset, of environments whose episodes ended in the last step `[envs.len(), pixels]`,
    /// in the order of `envs`; none if one of them did not end.
    fn last(&self, group: usize, envs: &[usize]) -> Option<Tensor<2>>;
}

/// Normalised observations of a batch.
#[derive(Clone, Debug)]
pub enum Observed {
    /// `[size, num_envs]`.
    Host(Vec<f32>),
    /// `[num_envs, size]`.
    Device(Box<Tensor<2>>),
}

/// Who shows: a view of the actor or the critic, and where its images are.
pub struct Shower<'a> {
    view: &'a View,
    statistics: Option<Statistics>,
    images: Option<&'a dyn DeviceImages>,
    device: &'a Device,
}

impl<'a> Shower<'a> {
    /// With the statistics that the view has now; with `images`, those are where the view's images are.
    pub fn new(view: &'a View, images: Option<&'a dyn DeviceImages>, device: &'a Device) -> Self {
        let images = images.filter(|_| !view.images.is_empty());
        Self { view, statistics: view.statistics(), images, device }
    }

    /// The same with other statistics.
    pub fn with(self, statistics: Option<Statistics>) -> Self {
        Self { statistics, ..self }
    }

    /// What all environments show now; `raw` are the rows of the group in the output.
    ///
    /// # Errors
    /// [`TrainError::Device`] without images where there should be some.
    pub fn now(&self, raw: &[f32], num_envs: usize) -> Result<Observed, TrainError> {
        self.show(raw, num_envs, self.images.map(|images| images.now(self.view.group)))
    }

    /// What environments that ended showed last; `raw` are their rows alone.
    ///
    /// # Errors
    /// [`TrainError::Device`] without images where there should be some.
    pub fn last(&self, raw: &[f32], envs: &[usize]) -> Result<Observed, TrainError> {
        self.show(raw, envs.len(), self.images.map(|images| images.last(self.view.group, envs)))
    }

    fn show(
        &self,
        raw: &[f32],
        num_envs: usize,
        images: Option<Option<Tensor<2>>>,
    ) -> Result<Observed, TrainError> {
        let mut numbers = raw.to_vec();
        if let Some(statistics) = &self.statistics {
            statistics.normalize(raw, num_envs, &mut numbers);
        }
        match images {
            None => Ok(Observed::Host(numbers)),
            Some(None) => Err(TrainError::Device("there are no images on the device".into())),
            Some(Some(images)) if numbers.is_empty() => Ok(Observed::Device(Box::new(images))),
            Some(Some(images)) => {
                let data = TensorData::new(numbers, [self.view.num_numbers(), num_envs]);
                let numbers = Tensor::<2>::from_data(data, self.device.tensors()).transpose();
                Ok(Observed::Device(Box::new(Tensor::cat(vec![numbers, images], 1))))
            }
        }
    }
}

/// Observations that were shown `[rows, size]`: on the host, or on a device.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    host: Vec<f32>,
    tensors: Vec<Tensor<2>>,
}

impl From<Vec<f32>> for Rows {
    fn from(host: Vec<f32>) -> Self {
        Self { host, tensors: Vec::new() }
    }
}

impl Rows {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.host.is_empty() && self.tensors.is_empty()
    }

    /// Those on the host.
    pub fn host(&self) -> &[f32] {
        &self.host
    }

    /// Appends one row an environment.
    pub fn push(&mut self, observed: &Observed, num_envs: usize) {
        match observed {
            Observed::Host(columns) => {
                self.host.reserve(columns.len());
                for n in 0..num_envs {
                    self.host.extend(columns.iter().skip(n).step_by(num_envs));
                }
            }
            Observed::Device(rows) => self.tensors.push((**rows).clone()),
        }
    }

    /// After the last row: what is on a device becomes one tensor.
    pub fn close(&mut self) {
        if self.tensors.len() > 1 {
            self.tensors = vec![Tensor::cat(std::mem::take(&mut self.tensors), 0)];
        }
    }

    /// Some rows `[rows.len(), size]`; those of a device are of the first tensor, so [`Rows::close`] comes before.
    pub fn gather(&self, rows: &[usize], size: usize, device: &Device) -> Tensor<2> {
        if let Some(tensor) = self.tensors.first() {
            let places: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
            let data = TensorData::new(places, [rows.len()]);
            return tensor.clone().select(0, Tensor::<1, Int>::from_data(data, device.tensors()));
        }
        let mut out = Vec::with_capacity(rows.len() * size);
        rows.iter().for_each(|&row| out.extend_from_slice(&self.host[row * size..(row + 1) * size]));
        Tensor::from_data(TensorData::new(out, [rows.len(), size]), device.tensors())
    }
}

impl Observed {
    /// As rows on the host `[size, num_envs]`; what is on a device is read.
    pub fn into_host(self) -> Vec<f32> {
        match self {
            Self::Host(columns) => columns,
            Self::Device(rows) => read((*rows).transpose()),
        }
    }
}
