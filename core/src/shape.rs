//! A JSON value turned into a type, with the path to what does not fit. Derived readers do the work; this gives them the value.
//!
//! A structure is read from an object and from nothing else: derived readers would take a list for one, member by member.

use core::cell::Cell;
use core::fmt::Write as _;

use serde::Deserialize as _;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, Expected, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Map, Value};

/// A value that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// Where, e.g. `spec.match.images[0]`; empty for the document itself.
    pub(crate) path: String,
    /// What was expected.
    pub(crate) message: String,
}

/// Turns a value into a type.
///
/// # Errors
/// [`Misfit`], for the first value that does not fit.
pub(crate) fn shape<T: DeserializeOwned>(value: Value) -> Result<T, Misfit> {
    let wrong = Cell::new(None);
    T::deserialize(Part { value, place: &Place::Whole, wrong: &wrong })
        .map_err(|error| Misfit { path: wrong.take().unwrap_or_default(), message: error.to_string() })
}

/// Where a value stands. The path is written only where something is wrong.
enum Place<'p> {
    Whole,
    Member(&'p Self, &'p str),
    Item(&'p Self, usize),
}

impl Place<'_> {
    fn write(&self, path: &mut String) {
        match self {
            Self::Whole => {}
            Self::Member(parent, name) => {
                parent.write(path);
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
            }
            Self::Item(parent, index) => {
                parent.write(path);
                // A text takes everything.
                let _ = write!(path, "[{index}]");
            }
        }
    }

    /// Notes that an error came from here, unless it came from further below.
    fn noted(&self, error: Error, wrong: &Wrong) -> Error {
        let path = wrong.take().unwrap_or_else(|| {
            let mut path = String::new();
            self.write(&mut path);
            path
        });
        wrong.set(Some(path));
        error
    }
}

/// The path to what is wrong, once something is.
type Wrong = Cell<Option<String>>;

/// One value of the document.
struct Part<'p> {
    value: Value,
    place: &'p Place<'p>,
    wrong: &'p Wrong,
}

impl<'p> Part<'p> {
    fn members(self, members: Map<String, Value>) -> Members<'p> {
        let (place, wrong) = (self.place, self.wrong);
        Members { rest: members.into_iter(), name: String::new(), value: Value::Null, place, wrong }
    }

    fn items(self, items: Vec<Value>) -> Items<'p> {
        Items { rest: items.into_iter(), next: 0, place: self.place, wrong: self.wrong }
    }

    fn read_map<'de, V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        match self.value.take() {
            Value::Object(map) => {
                let count = map.len();
                let mut members = self.members(map);
                let read = visitor.visit_map(&mut members)?;
                all_read(members.rest.len(), count, &"fewer elements in map").map(|()| read)
            }
            other => Err(unexpected(&other, &visitor)),
        }
    }

    fn read_seq<'de, V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        match self.value.take() {
            Value::Array(list) => {
                let count = list.len();
                let mut items = self.items(list);
                let read = visitor.visit_seq(&mut items)?;
                all_read(items.rest.len(), count, &"fewer elements in array").map(|()| read)
            }
            other => Err(unexpected(&other, &visitor)),
        }
    }
}

fn all_read(left: usize, count: usize, expected: &dyn Expected) -> Result<(), Error> {
    if left == 0 { Ok(()) } else { Err(Error::invalid_length(count, expected)) }
}

fn unexpected(value: &Value, expected: &dyn Expected) -> Error {
    let found = match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(value) => Unexpected::Bool(*value),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => Unexpected::Unsigned(number),
            (None, Some(number)) => Unexpected::Signed(number),
            (None, None) => Unexpected::Float(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => Unexpected::Str(text),
        Value::Array(_) => Unexpected::Seq,
        Value::Object(_) => Unexpected::Map,
    };
    Error::invalid_type(found, expected)
}

/// Methods that read nothing but a number.
macro_rules! numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.value {
                Value::Number(number) => number.deserialize_any(visitor),
                other => Err(unexpected(&other, &visitor)),
            }
        })*
    };
}

