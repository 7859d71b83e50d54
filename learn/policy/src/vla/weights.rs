//! Tensors by name: read from safetensors of any float type, drawn at random, written back.

use super::manifest::{CONNECTOR, LM_HEAD, TensorSpec};
use crate::PolicyError;
use crate::noise::{Purpose, Stream};
use burn::tensor::{Device, Tensor, TensorData};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorView};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Longest header of a file: more than ten thousand times that of the public checkpoint's.
const MAX_HEADER: u64 = 100 << 20;
/// Beginnings of tensors that old checkpoints carry and nobody reads.
const OLD_BUFFERS: [&str; 3] = ["normalize_inputs.", "normalize_targets.", "unnormalize_outputs."];

/// Ends of the names of the matrices whose products are added to what came into their layer.
const LAYER_ENDS: [&str; 4] =
    [".self_attn.o_proj.weight", ".mlp.down_proj.weight", ".self_attn.out_proj.weight", ".mlp.fc2.weight"];

/// End of the name of the eye's positions.
const POSITIONS: &str = ".position_embedding.weight";
/// Longest wavelength of the eye's positions over the shortest.
const WAVELENGTHS: f64 = 10_000.0;

/// The tensors of a model, each as a matrix ([`TensorSpec::matrix`]).
#[derive(Clone, Debug)]
pub struct Weights {
    tensors: BTreeMap<String, Tensor<2>>,
    specs: Vec<TensorSpec>,
}

/// How the tensors of a file differ from those a model needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Needed and not in the file.
    pub missing: Vec<String>,
    /// In the file and not needed.
    pub unexpected: Vec<String>,
    /// Name, shape in the file, shape needed.
    pub shapes: Vec<(String, Vec<usize>, Vec<usize>)>,
}

impl Difference {
    /// Whether the file can be read: what it has too much does no harm.
    pub fn is_readable(&self) -> bool {
        self.missing.is_empty() && self.shapes.is_empty()
    }

    /// Whether names and shapes are the same.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_none() {
            return f.write_str("none");
        }
        let mut parts = Vec::new();
        for (what, names) in [("missing", &self.missing), ("unexpected", &self.unexpected)] {
            if let Some(first) = names.first() {
                parts.push(format!("{} {what}, the first `{first}`", names.len()));
            }
        }
        if let Some((name, found, needed)) = self.shapes.first() {
            let count = self.shapes.len();
            parts.push(format!("{count} of another shape, the first `{name}`: {found:?}, needed {needed:?}"));
        }
        f.write_str(&parts.join("; "))
    }
}

/// What a file of weights holds, without the numbers.
#[derive(Debug)]
pub struct Header {
    metadata: Metadata,
    /// Where the numbers begin.
    start: u64,
    /// Name in the model to name in the file.
    names: BTreeMap<String, String>,
}

impl Header {
    /// Reads the header of a safetensors file.
    pub fn read(path: &Path) -> Result<Self, PolicyError> {
        let part = path.display().to_string();
        let io = |source| PolicyError::Io { source, path: path.to_path_buf() };
        refuse_pickle(path)?;
        let mut file = File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        let mut prefix = [0; 8];
        file.read_exact(&mut prefix)
            .map_err(|_| PolicyError::malformed(&part, "too short for safetensors"))?;
        let header = u64::from_le_bytes(prefix);
        if header > MAX_HEADER || header > length - 8 {
            let message = format!("not safetensors: a header of {header} bytes in a file of {length}");
            return Err(PolicyError::malformed(&part, message));
        }
        let mut bytes = vec![0; header as usize];
        file.read_exact(&mut bytes).map_err(io)?;
        // Its reader checks that tensors have the size of their shape and follow each other without gaps.
        let metadata: Metadata =
            serde_json::from_slice(&bytes).map_err(|error| PolicyError::malformed(&part, error))?;
        let start = 8 + header;
        if start + metadata.data_len() as u64 != length {
            let message = format!(
                "truncated or damaged: {length} bytes, and its header tells of {}",
                start + metadata.data_len() as u64
            );
            return Err(PolicyError::malformed(&part, message));
        }
        // torch.compile leaves its mark in names.
        let names =
            metadata.tensors().keys().map(|name| (name.replace("_orig_mod.", ""), name.clone())).collect();
        Ok(Self { metadata, start, names })
    }

