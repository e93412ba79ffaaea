//! Command types, emitters and the bounded ring writer.
