//! The public face: clients, handles and every call.

pub mod request;
