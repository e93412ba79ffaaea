//! Messages for whoever watches: through `log`, through `defmt`, through both, or nowhere.
//!
//! The macro is the only place that knows which; call sites have no `cfg`. Without either feature a message is not even
//! formatted: nothing of it is compiled.

/// Says `text` with its values, at a level both crates have: `error`, `warn`, `info`, `debug`, `trace`.
///
/// Values are not evaluated when nobody listens, so they have no effects of their own.
macro_rules! note {
    ($level:ident, $text:literal $(, $value:expr)*) => {{
        #[cfg(feature = "log")]
        log::$level!($text $(, $value)*);
        #[cfg(feature = "defmt")]
        defmt::$level!($text $(, $value)*);
        #[cfg(not(any(feature = "log", feature = "defmt")))]
        if false {
            let _unused = ($(&$value,)*);
        }
    }};
}

pub(crate) use note;