    /// Compared with what a model needs. Buffers of old checkpoints and a missing output layer do not count.
    pub fn difference(&self, specs: &[TensorSpec]) -> Difference {
        let mut difference = Difference::default();
        for spec in specs {
            match self.names.get(&spec.name).and_then(|name| self.metadata.info(name)) {
                None if spec.name == LM_HEAD => {}
                None => difference.missing.push(spec.name.clone()),
                Some(info) if info.shape != spec.shape => {
                    difference.shapes.push((spec.name.clone(), info.shape.clone(), spec.shape.clone()));
                }
                Some(_) => {}
            }
        }
        let needed: BTreeSet<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
        let old = |name: &str| OLD_BUFFERS.iter().any(|start| name.starts_with(start));
        let names = self.names.keys().filter(|name| !needed.contains(name.as_str()) && !old(name));
        difference.unexpected = names.cloned().collect();
        difference
    }

    /// A text of the file's metadata.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.metadata().as_ref()?.get(key).map(String::as_str)
    }

    /// Names, shapes and types as the file has them, in order of name.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>, Dtype)> {
        let tensors = self.names.iter().filter_map(|(name, in_file)| {
            self.metadata.info(in_file).map(|info| (name.clone(), info.shape.clone(), info.dtype))
        });
        tensors.collect()
    }
}

impl Weights {
    /// Reads the tensors a model needs from a safetensors file; numbers of any float type become f32.
    ///
    /// # Errors
    /// If the file is not safetensors, lacks a tensor, or holds one of another shape, one that the model does
    /// not know, or a number that is not finite.
    pub fn read(path: &Path, specs: &[TensorSpec], device: &Device) -> Result<Self, PolicyError> {
        let header = Header::read(path)?;
        let part = path.display().to_string();
        let difference = header.difference(specs);
        if !difference.is_none() {
            return Err(PolicyError::malformed(part, format!("not the tensors of this model: {difference}")));
        }
        let io = |source| PolicyError::Io { source, path: path.to_path_buf() };
        let mut file = File::open(path).map_err(io)?;
        let mut weights = Self { tensors: BTreeMap::new(), specs: Vec::new() };
        for spec in specs {
            let Some(info) = header.names.get(&spec.name).and_then(|name| header.metadata.info(name)) else {
                continue;
            };
            let (begin, end) = info.data_offsets;
            let mut bytes = vec![0; end - begin];
            file.seek(SeekFrom::Start(header.start + begin as u64)).map_err(io)?;
            file.read_exact(&mut bytes).map_err(io)?;
            let malformed =
                |message: String| PolicyError::malformed(format!("{part}: {}", spec.name), message);
            let values = to_f32(info.dtype, &bytes).map_err(malformed)?;
            if !values.iter().all(|x| x.is_finite()) {
                return Err(malformed("holds a number that is not finite".into()));
            }
            weights.insert(spec, values, device);
        }
        Ok(weights)
    }

    /// Draws weights: normal with variance one over the number of inputs, norms one, biases zero. Two kinds are drawn
    /// smaller. The connector's, because its tokens are multiplied by the root of their width before the language
    /// model reads them: images then enter it as large as words. What ends a layer, because all layers add to one sum: by
    /// the root of twice their number (Radford et al. 2019), so that depth does not drown what came in. Positions of
    /// the eye are sines and cosines of row and column (Beyer et al. 2022, arXiv:2205.01580): where something is can
    /// then be read off by one product from the first step, instead of being learned place by place.
    pub fn random(specs: &[TensorSpec], seed: u64, device: &Device) -> Self {
        let stream = Stream::new(seed, Purpose::Weights);
        let mut weights = Self { tensors: BTreeMap::new(), specs: Vec::new() };
        for (index, spec) in specs.iter().enumerate() {
            let [outputs, inputs] = spec.matrix();
            let ends = |name: &str| LAYER_ENDS.iter().any(|end| name.ends_with(end));
            let shrink = match spec.name.as_str() {
                CONNECTOR => outputs as f64,
                name if ends(name) => 2.0 * layers(specs, name) as f64,
                _ => 1.0,
            };
            let scale = (inputs as f64 * shrink).powf(-0.5);
            if spec.name.ends_with(POSITIONS) {
                weights.insert(spec, plane_waves(outputs, inputs), device);
                continue;
            }
            let values = (0..spec.num_elements() as u64).map(|element| match spec.shape.len() {
                1 if spec.name.ends_with(".bias") => 0.0,
                1 => 1.0,
                _ => (scale * stream.normal(index as u64, element, 0)) as f32,
            });
            weights.insert(spec, values.collect(), device);
        }
        weights
    }

