//! Why a policy could not be used.

/// A policy that cannot be loaded, or does not fit.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// Trained on other observations, actions or order than the environment has.
    #[error("the policy does not fit: {what}: policy has {policy}, environment has {environment}")]
    Mismatch {
        /// What differs.
        what: String,
        /// What the policy was trained on.
        policy: String,
        /// What the environment has.
        environment: String,
    },
    /// A part of the policy is missing or malformed.
    #[error("{part}: {message}")]
    Malformed {
        /// File or tensor.
        part: String,
        /// What is wrong with it.
        message: String,
    },
    /// Convolutions that do not fit an image.
    #[error("images of {} channels, {} x {} pixels: {what}", image[1], image[3], image[2])]
    Image {
        /// Frames, channels, height and width.
        image: [usize; 4],
        /// What does not fit.
        what: String,
    },
    /// A file could not be read or written.
    #[error("{source}: {path}")]
    Io {
        /// Reason.
        source: std::io::Error,
        /// The file.
        path: std::path::PathBuf,
    },
}

impl PolicyError {
    /// A malformed part.
    pub fn malformed(part: impl Into<String>, message: impl ToString) -> Self {
        Self::Malformed { part: part.into(), message: message.to_string() }
    }
}
