//! Slack's formatting, read.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(slack: &str, expected: &str) {
    assert_eq!(markdown(slack, "U0", "ours"), expected, "{slack:?}");
}

#[test]
fn marks_become_those_of_markdown() {
    check("a *b* _c_ ~d~ `e*f*`", "a **b** _c_ ~~d~~ `e*f*`");
    check("*b* *c d*.", "**b** **c d**.");
    check("a*b*c 2 * 3 * 4 *", "a*b*c 2 * 3 * 4 *");
    check("**typed** ~~so~~", "**typed** ~~so~~");
    check("*a <https://x.example/*b*|c>*", "**a [c](https://x.example/*b*)**");
    check("&gt; quoted\nnot", "> quoted\nnot");
    check("• a\n  ◦ b\nc", "- a\n  - b\nc");
}

#[test]
fn code_is_left_as_it_is() {
    check("```a *b* &lt;c&gt;```", "```\na *b* <c>\n```\n");
    check("see ```\nfn a()\n``` there", "see \n```\nfn a()\n```\n there");
    check("`<https://x.example>`", "`https://x.example`");
    check("open ```a *b*", "open ```a **b**");
    check("``", "``");
}

#[test]
fn brackets_become_names_and_links() {
    check("<@U1> <@U2|ada> <@U0>", "@U1 @ada @ours");
    check("<#C1|general> <#C2> <#C3|>", "#general #C2 #C3");
    check("<!here> <!channel|@channel> <!subteam^S1|@team> <!subteam^S2>", "@here @channel @team @S2");
    check("<!date^1^{date}|1 January>", "1 January");
    check("<https://x.example/?a=1&amp;b>", "https://x.example/?a=1&b");
    check("<http://x.example|x.example> <mailto:a@x.example|a@x.example>", "http://x.example a@x.example");
    check("<https://x.example/(a)|a [b]>", "[a \\[b\\]](<https://x.example/(a)>)");
    check("1 &lt; 2 &amp;amp; <", "1 < 2 &amp; <");
}

#[test]
fn the_mention_at_the_beginning_is_removed() {
    for text in ["<@U0> hi", " <@U0|ours>, hi", "<@U0>: <@U0> hi"] {
        assert_eq!(without_leading_mention(text, "U0"), "hi", "{text}");
    }
    for text in ["<@U01> hi", "hi <@U0>", "<@U0"] {
        assert_eq!(without_leading_mention(text, "U0"), text);
    }
    assert!(mentions("a <@U0|x> b", "U0") && !mentions("a <@U01> &lt;@U0&gt;", "U0"));
}

proptest! {
    #[test]
    fn plain_words_stay_as_they_are(text in "[a-zA-Z0-9 .,;:()\\[\\]{}/#@!?äß😀&<>\n-]{0,200}") {
        let slack = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        prop_assert_eq!(plain(&slack), text.clone());
        // A line that Slack takes for a quote is one.
        if !text.contains('>') {
            prop_assert_eq!(markdown(&slack, "U0", "ours"), text);
        }
    }

    #[test]
    fn anything_can_be_read(text in "([<>@#!|^*~_`& \n•a]|```|&gt;|&amp;|<@U0>){0,60}") {
        markdown(&text, "U0", "ours");
        plain(&text);
        without_leading_mention(&text, "U0");
        mentions(&text, "U0");
    }
}
