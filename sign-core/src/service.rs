//! What the clients of Fulcio, Rekor and the timestamp authorities have in common.

use http::StatusCode;
use url::Url;

use crate::error::{Code, Error, Result};
use crate::http::Response;

/// Most characters of a service's own message that are passed on: enough for a sentence, too few for
/// a page of HTML from a proxy.
const MAX_MESSAGE_CHARS: usize = 300;

/// `base` with `path` below it, whether or not `base` ends in a slash.
pub(crate) fn endpoint(base: &Url, path: &str) -> Result<Url> {
    let mut url = base.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.path_segments_mut()
        .map_err(|()| {
            Error::new(Code::TrustConfigInvalid, "a service's address cannot be extended").found(base)
        })?
        .pop_if_empty()
        .extend(path.split('/'));
    Ok(url)
}

/// The error for an answer that is not the one hoped for: a refusal, or a service in trouble.
pub(crate) fn refused(service: &str, answer: &Response) -> Error {
    let status = answer.status;
    let in_trouble = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
        || (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED);
    let found = match message(&answer.body) {
        Some(message) => format!("{}: {message}", status.as_u16()),
        None => status.to_string(),
    };
    if in_trouble {
        Error::new(Code::ServiceUnavailable, format!("{service} cannot serve the request now"))
            .found(found)
            .hint("try again later")
    } else {
        Error::new(Code::ServiceRefused, format!("{service} refused the request")).found(found)
    }
}

/// The error for an answer that cannot be understood.
pub(crate) fn not_understood(service: &str, what: &str) -> Error {
    Error::new(Code::ServiceProtocol, format!("{service} sent an answer that cannot be understood: {what}"))
}

/// The error for an answer about something other than what was asked.
pub(crate) fn contradiction(service: &str, what: &str) -> Error {
    Error::new(Code::ServiceContradiction, format!("the answer of {service} contradicts the request: {what}"))
        .hint("nothing was attached; do not use this service until the cause is known")
}

/// What the service itself says: the `message` of its JSON, or the start of its text.
pub(crate) fn message(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Status {
        message: String,
    }
    let text = match serde_json::from_slice::<Status>(body) {
        Ok(status) => status.message,
        Err(_) => String::from_utf8_lossy(body.get(..4 * MAX_MESSAGE_CHARS).unwrap_or(body)).into_owned(),
    };
    let text = escape(text.trim());
    (!text.is_empty()).then_some(text)
}

/// `text` on one line, limited, and with nothing that a terminal would obey or reorder.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == MAX_MESSAGE_CHARS {
            out.push('…');
            break;
        }
        match c {
            '\n' | '\t' => out.push(' '),
            // Controls, direction overrides and zero-width characters can forge what a terminal shows.
            c if c.is_control()
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}') =>
            {
                out.extend(c.escape_unicode());
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extends_addresses_with_and_without_a_slash() {
        for base in ["https://log.example/sub", "https://log.example/sub/"] {
            let url = endpoint(&base.parse().unwrap(), "api/v2/log/entries").unwrap();
            assert_eq!(url.as_str(), "https://log.example/sub/api/v2/log/entries");
        }
        let root = endpoint(&"https://log.example".parse().unwrap(), "api").unwrap();
        assert_eq!(root.as_str(), "https://log.example/api");
        assert_eq!(endpoint(&"data:x".parse().unwrap(), "api").unwrap_err().code(), Code::TrustConfigInvalid);
    }

    #[test]
    fn messages_are_limited_and_cannot_drive_a_terminal() {
        let json = r#"{"code":3,"message":"bad \u001b]0;x\u0007 \u202etoken\nnow"}"#;
        let text = message(json.as_bytes()).unwrap();
        assert_eq!(text, "bad \\u{1b}]0;x\\u{7} \\u{202e}token now");
        assert_eq!(message("x".repeat(5000).as_bytes()).unwrap().chars().count(), MAX_MESSAGE_CHARS + 1);
        assert_eq!(message(b" \n"), None);
    }

    #[test]
    fn tells_refusal_from_trouble() {
        let answer = |status| Response {
            url: "https://log.example".parse().unwrap(),
            status,
            headers: http::HeaderMap::new(),
            body: bytes::Bytes::from_static(b"no"),
        };
        for (status, code) in [
            (StatusCode::BAD_REQUEST, Code::ServiceRefused),
            (StatusCode::UNAUTHORIZED, Code::ServiceRefused),
            (StatusCode::NOT_IMPLEMENTED, Code::ServiceRefused),
            (StatusCode::TOO_MANY_REQUESTS, Code::ServiceUnavailable),
            (StatusCode::BAD_GATEWAY, Code::ServiceUnavailable),
        ] {
            assert_eq!(refused("the log", &answer(status)).code(), code, "{status}");
        }
    }
}

/// A server on loopback that gives scripted answers, one a connection.
#[cfg(test)]
pub(crate) mod fake {
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use url::Url;

    use crate::http::{HttpClient, HttpOptions};

    /// Status, headers, body.
    pub(crate) type Answer = (u16, Vec<(&'static str, String)>, String);

    pub(crate) struct Fake {
        pub(crate) url: Url,
        requests: Arc<Mutex<Vec<String>>>,
    }

    impl Fake {
        /// After the last of `answers` the server is gone.
        pub(crate) async fn serve(answers: Vec<Answer>) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
            let requests = Arc::new(Mutex::new(Vec::new()));
            let seen = Arc::clone(&requests);
            tokio::spawn(async move {
                for (status, headers, body) in answers {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let request = read(&mut stream).await;
                    seen.lock().unwrap().push(request);
                    let mut answer = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n");
                    for (name, value) in headers {
                        answer.push_str(&format!("{name}: {value}\r\n"));
                    }
                    answer.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
            Self { url, requests }
        }

        /// A client that no proxy in the environment can lead astray.
        pub(crate) fn client(&self) -> HttpClient {
            let no_redirects = reqwest::redirect::Policy::none();
            let client = reqwest::Client::builder().no_proxy().redirect(no_redirects).build().unwrap();
            HttpClient::with_client(client, HttpOptions::default())
        }

        /// Head and body of each request so far.
        pub(crate) fn requests(&self) -> Vec<String> {
            self.requests.lock().unwrap().clone()
        }
    }

    async fn read(stream: &mut TcpStream) -> String {
        let mut bytes = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if body.len() >= length.map_or(0, |n| n.parse().unwrap()) {
                    return text;
                }
            }
            assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "request ended early: {text}");
        }
    }
}
