//! Context images and descriptors.
