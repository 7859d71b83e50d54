//! NumPy's files: arrays of floating-point numbers in `.npy`, several of them in `.npz`.
//!
//! The format is the one of `numpy.lib.format`, versions 1 to 3, without pickled objects.

mod header;

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use keiko_model::error::nearest_name;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use header::{Header, header_bytes};

/// Largest array that is read \[byte\]: a file that claims more is refused before memory is asked for.
const MAX_BYTES: u64 = 1 << 32;

/// An array of `f64`, C order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Array {
    /// Lengths of the axes, slowest first.
    pub shape: Vec<usize>,
    /// Values, as many as the product of `shape`.
    pub data: Vec<f64>,
}

impl Array {
    /// An array of a shape that its data must fit.
    ///
    /// # Panics
    /// If it does not: the caller built both.
    pub fn new(shape: &[usize], data: Vec<f64>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), data.len(), "shape {shape:?}");
        Self { shape: shape.to_vec(), data }
    }

    /// The `index`-th slice along the first axis.
    pub fn row(&self, index: usize) -> &[f64] {
        let size = self.data.len() / self.shape.first().copied().unwrap_or(1).max(1);
        &self.data[index * size..(index + 1) * size]
    }

    /// Refuses NaN and infinity, saying where; `name` is the array's.
    pub fn check_finite(&self, name: &str) -> anyhow::Result<()> {
        let Some(at) = self.data.iter().position(|value| !value.is_finite()) else { return Ok(()) };
        let mut index = vec![0; self.shape.len()];
        let mut rest = at;
        for (axis, length) in self.shape.iter().enumerate().rev() {
            index[axis] = rest % length;
            rest /= length;
        }
        bail!("{name}{index:?} is {}; only finite numbers are allowed", self.data[at])
    }
}

/// Reads a `.npy` file.
///
/// # Errors
/// Names the file and what in it is not an array of `float32` or `float64`.
pub fn read_npy(path: &Path) -> anyhow::Result<Array> {
    let read = || {
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        read_array(&mut file, size)
    };
    read().with_context(|| path.display().to_string())
}

/// The arrays of a `.npz` file, read when asked for.
pub struct Npz {
    path: String,
    archive: ZipArchive<File>,
}

impl Npz {
    /// Opens a `.npz` file.
    ///
    /// # Errors
    /// If it cannot be read or is not a zip archive.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let path_text = path.display().to_string();
        let file = File::open(path).with_context(|| path_text.clone())?;
        let archive = ZipArchive::new(file)
            .with_context(|| format!("{path_text}: not a .npz file (`numpy.savez` writes them)"))?;
        Ok(Self { path: path_text, archive })
    }

    /// Names of the arrays.
    pub fn names(&self) -> Vec<String> {
        let names = self.archive.file_names().flatten();
        names.map(|name| name.strip_suffix(".npy").unwrap_or(&name).to_owned()).collect()
    }

    /// An array that may be missing.
    ///
    /// # Errors
    /// If it is there but damaged, too large, or not of floating-point numbers.
    pub fn find(&mut self, name: &str) -> anyhow::Result<Option<Array>> {
        let entry_name = format!("{name}.npy");
        if self.archive.index_for_name(&entry_name).is_none() {
            return Ok(None);
        }
        let what = || format!("{}: array `{name}`", self.path);
        let mut entry = self.archive.by_name(&entry_name).with_context(what)?;
        let size = entry.size();
        read_array(&mut entry, size).map(Some).with_context(what)
    }

    /// An array that must be there.
    ///
    /// # Errors
    /// As [`Npz::find`], and with the names that there are if it is missing.
    pub fn get(&mut self, name: &str) -> anyhow::Result<Array> {
        if let Some(array) = self.find(name)? {
            return Ok(array);
        }
        let names = self.names();
        let hint = nearest_name(name, names.iter().map(String::as_str))
            .map(|n| format!("; did you mean `{n}`?"))
            .unwrap_or_default();
        bail!("{}: no array `{name}`; there are {names:?}{hint}", self.path)
    }
}

