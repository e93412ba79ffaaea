//! Events as they stand in the file.

use crate::hex::Packed;
use core::fmt;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Map, Value};

/// A number written as `"0x..."`: an address, or an offset that is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Addr(pub u64);

impl<'de> Deserialize<'de> for Addr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.strip_prefix("0x").ok_or_else(|| D::Error::custom(format!("`{text}` is not 0x...")))?;
        u64::from_str_radix(digits, 16).map(Self).map_err(|_| D::Error::custom(format!("`{text}` is no address")))
    }
}

impl Serialize for Addr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// Lengths are numbers of bytes.
pub type Length = u64;

/// Client memory a call points to.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Payload {
    /// Which pointer leads there.
    pub field: String,
    /// Where it is.
    pub addr: Addr,
    /// How many bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<Length>,
    /// What is there, unless it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Packed>,
    /// So many bytes, if they cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<Length>,
    /// The same for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoded: Option<Value>,
}

/// One ioctl, with its answer.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Call {
    /// Symbolic name.
    pub name: String,
    /// Number of the call, as in the request.
    #[serde(default)]
    pub nr: u8,
    /// Full request code.
    pub request: Addr,
    /// Open file it was made on.
    pub file: u64,
    /// Index of the thread that made it; the first one has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<u64>,
    /// The argument struct.
    #[serde(rename = "in")]
    pub input: Packed,
    /// The same, decoded; fields that are zero are left out.
    #[serde(default)]
    pub fields: Map<String, Value>,
    /// Client memory before the call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payloads: Vec<Payload>,
    /// Return value: negative error code, or 0 or more.
    pub ret: i64,
    /// Name of the error code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errno: Option<String>,
    /// The struct after the call, if it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out: Option<Packed>,
    /// Output fields, decoded.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub out_fields: Map<String, Value>,
    /// Client memory the call wrote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub out_payloads: Vec<Payload>,
    /// Outputs that depend on time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volatile: Vec<String>,
    /// It was carried out, and then its struct could not be copied back: the client was told EFAULT and no output.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub unwritable: bool,
    /// Number of the buffer object it created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bo: Option<u64>,
    /// The client's clock, in nanoseconds, where the call has an absolute deadline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now_ns: Option<u64>,
}

impl Call {
    /// The request code; wider ones do not exist.
    #[must_use]
    pub fn request_code(&self) -> u32 {
        u32::try_from(self.request.0).unwrap_or(u32::MAX)
    }

    /// The struct after the call.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        &self.out.as_ref().unwrap_or(&self.input).0
    }

    /// A decoded output field as a number.
    #[must_use]
    pub fn out_number(&self, field: &str) -> Option<u64> {
        match self.out_fields.get(field)? {
            Value::Number(number) => number.as_u64().or_else(|| number.as_i64().map(i64::cast_unsigned)),
            Value::String(text) => u64::from_str_radix(text.strip_prefix("0x")?, 16).ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

/// The client mapped a buffer object.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct MapCall {
    /// Open file.
    pub file: u64,
    /// The offset that was given for the object.
    #[serde(default)]
    pub offset: Addr,
    /// Length in bytes.
    pub length: Length,
    /// What may be done there: `r`, `w`.
    #[serde(default)]
    pub prot: String,
    /// Flags of the mapping.
    #[serde(default)]
    pub flags: i32,
    /// 0, or a negative error code.
    pub ret: i64,
    /// Name of the error code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<String>,
    /// Where it lies in the client's memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addr: Option<Addr>,
    /// The object.
    pub bo: u64,
    /// Offset in the object.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bo_offset: u64,
}

/// As serde asks for it.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Pieces of bytes at offsets.
pub type Runs = Vec<(u64, Packed)>;

/// Where runs count from.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A buffer object, by number.
    Bo(u64),
    /// The start of a tracked piece of client memory.
    User(Addr),
}

/// What an event is.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Body {
    /// The client opened a device node.
    Open {
        /// Number of the open file.
        file: u64,
        /// `card` or `render`.
        #[serde(default)]
        node: String,
    },
    /// The last reference to an open file is gone.
    Close {
        /// Number of the open file.
        file: u64,
    },
    /// An ioctl.
    Call(Box<Call>),
    /// The call of an earlier line again, with the same answer.
    Repeat {
        /// That line.
        of: usize,
    },
    /// A buffer object was mapped.
    Mmap(MapCall),
    /// A range of client memory is gone.
    Munmap {
        /// Start.
        addr: Addr,
        /// Bytes.
        length: Length,
    },
    /// The pages of a range were replaced by fresh ones.
    Remap {
        /// Start.
        addr: Addr,
        /// Bytes.
        length: Length,
    },
    /// Client memory matters from here on.
    UserRange {
        /// Start.
        addr: Addr,
        /// Bytes.
        length: Length,
    },
    /// It matters no longer.
    UserRangeEnd {
        /// Start.
        addr: Addr,
        /// Bytes.
        length: Length,
    },
    /// The client wrote this.
    CpuWrite {
        /// Where.
        #[serde(flatten)]
        place: Place,
        /// What.
        runs: Runs,
    },
    /// Device or driver wrote this.
    GpuResult {
        /// Where.
        #[serde(flatten)]
        place: Place,
        /// What.
        runs: Runs,
    },
    /// The last line.
    End {
        /// Calls, repeats included.
        calls: u64,
        /// `cpu_write` events.
        cpu_writes: u64,
        /// `gpu_result` events.
        gpu_results: u64,
    },
}

/// One line after the header.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Event {
    /// Line number.
    pub n: usize,
    /// What happened.
    #[serde(flatten)]
    pub body: Body,
}
