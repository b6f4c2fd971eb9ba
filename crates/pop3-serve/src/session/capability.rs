use super::command::Context;
use super::command::auth::MECHANISMS;
use super::response::Responses;

/// In which state CAPA is asked.
#[derive(Clone, Copy)]
pub(super) enum When {
    /// AUTHORIZATION.
    BeforeLogin,
    /// TRANSACTION, with the days that this login's mail is kept at least.
    AfterLogin {
        /// None: for ever.
        expire: Option<u32>,
    },
}

/// CAPA's response (RFC 2449 §5, §6.1, §6.2, §6.6, §6.8, §6.9; RFC 3206 §5, §6; RFC 5034 §3). The same tags in
/// both states, for some clients ask only once, but for STLS, which has no use after the login, and EXPIRE.
/// USER and SASL are named only where a password may be sent (RFC 2595 §4, §6).
pub(super) fn list(when: When, context: &mut Context<'_, '_>) {
    let Context { params, peer, responses, .. } = context;
    responses.ok(format_args!("capabilities"));
    responses.line(format_args!("TOP"));
    responses.line(format_args!("UIDL"));
    responses.line(format_args!("RESP-CODES"));
    responses.line(format_args!("AUTH-RESP-CODE"));
    responses.line(format_args!("PIPELINING"));
    if peer.may_login() {
        responses.line(format_args!("USER"));
        responses.line(format_args!("SASL {}", MECHANISMS.join(" ")));
    }
    if matches!(when, When::BeforeLogin) && peer.tls_offered && !peer.tls {
        responses.line(format_args!("STLS"));
    }
    responses.line(format_args!("UTF8 USER"));
    responses.line(format_args!("LANG"));
    // RFC 1939 §8, RFC 2449 §6.7: USER says that the days differ between users, who learn theirs after the
    // login.
    match when {
        When::BeforeLogin => match params.expire {
            Some(days) if params.expire_differs => responses.line(format_args!("EXPIRE {days} USER")),
            days => expire(days, responses),
        },
        When::AfterLogin { expire: days } => expire(days, responses),
    }
    responses.line(format_args!("IMPLEMENTATION {}", params.implementation));
    responses.end();
}

fn expire(days: Option<u32>, responses: &mut Responses<'_>) {
    match days {
        Some(days) => responses.line(format_args!("EXPIRE {days}")),
        None => responses.line(format_args!("EXPIRE NEVER")),
    }
}
