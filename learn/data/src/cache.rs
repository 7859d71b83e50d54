//! What was read last, up to a number of bytes.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Values by key. What was not asked for longest goes first; one value stays, however large.
#[derive(Debug)]
pub struct Cache<K, V> {
    most: usize,
    kept: Mutex<Kept<K, V>>,
}

#[derive(Debug)]
struct Kept<K, V> {
    entries: HashMap<K, Entry<V>>,
    /// Keys by when they were asked for.
    ages: BTreeMap<u64, K>,
    bytes: usize,
    clock: u64,
}

#[derive(Debug)]
struct Entry<V> {
    value: Arc<V>,
    bytes: usize,
    used: u64,
}

impl<K: Copy + Eq + Hash, V> Cache<K, V> {
    /// Keeps at most so many bytes.
    pub fn new(most: usize) -> Self {
        let kept = Kept { entries: HashMap::new(), ages: BTreeMap::new(), bytes: 0, clock: 0 };
        Self { most, kept: Mutex::new(kept) }
    }

    /// The value of a key, read if it is not at hand. `read` says how large it is too. Two threads that ask at once may
    /// both read.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn get<E>(&self, key: K, read: impl FnOnce() -> Result<(V, usize), E>) -> Result<Arc<V>, E> {
        let lock = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = lock().find(key) {
            return Ok(value);
        }
        let (value, bytes) = read()?;
        let value = Arc::new(value);
        lock().keep(key, Arc::clone(&value), bytes, self.most);
        Ok(value)
    }
}

impl<K: Copy + Eq + Hash, V> Kept<K, V> {
    fn find(&mut self, key: K) -> Option<Arc<V>> {
        let entry = self.entries.get_mut(&key)?;
        self.clock += 1;
        self.ages.remove(&entry.used);
        self.ages.insert(self.clock, key);
        entry.used = self.clock;
        Some(Arc::clone(&entry.value))
    }

    fn keep(&mut self, key: K, value: Arc<V>, bytes: usize, most: usize) {
        self.forget(key);
        self.clock += 1;
        self.ages.insert(self.clock, key);
        self.entries.insert(key, Entry { value, bytes, used: self.clock });
        self.bytes += bytes;
        while self.bytes > most && self.entries.len() > 1 {
            let Some((_, oldest)) = self.ages.first_key_value() else { break };
            self.forget(*oldest);
        }
    }

    fn forget(&mut self, key: K) {
        if let Some(entry) = self.entries.remove(&key) {
            self.ages.remove(&entry.used);
            self.bytes -= entry.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// Asks for a value, and says whether it had to be read.
    fn read(cache: &Cache<u32, u32>, key: u32, bytes: usize) -> bool {
        let mut was_read = false;
        let value = cache.get(key, || {
            was_read = true;
            Ok::<_, Infallible>((10 * key, bytes))
        });
        assert_eq!(value.map(|value| *value), Ok(10 * key));
        was_read
    }

    #[test]
    fn what_was_not_asked_for_longest_goes_first() {
        let cache = Cache::new(100);
        assert!(read(&cache, 1, 40) && read(&cache, 2, 40));
        assert!(!read(&cache, 1, 40));
        // The third takes the room of the second, as the first was asked for since.
        assert!(read(&cache, 3, 40));
        assert!(!read(&cache, 1, 40) && read(&cache, 2, 40));
        // One stays, however large.
        assert!(read(&cache, 4, 1000) && !read(&cache, 4, 1000));
        assert!(read(&cache, 1, 40));
        assert!(read(&cache, 4, 1000));
        assert_eq!(
            cache.kept.lock().map(|kept| (kept.bytes, kept.entries.len(), kept.ages.len())).ok(),
            Some((1000, 1, 1))
        );
    }

    #[test]
    fn what_cannot_be_read_is_not_kept() {
        let cache: Cache<u32, u32> = Cache::new(100);
        assert_eq!(cache.get(1, || Err("broken")), Err("broken"));
        assert!(read(&cache, 1, 10));
    }
}
