//! A call as the format tells it, from its bytes and the client's memory.

use crate::hex::Packed;
use crate::layout::{
    Count, EXTENSION, EXTENSION_BYTES, Entry, Field, Form, INLINE_BIND, Layout, OPERATIONS, Pointer, QUERIES,
    SYNC_TYPES, Way, layout,
};
use crate::{Addr, Payload};
use serde_json::{Map, Value, json};

/// Reads client memory; false if it cannot be read.
pub type Reader<'r> = &'r mut dyn FnMut(u64, &mut [u8]) -> bool;

/// Most bytes behind a pointer that are looked at: more than any call takes.
const LONGEST: u64 = 16 << 20;
/// Most extensions in a chain: more than any call takes.
const LINKS: usize = 16;
/// The query whose answer is time, and where that begins in it.
const ENGINE_CYCLES: (u32, usize) = (6, 16);
/// Names of the times in it.
const CYCLES: [&str; 3] = ["data.engine_cycles", "data.cpu_timestamp", "data.cpu_delta"];

/// A call before it is made.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Its name.
    pub name: String,
    /// Fields of its struct that are not zero.
    pub fields: Map<String, Value>,
    /// Client memory that it points to and may read.
    pub payloads: Vec<Payload>,
}

/// What came of a call.
#[derive(Clone, Debug, Default)]
pub struct Got {
    /// Fields that were written.
    pub fields: Map<String, Value>,
    /// Client memory that was written.
    pub payloads: Vec<Payload>,
    /// What of it depends on time.
    pub volatile: Vec<String>,
}

/// The number of a field; none if the struct is too short for it.
fn number(bytes: &[u8], offset: usize, len: usize) -> Option<u64> {
    let mut wide = [0; 8];
    wide.get_mut(..len)?.copy_from_slice(bytes.get(offset..offset.checked_add(len)?)?);
    Some(u64::from_le_bytes(wide))
}

fn told(form: Form, value: u64) -> Value {
    match form {
        Form::Number => Value::from(value),
        Form::Signed => Value::from(value.cast_signed()),
        Form::Address => Value::from(Addr(value).to_string()),
    }
}

/// Input fields that are not zero.
fn inputs(fields: &[Field], bytes: &[u8]) -> Map<String, Value> {
    let given = fields.iter().filter(|field| field.input);
    let values = given.filter_map(|field| Some((field, number(bytes, field.offset, field.len)?)));
    let there = values.filter(|(field, value)| *value != 0 || field.always);
    there.map(|(field, value)| (field.name.into(), told(field.form, value))).collect()
}

/// The name of a number in a table.
fn name_in(table: &[&str], value: u64) -> Value {
    let name = usize::try_from(value).ok().and_then(|at| table.get(at));
    Value::from(*name.unwrap_or(&"?"))
}

/// A struct, decoded, with the name of its kind.
fn decoded_struct(entry: Entry, bytes: &[u8]) -> Value {
    let mut map = inputs(entry.fields(), bytes);
    let named = |table, offset| name_in(table, number(bytes, offset, 4).unwrap_or(u64::MAX));
    if entry == Entry::Sync {
        map.insert("type_name".into(), named(&SYNC_TYPES, 8));
    }
    if entry == Entry::Bind {
        map.insert("op_name".into(), named(&OPERATIONS, 40));
    }
    Value::Object(map)
}

fn decoded(entry: Entry, bytes: &[u8]) -> Option<Value> {
    let each =
        |tell: &dyn Fn(&[u8]) -> Value| Value::from(bytes.chunks(entry.len_bytes()).map(tell).collect::<Vec<_>>());
    let one = |form| move |bytes: &[u8]| told(form, number(bytes, 0, bytes.len()).unwrap_or(0));
    Some(match entry {
        Entry::Bytes => return None,
        Entry::Text => Value::from(String::from_utf8_lossy(bytes)),
        Entry::Word | Entry::Long => each(&one(Form::Number)),
        Entry::Address => each(&one(Form::Address)),
        Entry::Instance | Entry::Sync | Entry::Bind => each(&|bytes| decoded_struct(entry, bytes)),
    })
}

