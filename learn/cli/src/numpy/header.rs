//! The header of a `.npy` array: magic, version, length, and a Python dictionary that says type, order and shape.

use anyhow::{Context, bail, ensure};

const MAGIC: &[u8] = b"\x93NUMPY";
/// Longest header that is read \[byte\]; NumPy itself trusts 10,000.
const MAX_HEADER: usize = 10_000;
/// Axes of an array, at most; NumPy's own bound.
const MAX_AXES: usize = 64;

/// Floating-point types that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Float {
    F32,
    F64,
}

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    float: Float,
    /// Whether the first axis runs fastest.
    pub(super) fortran_order: bool,
    /// Lengths of the axes.
    pub(super) shape: Vec<usize>,
}

/// Magic, version 1.0, length and dictionary of an array of a type in C order, padded so that the data starts at a
/// multiple of 64.
pub(super) fn header_bytes(of: &str, shape: &[usize]) -> Vec<u8> {
    let axes: String = shape.iter().map(|length| format!("{length}, ")).collect();
    let mut text = format!("{{'descr': '{of}', 'fortran_order': False, 'shape': ({}), }}", axes.trim_end());
    let start = MAGIC.len() + 4;
    while !(start + text.len() + 1).is_multiple_of(64) {
        text.push(' ');
    }
    text.push('\n');
    let mut bytes = [MAGIC, &[1, 0]].concat();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

impl Header {
    /// The header of an array as keiko writes it: `float64`, C order.
    pub(super) fn of(shape: &[usize]) -> Self {
        Self { float: Float::F64, fortran_order: false, shape: shape.to_vec() }
    }

    /// The header as bytes.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        header_bytes("<f8", &self.shape)
    }

    /// The header at the start of `bytes`, and where the data begins.
    pub(super) fn parse(bytes: &[u8]) -> anyhow::Result<(Self, usize)> {
        let rest = bytes.strip_prefix(MAGIC).context("not a NumPy array (`numpy.save` writes them)")?;
        let &[major, _minor, ref rest @ ..] = rest else { bail!("the file ends within its header") };
        let (length, width) = match (major, rest) {
            (1, &[a, b, ..]) => (usize::from(u16::from_le_bytes([a, b])), 2),
            (2 | 3, &[a, b, c, d, ..]) => (u32::from_le_bytes([a, b, c, d]) as usize, 4),
            (1..=3, _) => bail!("the file ends within its header"),
            _ => bail!("NumPy format version {major}; allowed: 1 to 3"),
        };
        ensure!(length <= MAX_HEADER, "a header of {length} bytes; at most {MAX_HEADER} are read");
        let text = rest.get(width..width + length).context("the file ends within its header")?;
        let text = std::str::from_utf8(text).context("the header is not text")?;
        let header =
            Dictionary { rest: text }.header().with_context(|| format!("header `{}`", text.trim()))?;
        Ok((header, MAGIC.len() + 2 + width + length))
    }

    /// The numbers that follow the header, in the order they are stored.
    pub(super) fn values(&self, bytes: &[u8]) -> anyhow::Result<Vec<f64>> {
        let width = if self.float == Float::F32 { 4 } else { 8 };
        let count = self.shape.iter().try_fold(1_usize, |n, length| n.checked_mul(*length));
        let expected = count.and_then(|n| n.checked_mul(width));
        let found = bytes.len();
        ensure!(expected == Some(found), "shape {:?} does not fit {found} bytes of data", self.shape);
        Ok(match self.float {
            Float::F32 => {
                bytes.as_chunks::<4>().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect()
            }
            Float::F64 => bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
        })
    }
}

/// The text of a dictionary that is being read.
struct Dictionary<'a> {
    rest: &'a str,
}

impl<'a> Dictionary<'a> {
    fn header(mut self) -> anyhow::Result<Header> {
        let (mut float, mut order, mut shape) = (None, None, None);
        self.expect('{')?;
        while !self.take('}') {
            let key = self.string()?;
            self.expect(':')?;
            match key {
                "descr" => float = Some(self.float()?),
                "fortran_order" => order = Some(self.boolean()?),
                "shape" => shape = Some(self.shape()?),
                _ => bail!("unknown key `{key}`"),
            }
            if !self.take(',') {
                self.expect('}')?;
                break;
            }
        }
        ensure!(self.rest.trim().is_empty(), "text after the dictionary");
        Ok(Header {
            float: float.context("no `descr`")?,
            fortran_order: order.context("no `fortran_order`")?,
            shape: shape.context("no `shape`")?,
        })
    }

