//! Values of a column.

use super::Physical;

/// Byte strings, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blobs {
    data: Vec<u8>,
    ends: Vec<usize>,
}

impl Blobs {
    pub fn push(&mut self, bytes: &[u8]) {
        self.data.extend_from_slice(bytes);
        self.ends.push(self.data.len());
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.data.get(start..end)
    }

    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// Bytes of all of them.
    pub fn num_bytes(&self) -> usize {
        self.data.len()
    }
}

impl<T: AsRef<[u8]>> FromIterator<T> for Blobs {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut blobs = Self::default();
        items.into_iter().for_each(|item| blobs.push(item.as_ref()));
        blobs
    }
}

/// Values of one kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    Bool(Vec<bool>),
    Int(Vec<i64>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Text(Blobs),
    Bytes(Blobs),
}

impl Values {
    pub fn len(&self) -> usize {
        match self {
            Self::Bool(values) => values.len(),
            Self::Int(values) => values.len(),
            Self::Float(values) => values.len(),
            Self::Double(values) => values.len(),
            Self::Text(values) | Self::Bytes(values) => values.len(),
        }
    }

    /// Nothing, of a kind.
    pub fn empty(physical: Physical) -> Self {
        match physical {
            Physical::Boolean => Self::Bool(Vec::new()),
            Physical::Int32 | Physical::Int64 => Self::Int(Vec::new()),
            Physical::Float => Self::Float(Vec::new()),
            Physical::Double => Self::Double(Vec::new()),
            Physical::Bytes => Self::Bytes(Blobs::default()),
        }
    }

    pub fn physical(&self) -> Physical {
        match self {
            Self::Bool(_) => Physical::Boolean,
            Self::Int(_) => Physical::Int64,
            Self::Float(_) => Physical::Float,
            Self::Double(_) => Physical::Double,
            Self::Text(_) | Self::Bytes(_) => Physical::Bytes,
        }
    }

    /// All as numbers; `None` of text and bytes.
    pub fn numbers(&self) -> Option<Vec<f64>> {
        Some(match self {
            Self::Bool(values) => values.iter().map(|value| f64::from(u8::from(*value))).collect(),
            Self::Int(values) => values.iter().map(|value| *value as f64).collect(),
            Self::Float(values) => values.iter().map(|value| f64::from(*value)).collect(),
            Self::Double(values) => values.clone(),
            Self::Text(_) | Self::Bytes(_) => return None,
        })
    }

    /// Adds the values of another of the same kind.
    pub fn extend(&mut self, more: Self) {
        match (self, more) {
            (Self::Bool(values), Self::Bool(more)) => values.extend(more),
            (Self::Int(values), Self::Int(more)) => values.extend(more),
            (Self::Float(values), Self::Float(more)) => values.extend(more),
            (Self::Double(values), Self::Double(more)) => values.extend(more),
            (Self::Bytes(values), Self::Bytes(more)) => more.iter().for_each(|bytes| values.push(bytes)),
            _ => debug_assert!(false, "values of two kinds"),
        }
    }

    /// The values at these places, or `None` if one is past the end.
    pub fn pick(&self, places: &[u32]) -> Option<Self> {
        fn picked<T: Copy>(values: &[T], places: &[u32]) -> Option<Vec<T>> {
            places.iter().map(|place| values.get(*place as usize).copied()).collect()
        }
        Some(match self {
            Self::Bool(values) => Self::Bool(picked(values, places)?),
            Self::Int(values) => Self::Int(picked(values, places)?),
            Self::Float(values) => Self::Float(picked(values, places)?),
            Self::Double(values) => Self::Double(picked(values, places)?),
            Self::Text(values) | Self::Bytes(values) => Self::Bytes(
                places.iter().map(|place| values.get(*place as usize)).collect::<Option<Blobs>>()?,
            ),
        })
    }
}

/// A column by rows: the values of row `i` are `ends[i - 1]..ends[i]`. A row of nothing is null or an empty list.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    pub ends: Vec<usize>,
    pub values: Values,
}

impl Rows {
    /// Rows.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Where the values of a row are.
    pub fn range(&self, row: usize) -> std::ops::Range<usize> {
        row.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[row]
    }

    /// The first row that has not `size` values, and how many it has.
    pub fn odd_row(&self, size: usize) -> Option<(usize, usize)> {
        (0..self.len()).map(|row| (row, self.range(row).len())).find(|(_, len)| *len != size)
    }
}
