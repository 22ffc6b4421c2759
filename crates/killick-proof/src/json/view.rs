//! JSON read without copying it: what is read once, looked at, and made something else of.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use super::parse::{Build, Scalar};
use super::{Json, Number, parse};
use crate::refusal::Refusal;

/// A JSON value whose strings are those of the bytes it was read from, unless they were escaped there.
#[derive(Clone, Debug)]
pub(crate) enum View<'a> {
    Null,
    Bool(bool),
    // INVARIANT: `Number::parse` reads it.
    Number(Cow<'a, str>),
    String(Cow<'a, str>),
    Array(Vec<View<'a>>),
    Object(Members<'a>),
}

/// The members of an object, in the order in which they were written. No two have one name.
#[derive(Clone, Debug)]
pub(crate) struct Members<'a>(Vec<(Cow<'a, str>, View<'a>)>);

/// The members of an object that is being read.
#[derive(Default)]
pub(crate) struct Growing<'a> {
    list: Vec<(Cow<'a, str>, View<'a>)>,
    /// Their names, once there are more of them than are quickly gone through.
    names: HashSet<Cow<'a, str>>,
}

/// Up to so many members are gone through one by one: most objects have no more, and an index costs more than that.
const LISTED_MAX: usize = 16;

impl<'a> View<'a> {
    /// As [`Json::parse_bounded`].
    pub(crate) fn parse(bytes: &'a [u8], depth_max: usize) -> Result<Self, Refusal> {
        parse::value(bytes, depth_max)
    }

    /// The object's member, if this is an object that has it.
    pub(crate) fn get(&self, name: &str) -> Option<&View<'a>> {
        self.as_object()?.get(name)
    }

    /// The string, if this is one.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            View::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if this is one.
    pub(crate) fn as_number(&self) -> Option<Number> {
        match self {
            View::Number(text) => Number::parse(text),
            _ => None,
        }
    }

    /// The items, if this is an array.
    pub(crate) fn as_array(&self) -> Option<&[View<'a>]> {
        match self {
            View::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The members, if this is an object.
    pub(crate) const fn as_object(&self) -> Option<&Members<'a>> {
        match self {
            View::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The value, copied.
    pub(crate) fn to_json(&self) -> Json {
        match self {
            View::Null => Json::Null,
            View::Bool(value) => Json::Bool(*value),
            View::Number(text) => Number::parse(text).map_or(Json::Null, Json::Number),
            View::String(text) => Json::String(text.clone().into_owned()),
            View::Array(items) => Json::Array(items.iter().map(View::to_json).collect()),
            View::Object(members) => {
                Json::object(members.iter().map(|(name, value)| (name, value.to_json())))
            }
        }
    }
}

impl<'a> Members<'a> {
    pub(crate) fn get(&self, name: &str) -> Option<&View<'a>> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Names and values.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &View<'a>)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// The names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(name, _)| name)
    }
}

impl<'a> From<&'a Json> for View<'a> {
    fn from(value: &'a Json) -> Self {
        match value {
            Json::Null => View::Null,
            Json::Bool(value) => View::Bool(*value),
            Json::Number(number) => View::Number(Cow::Owned(number.to_text())),
            Json::String(text) => View::String(Cow::Borrowed(text)),
            Json::Array(items) => View::Array(items.iter().map(View::from).collect()),
            Json::Object(members) => {
                let list = members.iter().map(|(name, value)| (Cow::Borrowed(name.as_str()), value.into()));
                View::Object(Members(list.collect()))
            }
        }
    }
}

impl<'a> Build<'a> for View<'a> {
    type Members = Growing<'a>;

    fn scalar(scalar: Scalar<'a>) -> Self {
        match scalar {
            Scalar::Null => View::Null,
            Scalar::Bool(value) => View::Bool(value),
            Scalar::String(text) => View::String(text),
        }
    }

    fn number(text: &'a str) -> Option<Self> {
        Number::parse(text).map(|_| View::Number(Cow::Borrowed(text)))
    }

    fn array(items: Vec<Self>) -> Self {
        View::Array(items)
    }

    fn object(members: Growing<'a>) -> Self {
        View::Object(Members(members.list))
    }

    fn insert(members: &mut Growing<'a>, name: Cow<'a, str>, value: Self) -> bool {
        let Growing { list, names } = members;
        let is_new = if list.len() < LISTED_MAX {
            list.iter().all(|(known, _)| *known != name)
        } else {
            if names.is_empty() {
                names.extend(list.iter().map(|(name, _)| name.clone()));
            }
            names.insert(name.clone())
        };
        list.push((name, value));
        is_new
    }
}

impl<'a> Build<'a> for Json {
    type Members = BTreeMap<String, Json>;

    fn scalar(scalar: Scalar<'a>) -> Self {
        match scalar {
            Scalar::Null => Json::Null,
            Scalar::Bool(value) => Json::Bool(value),
            Scalar::String(text) => Json::String(text.into_owned()),
        }
    }

    fn number(text: &'a str) -> Option<Self> {
        Number::parse(text).map(Json::Number)
    }

    fn array(items: Vec<Self>) -> Self {
        Json::Array(items)
    }

    fn object(members: Self::Members) -> Self {
        Json::Object(members)
    }

    fn insert(members: &mut Self::Members, name: Cow<'a, str>, value: Self) -> bool {
        members.insert(name.into_owned(), value).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::JSON_DEPTH_MAX;
    use crate::refusal::Code;

    #[test]
    fn a_view_is_the_value_that_the_reader_builds() {
        let many: Vec<String> = (0..40).map(|index| format!("\"m{index}\":{index}")).collect();
        for text in [
            r#"{"a":[1,-2.5e1,true,null],"b":"\u0041\ud83d\ude00\n","":{}}"#.to_owned(),
            format!("{{{}}}", many.join(",")),
            "0".to_owned(),
        ] {
            let view = View::parse(text.as_bytes(), JSON_DEPTH_MAX).unwrap();
            let json = Json::parse(text.as_bytes()).unwrap();
            assert_eq!(view.to_json(), json);
            assert_eq!(View::from(&json).to_json(), json);
        }
    }

    #[test]
    fn the_same_member_twice_is_refused_among_few_and_among_many() {
        for count in [2, LISTED_MAX, LISTED_MAX + 1, 300] {
            for (first, again) in [(0, count - 1), (count - 2, count - 1)] {
                let name =
                    |index: usize| if index == again { format!("m{first}") } else { format!("m{index}") };
                let members: Vec<String> = (0..count).map(|index| format!("\"{}\":0", name(index))).collect();
                let text = format!("{{{}}}", members.join(","));
                let refusal = View::parse(text.as_bytes(), JSON_DEPTH_MAX).unwrap_err();
                assert_eq!(refusal.code(), Code::JsonDuplicateKey, "{text}");
                assert_eq!(Json::parse(text.as_bytes()).unwrap_err().detail(), refusal.detail());
            }
        }
    }
}
