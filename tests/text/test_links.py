"""Malformed links of answers, in Markdown and HTML."""

import pytest

from app.text.links import EXCERPT, bad_links


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("See [the page](/help/returns).", "relative"),
        ("See [the page](returns.html).", "relative"),
        ("See [us](www.example.com).", "write it with `https://`"),
        ("See [the page](#top).", "relative"),
        ("See [the page]().", "empty"),
        ("See [the page](https://).", "no host"),
        ("See [the page](https://[::1).", "no host"),
        ("Call [us](tel:+491234).", "begins with `tel:`"),
        ("[x](javascript:alert(1))", "begins with `javascript:`"),
        ("[x](htps://example.com)", "begins with `htps:`"),
        ("Write to [us](mailto:help).", "no `@`"),
        ("See [the page](https://example.com/a b).", "holds a space"),
        ("See [the page](<https://example.com/a b>).", "holds a space"),
        ("See [the page](https://example.com/a", "not closed"),
        ("See [the page] (https://example.com).", "between `]` and `(`"),
        ('<a href="/help">help</a>', "relative"),
        ("<a href='ftp://example.com'>files</a>", "begins with `ftp:`"),
        ('Go <a href="https://example.com">there', "has no `</a>`"),
        ('Go <a href="https://example.com>there</a>', "not closed"),
        ('<p>Go <a href="https://example.com>there</a></p>', "not closed"),
        ("Go <a href=''>there</a>", "empty"),
        ("Look at http:/example.com.", "no address after"),
        ("Look at https:// there.", "no address after"),
    ],
)
def test_a_malformed_link_is_found_with_its_reason(text: str, reason: str) -> None:
    (bad,) = bad_links(text)
    assert reason in bad.reason
    assert bad.text


@pytest.mark.parametrize(
    "text",
    [
        "See [the page](https://example.com/a_(b)?c=d#e) and <https://example.com>.",
        "Mail [us](mailto:help@example.com?subject=Hi) or https://example.com/x.",
        '<p>See <a href="https://example.com" title="x">it</a>.</p>',
        "Call `[x](y)` or\n```\n[x](/relative)\n```",
        "![a picture](/picture.png)",
        "An array a[0] (the first), f](x, 3 < 4, http and www.",
        "Ratio [1] (see below)",
        "<a name='x'>anchor</a>",
        "plain",
    ],
)
def test_a_good_link_and_what_is_no_link_are_not_found(text: str) -> None:
    assert bad_links(text) == []


def test_a_link_that_is_repeated_is_found_once_and_shown_shortened() -> None:
    text = f"[a](/{'x' * 200}) and [b](/{'x' * 200})"
    (bad,) = bad_links(text)
    assert len(bad.text) == EXCERPT