/// Where a pointer leads and to how many bytes; none if it leads to nothing.
fn target(pointer: &Pointer, arg: &[u8]) -> Option<(u64, u64)> {
    let count = match pointer.count {
        Count::Of(offset, len) => number(arg, offset, len)?,
        Count::IfSeveral(offset, len) => number(arg, offset, len).filter(|count| *count > 1)?,
        Count::Product(one, other) => number(arg, one, 2)?.saturating_mul(number(arg, other, 2)?),
    };
    let addr = number(arg, pointer.offset, 8)?;
    let length = count.saturating_mul(pointer.entry.len_bytes() as u64);
    (length > 0 && addr != 0).then_some((addr, length))
}

/// Client memory, as far as it can be read.
fn payload(field: String, (addr, length): (u64, u64), entry: Entry, read: Reader<'_>) -> Payload {
    let mut bytes = vec![0; usize::try_from(length.min(LONGEST)).unwrap_or(0)];
    let there = length <= LONGEST && read(addr, &mut bytes);
    Payload {
        field,
        addr: Addr(addr),
        length: there.then_some(length),
        decoded: if there { decoded(entry, &bytes) } else { None },
        data: there.then_some(Packed(bytes)),
        unreadable: (!there).then_some(length),
    }
}

/// A chain of extensions, up to the first that cannot be read.
fn chain(mut addr: u64, read: Reader<'_>) -> Vec<Payload> {
    let mut links: Vec<Payload> = Vec::new();
    while addr != 0 && links.len() < LINKS {
        let field = format!("extensions[{}]", links.len());
        let mut link = payload(field, (addr, EXTENSION_BYTES as u64), Entry::Bytes, &mut *read);
        addr = link.data.as_ref().and_then(|data| number(&data.0, 0, 8)).unwrap_or(0);
        link.decoded = link.data.as_ref().map(|data| Value::Object(inputs(EXTENSION, &data.0)));
        links.push(link);
    }
    links
}

/// Whether a call reads what is behind a pointer.
fn is_read(pointer: &Pointer, arg: &[u8]) -> bool {
    match pointer.way {
        Way::In => true,
        Way::Out => false,
        Way::OutAndInIf(offset, values) => {
            number(arg, offset, 4).is_some_and(|value| values.iter().any(|one| u64::from(*one) == value))
        }
    }
}

/// What a call without a name is called.
fn nameless(request: u32) -> String {
    let [nr, kind, ..] = request.to_le_bytes();
    match (kind, nr) {
        (0x64, 0xA0..=0xBE) => format!("MODE_{nr:#04x}"),
        (0x64, _) => format!("DRM_{nr:#04x}"),
        _ => format!("IOCTL_{:#06x}", request & 0xFFFF),
    }
}

/// Describes a call before it is made.
pub fn given(request: u32, arg: &[u8], read: Reader<'_>) -> Given {
    let Some(call) = layout(request) else { return Given { name: nameless(request), ..Given::default() } };
    let mut fields = inputs(call.fields, arg);
    if call.name == "XE_DEVICE_QUERY" {
        fields.insert("query_name".into(), name_in(&QUERIES, number(arg, 8, 4).unwrap_or(u64::MAX)));
    }
    if call.name == "XE_VM_BIND" {
        describe_binds(arg, &mut fields);
    }
    let mut payloads: Vec<Payload> = Vec::new();
    for pointer in call.pointers.iter().filter(|pointer| is_read(pointer, arg)) {
        if let Some(place) = target(pointer, arg) {
            payloads.push(payload(pointer.field.into(), place, pointer.entry, &mut *read));
        }
    }
    if let Some(first) = call.extensions.and_then(|offset| number(arg, offset, 8)) {
        payloads.extend(chain(first, read));
    }
    // What such a query answers is in the same bytes.
    payloads.iter_mut().filter(|payload| payload.field == "data").for_each(|payload| payload.decoded = None);
    Given { name: call.name.into(), fields, payloads }
}