    /// The tensors of `specs`, one after the other in `flat`. Gradients reach `flat`'s graph, if it has one.
    ///
    /// # Panics
    /// If `flat` has another length.
    pub fn from_flat(specs: &[TensorSpec], flat: &Tensor<1>) -> Self {
        let mut weights = Self { tensors: BTreeMap::new(), specs: specs.to_vec() };
        let mut start = 0;
        for spec in specs {
            let end = start + spec.num_elements();
            let tensor = flat.clone().narrow(0, start, end - start).reshape(spec.matrix());
            weights.tensors.insert(spec.name.clone(), tensor);
            start = end;
        }
        assert_eq!(flat.dims(), [start], "numbers of all tensors");
        weights
    }

    /// The numbers of some tensors, one after the other.
    pub fn to_flat(&self, specs: &[TensorSpec]) -> Vec<f32> {
        specs.iter().flat_map(|spec| numbers(self.get(&spec.name))).collect()
    }

    fn insert(&mut self, spec: &TensorSpec, values: Vec<f32>, device: &Device) {
        let tensor = Tensor::from_data(TensorData::new(values, spec.matrix()), device);
        self.tensors.insert(spec.name.clone(), tensor);
        self.specs.push(spec.clone());
    }

    /// The tensor of that name.
    ///
    /// # Panics
    /// If there is none: weights hold what their model needs.
    pub fn get(&self, name: &str) -> Tensor<2> {
        match self.tensors.get(name) {
            Some(tensor) => tensor.clone(),
            None => panic!("weights without `{name}`"),
        }
    }

    /// Replaces a tensor by one of the same shape.
    pub fn set(&mut self, name: &str, tensor: Tensor<2>) {
        let old = self.get(name);
        assert_eq!(old.dims(), tensor.dims(), "shape of {name}");
        self.tensors.insert(name.into(), tensor);
    }

    /// Names and shapes of what is held.
    pub fn specs(&self) -> &[TensorSpec] {
        &self.specs
    }

    /// Where the tensors are.
    pub fn device(&self) -> Device {
        self.tensors.values().next().map(Tensor::device).unwrap_or_default()
    }

    /// Numbers in all tensors.
    pub fn num_parameters(&self) -> usize {
        self.specs.iter().map(TensorSpec::num_elements).sum()
    }

    /// The same weights as leaves of a gradient graph, those that `learned` names keeping their gradients.
    pub fn leaves(&self, learned: impl Fn(&str) -> bool) -> Self {
        let tensors = self.tensors.iter().map(|(name, tensor)| {
            let tensor = tensor.clone();
            let leaf = if learned(name) { tensor.autodiff().require_grad() } else { tensor };
            (name.clone(), leaf)
        });
        Self { tensors: tensors.collect(), specs: self.specs.clone() }
    }

    /// Writes all tensors as f32 safetensors; `metadata` goes into the header.
    pub fn write(&self, path: &Path, metadata: &[(&str, String)]) -> Result<(), PolicyError> {
        let bytes = self.to_bytes(metadata)?;
        std::fs::write(path, bytes).map_err(|source| PolicyError::Io { source, path: path.to_path_buf() })
    }

    /// All tensors as f32 safetensors; `metadata` goes into the header.
    pub fn to_bytes(&self, metadata: &[(&str, String)]) -> Result<Vec<u8>, PolicyError> {
        let refuse = |error| PolicyError::malformed("safetensors", error);
        let bytes: Vec<Vec<u8>> = self.specs.iter().map(|spec| to_bytes(self.get(&spec.name))).collect();
        let views = self.specs.iter().zip(&bytes).map(|(spec, bytes)| {
            let view = TensorView::new(Dtype::F32, spec.shape.clone(), bytes)?;
            Ok((spec.name.as_str(), view))
        });
        let views: Vec<_> = views.collect::<Result<_, safetensors::SafeTensorError>>().map_err(refuse)?;
        let metadata = metadata.iter().map(|(key, value)| ((*key).to_string(), value.clone()));
        safetensors::serialize(views, Some(metadata.collect())).map_err(refuse)
    }

