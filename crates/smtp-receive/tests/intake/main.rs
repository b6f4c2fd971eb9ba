//! Dialogs, smuggling, properties: the session from outside, without a socket.

mod dialogs;
mod player;
mod properties;
mod script;
mod smuggling;
mod verbs;
mod world;