/// The one operation is in the struct; where several are, a pointer is in its place.
fn describe_binds(arg: &[u8], fields: &mut Map<String, Value>) {
    let at = INLINE_BIND;
    match number(arg, 20, 4) {
        Some(1) => {
            if let Some(bind) = arg.get(at..at + Entry::Bind.len_bytes()) {
                fields.insert("bind".into(), decoded_struct(Entry::Bind, bind));
            }
        }
        Some(2..) => {
            fields.insert("vector_of_binds".into(), json!(Addr(number(arg, at, 8).unwrap_or(0))));
        }
        _ => {}
    }
}

/// Describes what came of a call: it was given `arg`, left `got`, and was `refused` or not.
pub fn got(request: u32, (arg, got): (&[u8], &[u8]), refused: bool, read: Reader<'_>) -> Got {
    let Some(call) = layout(request) else { return Got::default() };
    let mut described = Got::default();
    // What is left of a time limit is told of a wait that failed, too.
    let is_wait = call.name == "XE_WAIT_USER_FENCE";
    if !refused || is_wait {
        let outputs = call.fields.iter().filter(|field| field.output);
        let values = outputs.filter_map(|field| Some((field, number(got, field.offset, field.len)?)));
        described.fields = values.map(|(field, value)| (field.name.into(), told(field.form, value))).collect();
    }
    if !refused {
        described.payloads = written(call, arg, read);
    }
    let relative = number(arg, 18, 2).is_some_and(|flags| flags & 1 == 0);
    if is_wait && relative && !refused {
        described.volatile.push("timeout".into());
    }
    if call.name == "XE_DEVICE_QUERY" && number(arg, 8, 4) == Some(ENGINE_CYCLES.0.into()) {
        for data in described.payloads.iter_mut().filter_map(|payload| payload.data.as_mut()) {
            // Times are left out: they are never the same again.
            data.0.iter_mut().skip(ENGINE_CYCLES.1).for_each(|byte| *byte = 0);
            described.volatile = CYCLES.map(String::from).into();
        }
    }
    described
}

/// Client memory that a call wrote.
fn written(call: &Layout, arg: &[u8], read: Reader<'_>) -> Vec<Payload> {
    let outputs = call.pointers.iter().filter(|pointer| pointer.way != Way::In);
    let places = outputs.filter_map(|pointer| Some((pointer, target(pointer, arg)?)));
    let all = places.map(|(pointer, place)| payload(pointer.field.into(), place, pointer.entry, &mut *read));
    all.filter(|payload| payload.data.is_some()).collect()
}

/// The symbolic name of an error code; the number if it has none here.
#[must_use]
pub fn errno_name(code: i32) -> String {
    const NAMES: [(i32, &str); 24] = [
        (1, "EPERM"),
        (2, "ENOENT"),
        (4, "EINTR"),
        (5, "EIO"),
        (7, "E2BIG"),
        (9, "EBADF"),
        (11, "EAGAIN"),
        (12, "ENOMEM"),
        (13, "EACCES"),
        (14, "EFAULT"),
        (16, "EBUSY"),
        (17, "EEXIST"),
        (19, "ENODEV"),
        (22, "EINVAL"),
        (24, "EMFILE"),
        (25, "ENOTTY"),
        (28, "ENOSPC"),
        (34, "ERANGE"),
        (38, "ENOSYS"),
        (62, "ETIME"),
        (75, "EOVERFLOW"),
        (95, "EOPNOTSUPP"),
        (110, "ETIMEDOUT"),
        (125, "ECANCELED"),
    ];
    let name = NAMES.iter().find(|(known, _)| *known == code);
    name.map_or_else(|| format!("E{code}"), |(_, name)| (*name).into())
}
