//! The JSON messages of a terminal's WebSocket, as docs/API.md has them. Pure.

use crate::bridge::{About, Answer, Begin, Ended, News, Phase, Question, Summary};
use crate::secret::Secret;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tungstenite::Message;

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum FromClient {
    Resize {
        cols: u16,
        rows: u16,
    },
    Ack {
        offset: u64,
    },
    Answer(AnswerFields),
    /// What the terminal emulator answers by itself.
    Report {
        text: String,
    },
    End {},
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerFields {
    id: u64,
    accept: Option<bool>,
    #[serde(default)]
    remember: bool,
    responses: Option<Vec<Secret>>,
    #[serde(default)]
    cancel: bool,
}

impl AnswerFields {
    /// None if it says nothing.
    pub fn meaning(self) -> Option<(u64, Answer)> {
        let answer = match (self.cancel, self.accept, self.responses) {
            (true, _, _) => Answer::Cancel,
            (false, Some(accept), None) => Answer::HostKey { accept, remember: self.remember },
            (false, None, Some(responses)) => Answer::Responses(responses),
            _ => return None,
        };
        Some((self.id, answer))
    }
}

/// None: not one of our messages.
pub fn parse(text: &str) -> Option<FromClient> {
    let message = serde_json::from_str(text).ok()?;
    match message {
        FromClient::Resize { cols, rows } if !(1..=1000).contains(&cols) || !(1..=1000).contains(&rows) => None,
        message => Some(message),
    }
}

pub fn attached(session: &Summary, begin: Begin) -> String {
    json!({"type": "attached", "session": session, "offset": begin.offset, "lost": begin.lost, "restore": begin.restore})
        .to_string()
}

pub fn render(news: News) -> Message {
    match news {
        News::Output(bytes) => Message::binary(bytes),
        News::State(phase, detail) => Message::text(state(phase, &detail)),
        News::Question(question) => Message::text(ask(&question)),
        News::Answered(id) => Message::text(json!({"type": "answered", "id": id}).to_string()),
        News::Size(cols, rows) => Message::text(json!({"type": "size", "cols": cols, "rows": rows}).to_string()),
        News::Lost { bytes, offset, restore } => {
            Message::text(json!({"type": "lost", "bytes": bytes, "offset": offset, "restore": restore}).to_string())
        }
        News::Ended(ended) => Message::text(farewell(&ended)),
    }
}

fn state(phase: Phase, detail: &str) -> String {
    json!({"type": "state", "state": phase, "detail": detail}).to_string()
}

fn farewell(ended: &Ended) -> String {
    #[derive(Serialize)]
    struct Farewell<'a> {
        r#type: &'static str,
        #[serde(flatten)]
        ended: &'a Ended,
    }
    serde_json::to_string(&Farewell { r#type: "ended", ended }).unwrap_or_default()
}

fn ask(question: &Question) -> String {
    match &question.about {
        About::HostKey { host, port, key, changed, known } => {
            let known: Vec<_> = known
                .iter()
                .map(|key| json!({"algorithm": key.algorithm, "fingerprint": key.fingerprint, "added": key.added}))
                .collect();
            json!({"type": "question", "id": question.id, "question": "host_key", "host": host, "port": port,
                "algorithm": key.algorithm, "fingerprint": key.fingerprint,
                "status": if *changed { "changed" } else { "unknown" }, "known": known})
            .to_string()
        }
        About::Prompts(asked) => {
            let prompts: Vec<_> =
                asked.prompts.iter().map(|prompt| json!({"text": prompt.text, "echo": prompt.echo})).collect();
            json!({"type": "question", "id": question.id, "question": "prompts", "name": asked.name,
                "instruction": asked.instruction, "prompts": prompts, "attempt": asked.attempt})
            .to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_our_messages_are_understood() {
        assert!(matches!(
            parse(r#"{"type":"resize","cols":120,"rows":40}"#),
            Some(FromClient::Resize { cols: 120, rows: 40 })
        ));
        assert!(matches!(parse(r#"{"type":"end"}"#), Some(FromClient::End {})));
        assert!(matches!(parse(r#"{"type":"ack","offset":7}"#), Some(FromClient::Ack { offset: 7 })));
        for junk in [
            "",
            "{}",
            "[]",
            "null",
            r#"{"type":"resize","cols":0,"rows":40}"#,
            r#"{"type":"resize","cols":80,"rows":1001}"#,
            r#"{"type":"resize","cols":80}"#,
            r#"{"type":"shout"}"#,
            r#"{"type":"end","now":true}"#,
            r#"{"type":"answer"}"#,
        ] {
            assert!(parse(junk).is_none(), "{junk}");
        }
    }

    #[test]
    fn an_answer_says_exactly_one_thing() {
        let meaning = |text: &str| match parse(text) {
            Some(FromClient::Answer(fields)) => fields.meaning(),
            _ => None,
        };
        let yes = meaning(r#"{"type":"answer","id":1,"accept":true,"remember":true}"#);
        assert!(matches!(yes, Some((1, Answer::HostKey { accept: true, remember: true }))));
        let words = meaning(r#"{"type":"answer","id":2,"responses":["hunter2hunter2"]}"#);
        assert!(matches!(words, Some((2, Answer::Responses(given))) if given[0] == Secret::from("hunter2hunter2")));
        assert!(matches!(meaning(r#"{"type":"answer","id":2,"cancel":true}"#), Some((2, Answer::Cancel))));
        assert!(meaning(r#"{"type":"answer","id":2}"#).is_none());
        assert!(meaning(r#"{"type":"answer","id":2,"accept":true,"responses":[]}"#).is_none());
    }

    proptest! {
        #[test]
        fn junk_is_refused_and_harms_nothing(text in ".*") {
            let _ = parse(&text);
        }
    }
}
