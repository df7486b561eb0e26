//! Markdown into what chat platforms show, in parts that fit: what the adapters have in common.
//!
//! A platform that shows Markdown itself gets it cut by [`source::split`]. For one with a form of its own, a [`Form`]
//! says how long things are in it and what may stand within what; then [`markdown::write`] makes of Markdown a
//! [`Flow`], a [`Cutter`] cuts it, and the adapter writes each piece in its form. [`plain::plain`] writes it as plain
//! text. [`foreign`] has what stands of others in lines of ours.
//!
//! A cut is between paragraphs, else between lines, else between words, else between what a person sees as characters;
//! not within a link or a block of code, which is closed and opened again.

mod character;
pub mod cut;
#[cfg(feature = "examples")]
pub mod examples;
pub mod flow;
pub mod foreign;
pub mod markdown;
pub mod plain;
pub mod sign;
pub mod source;
mod table;
mod unit;

pub use cut::{Cutter, Place};
pub use flow::{Flow, Form, Run, Style};
pub use unit::Unit;
