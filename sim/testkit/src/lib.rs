//! Fixtures and oracles for tests.
