//! Memory for answers. A list may have megabytes, and who asked for it may be slow to read it, or not want to. So a user takes a part of
//! the box's memory before their list is read from the store, and gives it back when it has been sent.

use super::{Answer, Content, Problem};
use crate::budget::{Budget, Part};
use crate::limits;
use crate::random::Id;
use serde::ser::{Serialize, SerializeMap, Serializer};

static ROOM: Budget<Id> = Budget::new(limits::ANSWERS_BYTES, limits::ANSWERS_BYTES_PER_USER, limits::ANSWERS_WAIT);

/// None: so little that it does not count.
pub type Room = Option<Part<Id>>;

/// For a list of which so many bytes are stored. It is there twice at a time: as it was stored and as values, then as values and as JSON.
pub(super) fn room(user: Id, stored: usize) -> Result<Room, Problem> {
    let part = || ROOM.take(user, stored.saturating_mul(2)).ok_or_else(Problem::busy);
    (stored > limits::SMALL_REPLY_BYTES).then(part).transpose()
}

/// `{"name": [...]}`, without the tree that `json!` would make of it first.
struct List<T>(&'static str, Vec<T>);

impl<T: Serialize> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut object = out.serialize_map(Some(1))?;
        object.serialize_entry(self.0, &self.1)?;
        object.end()
    }
}

/// The list itself holds the room from now on, as much of it as it takes.
pub(super) fn list<T: Serialize>(room: Room, name: &'static str, items: Vec<T>) -> Result<Answer, Problem> {
    Answer::json(200, &List(name, items)).map(|answer| within(room, answer))
}

pub(super) fn within(mut room: Room, mut answer: Answer) -> Answer {
    if let (Some(part), Content::Json(text)) = (&mut room, &mut answer.content) {
        text.shrink_to_fit();
        part.shrink(text.len());
    }
    Answer { room, ..answer }
}