/// Methods that read nothing but a text.
macro_rules! texts {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.value {
                Value::String(text) => visitor.visit_string(text),
                other => Err(unexpected(&other, &visitor)),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Part<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(number) => number.deserialize_any(visitor),
            Value::String(text) => visitor.visit_string(text),
            Value::Array(_) => self.read_seq(visitor),
            Value::Object(_) => self.read_map(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Bool(value) => visitor.visit_bool(value),
            other => Err(unexpected(&other, &visitor)),
        }
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64
    }

    texts! { deserialize_char deserialize_str deserialize_string deserialize_identifier }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.value.is_null() { visitor.visit_unit() } else { Err(unexpected(&self.value, &visitor)) }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.read_seq(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.read_seq(visitor)
    }

    fn deserialize_tuple_struct<V>(self, _: &'static str, _: usize, visitor: V) -> Result<V::Value, Error>
    where
        V: Visitor<'de>,
    {
        self.read_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.read_map(visitor)
    }

    fn deserialize_struct<V>(self, _: &'static str, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error>
    where
        V: Visitor<'de>,
    {
        self.read_map(visitor)
    }

    fn deserialize_enum<V>(mut self, _: &'static str, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error>
    where
        V: Visitor<'de>,
    {
        let (variant, value) = match self.value.take() {
            Value::String(variant) => (variant, None),
            Value::Object(members) => {
                let mut members = members.into_iter();
                match (members.next(), members.next()) {
                    (Some((variant, value)), None) => (variant, Some(value)),
                    _ => return Err(Error::invalid_value(Unexpected::Map, &"map with a single key")),
                }
            }
            other => return Err(unexpected(&other, &"string or map")),
        };
        visitor.visit_enum(Variant { variant: &variant, value, place: self.place, wrong: self.wrong })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { bytes byte_buf }
}

/// The members of an object.
struct Members<'p> {
    rest: serde_json::map::IntoIter,
    name: String,
    value: Value,
    place: &'p Place<'p>,
    wrong: &'p Wrong,
}

impl<'de> MapAccess<'de> for Members<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((name, value)) = self.rest.next() else { return Ok(None) };
        (self.name, self.value) = (name, value);
        let read = seed.deserialize(Name(&self.name));
        read.map(Some).map_err(|error| Place::Member(self.place, &self.name).noted(error, self.wrong))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let place = &Place::Member(self.place, &self.name);
        let part = Part { value: self.value.take(), place, wrong: self.wrong };
        seed.deserialize(part).map_err(|error| place.noted(error, self.wrong))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// The name of a member.
struct Name<'n>(&'n str);

impl<'de> Deserializer<'de> for Name<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(self.0)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V>(self, name: &'static str, of: &'static [&'static str], visitor: V) -> Result<V::Value, Error>
    where
        V: Visitor<'de>,
    {
        StrDeserializer::<Error>::new(self.0).deserialize_enum(name, of, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// The items of a list.
struct Items<'p> {
    rest: std::vec::IntoIter<Value>,
    next: usize,
    place: &'p Place<'p>,
    wrong: &'p Wrong,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(value) = self.rest.next() else { return Ok(None) };
        let place = &Place::Item(self.place, self.next);
        self.next = self.next.saturating_add(1);
        let read = seed.deserialize(Part { value, place, wrong: self.wrong });
        read.map(Some).map_err(|error| place.noted(error, self.wrong))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// A variant: its name, or an object with its name and what it holds.
struct Variant<'p> {
    variant: &'p str,
    value: Option<Value>,
    place: &'p Place<'p>,
    wrong: &'p Wrong,
}

impl Variant<'_> {
    /// What it holds, read at its place.
    fn read<T>(self, expected: &str, read: impl FnOnce(Part<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let place = &Place::Member(self.place, self.variant);
        let read = match self.value {
            Some(value) => read(Part { value, place, wrong: self.wrong }),
            None => Err(Error::invalid_type(Unexpected::UnitVariant, &expected)),
        };
        read.map_err(|error| place.noted(error, self.wrong))
    }
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let name = StrDeserializer::<Error>::new(self.variant);
        seed.deserialize(name).map(|variant| (variant, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        if self.value.is_none() { Ok(()) } else { self.read("unit variant", |part| <()>::deserialize(part)) }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        self.read("newtype variant", |part| seed.deserialize(part))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.read("tuple variant", |part| match part.value {
            Value::Array(_) => part.read_seq(visitor),
            other => Err(unexpected(&other, &"tuple variant")),
        })
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.read("struct variant", |part| match part.value {
            Value::Object(_) => part.read_map(visitor),
            other => Err(unexpected(&other, &"struct variant")),
        })
    }
}
