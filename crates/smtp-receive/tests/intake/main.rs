//! Dialogs, smuggling, properties: the session from outside without a socket, then the driver with one.

mod dialogs;
mod driver;
mod hurry;
mod logs;
mod player;
mod properties;
mod script;
mod server;
mod smuggling;
mod store;
mod tls;
mod verbs;
mod world;
