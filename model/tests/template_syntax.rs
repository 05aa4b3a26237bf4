//! The two forms that templates are written in: what they mean, that they cannot hurt, how long they take.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use quorate_model::template::Template;
use quorate_model::template::parse::parse;
use quorate_model::xml::XmlWriter;

fn xml(template: &Template) -> String {
    let mut w = XmlWriter::new();
    template.render("T", &mut w);
    w.finish().replace("<![CDATA[", "{").replace("]]>", "}")
}

/// What a template text parses to, or why not.
fn parsed(text: &str) -> String {
    match parse(text) {
        Ok(template) => xml(&template).trim_start_matches("<T>").trim_end_matches("</T>").to_owned(),
        Err(reason) => reason,
    }
}

#[test]
fn the_longest_match_wins_in_values() {
    for (text, want) in [
        // A quoted value ends at the first quote without backslash, or else at the last quote.
        (r#"V="a \" b" W=1"#, r#"<V>{a " b}</V><W>{1}</W>"#),
        (r#"V="a \""#, r#"<V>{a \}</V>"#),
        (r#"V="\\""#, r#"<V>{\\}</V>"#),
        // A plain value that is longer than the quoted one wins.
        (r#"V="a"b"#, r#"<V>{"a"b}</V>"#),
        (r#"V="a b"c=1"#, "<C>{1}</C><V>{a b}</V>"),
        ("V=\"a\nb\"", "<V>{a\nb}</V>"),
        // A line with a CDATA end counts whole, unless a longer quoted value holds it.
        ("V=x]]>y", "Parse error."),
        ("V=[A=\"x]]>\"]", "Parse error."),
        ("V=\"a]]>\nb\"", "Error transforming the Template to XML."),
        // What matches nothing is skipped, line ends too.
        ("V= # \n W=1", "Parse error: syntax error, unexpected EQUAL, expecting $end at line 2, columns 2:3"),
        ("V==,]x", "<V>{x}</V>"),
        ("V=   [  \n A=1 ]", "<V><A>{1}</A></V>"),
    ] {
        assert_eq!(parsed(text), want, "{text:?}");
    }
}

#[test]
fn names_are_made_to_fit_xml() {
    assert_eq!(parsed("xmlish=1\n9=2\n_a=3"), "<ONE_9>{2}</ONE_9><ONE_XMLISH>{1}</ONE_XMLISH><_A>{3}</_A>");
    assert_eq!(parsed("V=[9=1]"), "Error transforming the Template to XML.");
    assert_eq!(parsed("NAME=\"a \t\"\nNAME=b"), "<NAME>{a}</NAME>");
}

/// `Attribute::Attribute` makes every name upper case, and `template_syntax.y` the parts' of vectors, too; what
/// `Template::vector_xml_att` finds in XML keeps its case.
#[test]
fn names_in_lower_case_are_attributes_in_both_forms_and_parts_of_vectors_in_text_only() {
    assert_eq!(
        parsed("disk=[image_id=1,Size=2] cpu=1"),
        "<CPU>{1}</CPU><DISK><IMAGE_ID>{1}</IMAGE_ID><SIZE>{2}</SIZE></DISK>"
    );
    let xml = "<T><disk><image_id>1</image_id><Size>2</Size><SIZE>3</SIZE></disk><Disk><A>4</A></Disk><cpu>1</cpu></T>";
    let vectors = "<DISK><SIZE>{3}</SIZE><Size>{2}</Size><image_id>{1}</image_id></DISK><DISK><A>{4}</A></DISK>";
    assert_eq!(parsed(xml), format!("<CPU>{{1}}</CPU>{vectors}"));
}

#[test]
fn a_comment_needs_the_end_of_its_line() {
    assert_eq!(parsed("A=1\n  # B=2\nC=3"), "<A>{1}</A><C>{3}</C>");
    assert_eq!(parsed("A=1\n  #B=2"), "<A>{1}</A><B>{2}</B>");
}

#[test]
fn an_xml_element_with_one_text_is_a_value_and_one_with_elements_a_vector() {
    for (text, want) in [
        ("<T><a>1&amp;2&#51;</a></T>", "<A>{1&23}</A>"),
        ("<T><A><![CDATA[]]></A><B/><C></C></T>", "<A>{}</A>"),
        ("<T><A>1<![CDATA[2]]></A><B><![CDATA[1]]><![CDATA[2]]></B></T>", "<B>{12}</B>"),
        ("<T><A><b>1<x/>2</b><c><x/>2</c><b>3</b></A></T>", "<A><b>{3}</b></A>"),
        ("<T><A>1</A></T> \n<!-- end -->", "<A>{1}</A>"),
        ("<T><A>]]></A></T>", "Parse error: XML Template malformed."),
        ("<T><A>]]&gt;</A></T>", "Error transforming the Template to XML."),
        ("<T><A b=1>1</A></T>", "Parse error: XML Template malformed."),
        ("<T><A b='1'c='2'>1</A></T>", "Parse error: XML Template malformed."),
        ("<T><A b='&none;'>1</A></T>", "Parse error: XML Template malformed."),
        ("<T><A b='1' c = \"&lt;&#65;\">1</A></T>", "<A>{1}</A>"),
        ("<T><!-- a -- b --></T>", "Parse error: XML Template malformed."),
        ("<T><?xml version='1.0'?></T>", "Parse error: XML Template malformed."),
        ("<T><1A>1</1A></T>", "Parse error: XML Template malformed."),
        ("<T><A>&#1;</A></T>", "Parse error: XML Template malformed."),
        ("<T><A>a & b</A></T>", "Parse error: XML Template malformed."),
        ("<T/>x", "Parse error: XML Template malformed."),
        ("<T><!DOCTYPE x></T>", "Parse error: XML Template malformed."),
        (" <T/>", "Parse error: syntax error, unexpected $end, expecting EQUAL or EQUAL_EMPTY at line 1, columns 5:5"),
    ] {
        assert_eq!(parsed(text), want, "{text:?}");
    }
}

#[test]
fn xml_may_be_nested_so_deep_and_no_deeper() {
    let nested = |depth: usize| format!("<T>{}{}</T>", "<A>".repeat(depth), "</A>".repeat(depth));
    assert!(parse(&nested(256)).is_ok());
    assert!(parse(&nested(257)).is_err());
    assert!(parse(&nested(300_000)).is_err());
}

/// A megabyte of what makes scanners look ahead again and again must take no longer than a megabyte of anything.
#[test]
fn parsing_takes_linear_time() {
    const SIZE: usize = 1 << 20;
    let shapes: [(&str, &str, &str); 16] = [
        ("", "A=\"\\\"\n", ""),
        ("", "A=\"x\" ", ""),
        ("A=", "\"\\", ""),
        ("A=", " ", ""),
        ("A=", " #", ""),
        ("", "#", ""),
        ("", "# ", "x"),
        ("A=[", "B=\"]]\",", "C=1]"),
        ("A=[B=1", ",B=1", "]"),
        ("", "A=[]", ""),
        ("A=\"", "]]", "\""),
        ("A=", "=", "]]>"),
        ("", "é=", ""),
        ("A=\"", "\\\"", ""),
        ("<T>", "<A>&amp;</A>", "</T>"),
        ("<T><A>", "&lt;<!-- -->", "</A></T>"),
    ];
    for (head, body, tail) in shapes {
        let text = format!("{head}{}{tail}", body.repeat(SIZE / body.len()));
        let begun = Instant::now();
        let _ = parse(&text);
        let took = begun.elapsed();
        // Unoptimized builds on busy machines need some hundred milliseconds; quadratic time would be minutes.
        assert!(took < Duration::from_secs(10), "{head}{body}...{tail} took {took:?}");
    }
}

/// Texts of the pieces that mean something to the scanner.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("A"),
        Just("NAME"),
        Just("9"),
        Just("="),
        Just("= "),
        Just("["),
        Just("]"),
        Just(","),
        Just("\""),
        Just("\\\""),
        Just("\\"),
        Just("#"),
        Just("\n"),
        Just("\r\n"),
        Just(" "),
        Just("\t"),
        Just("]]>"),
        Just("]]"),
        Just("<"),
        Just(">"),
        Just("</"),
        Just("<A>"),
        Just("</A>"),
        Just("<A/>"),
        Just("<![CDATA["),
        Just("<!--"),
        Just("-->"),
        Just("&"),
        Just("&amp;"),
        Just("&#10;"),
        Just(";"),
        Just("é"),
        Just("🚀"),
        Just("x y"),
        Just("<?xml version=\"1.0\"?>"),
        Just("<!DOCTYPE A>"),
        Just("'"),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_parser_panic(text in prop_oneof![nasty(), any::<String>()]) {
        let _ = parse(&text);
        let _ = parse(&format!("<T>{text}</T>"));
    }

    /// What is stored can be read back as it was: every stored template is well-formed XML.
    #[test]
    fn what_parses_is_written_as_xml_that_parses_to_the_same(text in nasty()) {
        for text in [text.clone(), format!("<T>{text}</T>"), format!("A={text}\nB=1")] {
            let Ok(mut template) = parse(&text) else { continue };
            template.drop_empty_vectors();
            let mut w = XmlWriter::new();
            template.render("T", &mut w);
            prop_assert_eq!(parse(&w.finish()), Ok(template), "{:?}", text);
        }
    }

    #[test]
    fn quoted_values_come_back_as_they_were(value in "[^\"\\\\\r\0-\u{8}\u{b}-\u{1f}\u{fffe}\u{ffff}]{0,40}") {
        prop_assume!(!value.contains("]]>"));
        let template = parse(&format!("V=\"{value}\"\nW=[K=\"{value}\"]"));
        prop_assert!(template.is_ok(), "{:?}", template);
        let template = template.unwrap_or_default();
        prop_assert_eq!(template.get("V"), Some(value.as_str()));
        prop_assert_eq!(template.vector("W").and_then(|v| v.get("K")), Some(value.as_str()));
    }
}
