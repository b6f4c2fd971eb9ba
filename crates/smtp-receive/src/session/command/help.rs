use crate::session::Session;
use crate::session::reply::Reply;

/// RFC 5321 §4.1.1.8; whatever it asks about, the answer is the same.
pub(super) fn run(session: &mut Session, _: &str) {
    if session.is_borne() {
        session.send(Reply::Help);
    }
}