    /// Whether the next character is `c`, which is then passed.
    fn take(&mut self, c: char) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, c: char) -> anyhow::Result<()> {
        ensure!(self.take(c), "`{c}` expected before `{}`", self.rest.chars().take(16).collect::<String>());
        Ok(())
    }

    fn string(&mut self) -> anyhow::Result<&'a str> {
        let quote = if self.take('"') { '"' } else { '\'' };
        if quote == '\'' {
            self.expect('\'')?;
        }
        let (text, rest) = self.rest.split_once(quote).context("a string without end")?;
        self.rest = rest;
        Ok(text)
    }

    fn float(&mut self) -> anyhow::Result<Float> {
        const ALLOWED: &str = "allowed: float32 (`<f4`) and float64 (`<f8`)";
        self.rest = self.rest.trim_start();
        ensure!(!self.rest.starts_with('['), "a structured type; {ALLOWED}");
        match self.string()? {
            "<f4" => Ok(Float::F32),
            "<f8" => Ok(Float::F64),
            other => bail!("numbers of type `{other}`; {ALLOWED}"),
        }
    }

    fn boolean(&mut self) -> anyhow::Result<bool> {
        self.rest = self.rest.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        bail!("`fortran_order` is neither True nor False")
    }

    fn shape(&mut self) -> anyhow::Result<Vec<usize>> {
        self.expect('(')?;
        let (inside, rest) = self.rest.split_once(')').context("`shape` without `)`")?;
        self.rest = rest;
        let axes = inside.trim().trim_end_matches(',');
        if axes.is_empty() {
            return Ok(Vec::new());
        }
        let number = |axis: &str| axis.trim().parse().with_context(|| format!("`{axis}` is no length"));
        let shape: Vec<usize> = axes.split(',').map(number).collect::<anyhow::Result<_>>()?;
        ensure!(shape.len() <= MAX_AXES, "{} axes; at most {MAX_AXES}", shape.len());
        Ok(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> anyhow::Result<Header> {
        let mut bytes = [MAGIC, &[1, 0]].concat();
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        Header::parse(&bytes).map(|(header, _)| header)
    }

    #[test]
    fn headers_as_numpy_writes_them() {
        let header = parse("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 4), }   \n").unwrap();
        assert_eq!(header, Header { float: Float::F32, fortran_order: true, shape: vec![3, 4] });
        let scalar = parse("{'shape': (), 'fortran_order': False, \"descr\": \"<f8\"}").unwrap();
        assert_eq!(scalar, Header::of(&[]));
        assert_eq!(
            parse("{'descr': '<f8', 'fortran_order': False, 'shape': (7,), }").unwrap(),
            Header::of(&[7])
        );
    }

    #[test]
    fn own_headers_are_aligned_and_read_again() {
        for shape in [&[][..], &[5], &[1, 2, 3], &[123_456, 789]] {
            let bytes = Header::of(shape).to_bytes();
            assert_eq!(bytes.len() % 64, 0);
            assert_eq!(Header::parse(&bytes).unwrap(), (Header::of(shape), bytes.len()));
        }
    }

    #[test]
    fn bad_headers_say_what_is_wrong() {
        let cases = [
            ("{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }", "`<i8`"),
            ("{'descr': [('x', '<f8')], 'fortran_order': False, 'shape': (3,), }", "structured"),
            ("{'descr': '<f8', 'shape': (3,), }", "no `fortran_order`"),
            ("{'descr': '<f8', 'fortran_order': 0, 'shape': (3,), }", "neither True nor False"),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (-3,), }", "`-3`"),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (3,), 'more': 1}", "unknown key `more`"),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (3", "without `)`"),
            ("", "`{` expected"),
        ];
        for (text, piece) in cases {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(piece), "{error}");
        }
    }

    #[test]
    fn shapes_that_overflow_are_refused() {
        let header =
            parse("{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296, 8), }");
        assert!(header.unwrap().values(&[0; 8]).is_err());
    }
}