    /// Reads what [`Weights::to_bytes`] gave for exactly these tensors; `part` names it in errors.
    pub fn from_bytes(
        part: &str,
        bytes: &[u8],
        specs: &[TensorSpec],
        device: &Device,
    ) -> Result<Self, PolicyError> {
        let refuse = |error: String| PolicyError::malformed(part, error);
        let file = SafeTensors::deserialize(bytes).map_err(|error| refuse(error.to_string()))?;
        let mut weights = Self { tensors: BTreeMap::new(), specs: Vec::new() };
        for spec in specs {
            let view = file.tensor(&spec.name).map_err(|error| refuse(error.to_string()))?;
            if view.shape() != spec.shape {
                return Err(refuse(format!("`{}` {:?}, needed {:?}", spec.name, view.shape(), spec.shape)));
            }
            weights.insert(spec, to_f32(view.dtype(), view.data()).map_err(refuse)?, device);
        }
        Ok(weights)
    }
}

/// Sines and cosines of column and row for each place of a square grid `[places, width]`: a quarter of the width each,
/// wavelengths spread evenly in their logarithm; zeros where the width does not divide.
fn plane_waves(places: usize, width: usize) -> Vec<f32> {
    let (side, quarter) = (places.isqrt(), width / 4);
    let wave = move |i: usize| WAVELENGTHS.powf(-(i as f64) / (quarter.max(2) - 1) as f64);
    let row = |place: usize| {
        let (y, x) = ((place / side) as f64, (place % side) as f64);
        let waves = [x, y].into_iter().flat_map(|at| {
            let angle = move |i| at * wave(i);
            let sines = (0..quarter).map(move |i| angle(i).sin() as f32);
            sines.chain((0..quarter).map(move |i| angle(i).cos() as f32))
        });
        waves.chain(std::iter::repeat_n(0.0, width - 4 * quarter)).collect::<Vec<_>>()
    };
    (0..places).flat_map(row).collect()
}

/// Number of layers of the tower that a tensor of a layer, `<tower>.layers.<index>.<part>`, belongs to.
fn layers(specs: &[TensorSpec], name: &str) -> usize {
    let split = |name: &str| -> Option<(String, String)> {
        let (tower, rest) = name.split_once(".layers.")?;
        let (_, part) = rest.split_once('.')?;
        Some((tower.to_owned(), part.to_owned()))
    };
    let own = split(name);
    specs.iter().filter(|spec| own.is_some() && split(&spec.name) == own).count().max(1)
}

/// The numbers of a tensor.
fn numbers(tensor: Tensor<2>) -> Vec<f32> {
    tensor.inner().into_data().convert::<f32>().iter::<f32>().collect()
}

/// Little-endian bytes of the numbers of a tensor.
fn to_bytes(tensor: Tensor<2>) -> Vec<u8> {
    numbers(tensor).into_iter().flat_map(f32::to_le_bytes).collect()
}

/// Numbers of a float type as f32.
pub fn to_f32(dtype: Dtype, bytes: &[u8]) -> Result<Vec<f32>, String> {
    let pairs = || bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]));
    Ok(match dtype {
        Dtype::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        Dtype::BF16 => pairs().map(|bits| bf16::from_bits(bits).to_f32()).collect(),
        Dtype::F16 => pairs().map(|bits| f16::from_bits(bits).to_f32()).collect(),
        Dtype::F64 => bytes
            .chunks_exact(8)
            .map(|b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32)
            .collect(),
        other => return Err(format!("numbers of type {other:?}; allowed: F64, F32, F16, BF16")),
    })
}

/// Pickle files run code when they are read: refused by name, before anything is read.
pub fn refuse_pickle(path: &Path) -> Result<(), PolicyError> {
    const ENDINGS: [&str; 6] = ["bin", "pt", "pth", "pkl", "pickle", "ckpt"];
    match path.extension().and_then(|ending| ending.to_str()) {
        Some(ending) if ENDINGS.contains(&ending.to_lowercase().as_str()) => Err(PolicyError::malformed(
            path.display().to_string(),
            "a pickle file, which can run code when it is read; save the weights as safetensors",
        )),
        _ => Ok(()),
    }
}