/// Writes arrays as a `.npz` file, uncompressed as `numpy.savez` does.
///
/// # Errors
/// If the file cannot be written.
pub fn write_npz(path: &Path, arrays: &[(&str, &Array)]) -> anyhow::Result<()> {
    let write = || {
        let mut archive = ZipWriter::new(std::io::BufWriter::new(File::create(path)?));
        for (name, array) in arrays {
            let large = array.data.len() as u64 * 8 >= u64::from(u32::MAX) - 65_536;
            let options =
                SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(large);
            archive.start_file(format!("{name}.npy"), options)?;
            write_array(&mut archive, array)?;
        }
        archive.finish()?.flush()?;
        anyhow::Ok(())
    };
    write().with_context(|| path.display().to_string())
}

/// An array of any type, as it goes into a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name in the archive.
    pub name: String,
    /// NumPy's word for the type: `<f4`, `<i4`, `|u1`.
    pub of: &'static str,
    /// Lengths of the axes, slowest first.
    pub shape: Vec<usize>,
    /// The values, little-endian.
    pub bytes: Vec<u8>,
}

/// Writes arrays of any type as a compressed `.npz` file.
///
/// # Errors
/// If the file cannot be written.
pub fn write_columns(path: &Path, columns: &[Column]) -> anyhow::Result<()> {
    let write = || {
        let mut archive = ZipWriter::new(std::io::BufWriter::new(File::create(path)?));
        for column in columns {
            let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
            archive.start_file(format!("{}.npy", column.name), options)?;
            archive.write_all(&header_bytes(column.of, &column.shape))?;
            archive.write_all(&column.bytes)?;
        }
        archive.finish()?.flush()?;
        anyhow::Ok(())
    };
    write().with_context(|| path.display().to_string())
}

fn write_array(writer: &mut impl Write, array: &Array) -> anyhow::Result<()> {
    writer.write_all(&Header::of(&array.shape).to_bytes())?;
    for part in array.data.chunks(8192) {
        let bytes: Vec<u8> = part.iter().flat_map(|value| value.to_le_bytes()).collect();
        writer.write_all(&bytes)?;
    }
    Ok(())
}

/// Reads one array of `size` bytes, header included.
fn read_array(reader: &mut impl Read, size: u64) -> anyhow::Result<Array> {
    ensure!(size <= MAX_BYTES, "{size} bytes; at most {MAX_BYTES} are read");
    let mut bytes = Vec::new();
    reader.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    ensure!(bytes.len() as u64 == size, "{} bytes instead of {size}", bytes.len());
    let (header, start) = Header::parse(&bytes)?;
    let values = header.values(&bytes[start..])?;
    let data = if header.fortran_order { to_c_order(&header.shape, &values) } else { values };
    Ok(Array { shape: header.shape, data })
}

/// Values in which the first axis runs fastest, reordered so that the last one does.
fn to_c_order(shape: &[usize], values: &[f64]) -> Vec<f64> {
    let mut index = vec![0; shape.len()];
    let mut out = Vec::with_capacity(values.len());
    for _ in 0..values.len() {
        let from = index.iter().zip(shape).rev().fold(0, |at, (i, length)| at * length + i);
        out.push(values[from]);
        for (i, length) in index.iter_mut().zip(shape).rev() {
            *i += 1;
            if *i < *length {
                break;
            }
            *i = 0;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fortran_order_is_undone() {
        // [[1, 2, 3], [4, 5, 6]] stored by columns.
        assert_eq!(to_c_order(&[2, 3], &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert!(to_c_order(&[0, 3], &[]).is_empty());
    }

    #[test]
    fn the_first_bad_number_is_named() {
        let mut array = Array::new(&[2, 3], vec![0.0; 6]);
        assert!(array.check_finite("q").is_ok());
        array.data[4] = f64::NAN;
        assert!(array.check_finite("q").unwrap_err().to_string().contains("q[1, 1] is NaN"));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let array = Array::new(&[2, 1, 2], vec![0.5, -1.0e300, f64::MIN_POSITIVE, 3.0]);
        let mut bytes = Vec::new();
        write_array(&mut bytes, &array).unwrap();
        assert_eq!(read_array(&mut bytes.as_slice(), bytes.len() as u64).unwrap(), array);
        // Every cut and every claim of another size is an error, not a panic.
        for end in 0..bytes.len() {
            assert!(read_array(&mut &bytes[..end], end as u64).is_err(), "{end}");
            assert!(read_array(&mut bytes.as_slice(), end as u64).is_err(), "{end}");
        }
    }
}
