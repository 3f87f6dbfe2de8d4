//! Keys and sealed values: [`Sealed`] is the only form in which a secret can be stored.

use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
pub struct Sealed(String);

pub struct DataKey;
