//! Rollouts, PPO, checkpoints, run folders.
