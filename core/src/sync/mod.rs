//! Fences, sequence numbers, sync objects.
