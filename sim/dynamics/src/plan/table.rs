//! Records of integers and numbers, one a link, a joint, a contact.

use crate::machine::Int;

/// Where the records of a kind lie: record `i`, field `k` is at `i · stride + start + k`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// How many records.
    pub len: usize,
    ints: usize,
    int_stride: usize,
    reals: usize,
    real_stride: usize,
}

impl Table {
    /// Address of an integer field.
    #[inline(always)]
    pub fn int<I: Int>(&self, record: I, field: usize) -> I {
        record * self.int_stride + (self.ints + field)
    }

    /// Address of a number field.
    #[inline(always)]
    pub fn real<I: Int>(&self, record: I, field: usize) -> I {
        record * self.real_stride + (self.reals + field)
    }
}

/// The integers and numbers of all tables.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// All integers.
    pub ints: Vec<u32>,
    /// All numbers.
    pub reals: Vec<f64>,
}

impl Tables {
    /// Appends records, all of one shape.
    pub fn add<const I: usize, const R: usize>(&mut self, records: &[([usize; I], [f64; R])]) -> Table {
        let table = Table {
            len: records.len(),
            ints: self.ints.len(),
            int_stride: I,
            reals: self.reals.len(),
            real_stride: R,
        };
        for (ints, reals) in records {
            self.ints.extend(ints.iter().map(|&i| i as u32));
            self.reals.extend(reals);
        }
        table
    }

    /// Appends a list of integers and returns where it starts.
    pub fn add_list(&mut self, list: impl IntoIterator<Item = usize>) -> usize {
        let start = self.ints.len();
        self.ints.extend(list.into_iter().map(|i| i as u32));
        start
    }
}

/// Hands out places in memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Places(pub usize);

impl Places {
    /// The start of `len` fresh places.
    pub fn take(&mut self, len: usize) -> usize {
        let start = self.0;
        self.0 += len;
        start
    }
}
