//! Enums whose values have a number in documents and a name in texts: one row per value.
//!
//! What is stored of a value is neither of the two, but the name of its variant.

/// Such an enum. Each row: the variant, its number and its name on the wire.
macro_rules! numbered {
    ($(#[$of_all:meta])* $name:ident { $($(#[$of_one:meta])* $variant:ident = $number:literal $text:literal,)* }) => {
        $(#[$of_all])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
        #[repr(i32)]
        pub enum $name {
            $($(#[$of_one])* #[doc = concat!("`", $text, "`")] $variant = $number,)*
        }
        impl $name {
            /// Every value, by number.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];
            /// Its name in texts and events.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
            /// Its number in documents.
            #[must_use]
            pub fn number(self) -> i32 {
                self as i32
            }
            /// The first value of this name, in any case.
            #[must_use]
            pub fn parse(name: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|value| value.name().eq_ignore_ascii_case(name))
            }
        }
    };
}

pub(crate) use numbered;
