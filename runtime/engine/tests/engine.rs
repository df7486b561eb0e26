//! The engines, from outside, against a scripted model and real stores. One program, since linking is what takes time.

#[cfg(test)]
mod builtin;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod direct;
#[cfg(test)]
mod images;
#[cfg(test)]
mod support;
