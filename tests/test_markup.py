"""Answers with markup: what is shown, what is ranked, and what only looks like markup."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.markup import plain_text, to_html

LOOKS_LIKE_MARKUP = [
    "a < b and c > d",
    "if a<b and c>d then",
    "Write <order number> on the parcel.",
    "Dear <title> <name>, your <address>",
    "C++ *args and **kwargs",
    "snake_case_names, __file",
    "2 * 3 * 4",
    "5*3*2=30",
    "> 18 years",
    "[Note]: important",
    "[see above]",
    r"\\server\share_x\*.*",
    "R&D; AT&T",
    "1984. A year that is remembered",
    "14. Februar ist Valentinstag.",
    "one\n    two\n\nthree | four",
    "a\nb\n\nc",
    "<3",
]


@pytest.mark.parametrize("text", LOOKS_LIKE_MARKUP)
def test_what_only_looks_like_markup_is_ranked_as_it_is(text: str) -> None:
    assert plain_text(text) == text


@pytest.mark.parametrize("text", LOOKS_LIKE_MARKUP)
def test_what_only_looks_like_markup_is_shown_with_every_character(text: str) -> None:
    shown = plain_text(to_html(text))
    assert "".join(shown.split()) == "".join(text.split())


PLAIN = "With your card number at the catalogue."
MARKED = {
    "<p>With your <b>card number</b> at <a href='https://library.example'>the catalogue</a>.</p>": PLAIN,
    "With your **card number** at [the catalogue](https://library.example \"Title\").": PLAIN,
    "With your&nbsp;*card&#32;number* at `the catalogue`.": PLAIN,
    "<div>\n<p>Your card</p>\n\n<p>at <i>the catalogue</i></p></div>": "Your card\n\nat the catalogue",
    "- **ground floor**\n- first floor": "ground floor\nfirst floor",
    "<ul><li>ground floor</li><li>first floor</li></ul>": "ground floor\nfirst floor",
    "<ol><li>Sign in</li><li>Pay</li></ol>": "1. Sign in\n2. Pay",
    "| day | open |\n|---|---|\n| Monday | 9 to 5 |": "day open\nMonday 9 to 5",
    "Use `<b>` for **bold**": "Use <b> for bold",
    "&lt;b&gt; &amp;nbsp; &#8217;": "<b> &nbsp; ’",
    "<script>track()</script><style>p {}</style>Open daily.<!-- until May -->": "Open daily.",
    "![Plan of the floor](https://library.example/plan.png)": "Plan of the floor",
    "这是**重点**内容": "这是重点内容",
    "# Opening hours\n\nDaily": "Opening hours\n\nDaily",
}  # fmt: skip


@pytest.mark.parametrize(("marked", "plain"), MARKED.items())
def test_markup_is_taken_off_before_ranking(marked: str, plain: str) -> None:
    assert plain_text(marked) == plain


def test_an_answer_of_nothing_but_markup_is_ranked_as_it_is() -> None:
    assert plain_text("<img src='plan.png'>") == "<img src='plan.png'>"


def test_markdown_and_html_are_shown_alike() -> None:
    assert to_html("**a** and <em>b</em>") == "<p><strong>a</strong> and <em>b</em></p>"
    assert to_html("- a\n- b") == "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"
    assert to_html("`if a < b:`") == "<p><code>if a &lt; b:</code></p>"
    assert "<td>9 to 5</td>" in to_html("| day | open |\n|---|---|\n| Monday | 9 to 5 |")
    assert to_html("a\nb\n\nc") == "<p>a<br>b</p><p>c</p>"


def test_links_lead_to_the_web_and_to_mail_only() -> None:
    assert to_html("[a](https://x.example)") == '<p><a href="https://x.example" rel="nofollow noopener">a</a></p>'
    assert 'href="mailto:a@x.example"' in to_html("<a@x.example>")
    for target in (
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc",
        "/a",
        "//x",
    ):
        for answer in (f"[a]({target})", f"<a href='{target}'>a</a>"):
            assert "href" not in to_html(answer), answer


ATTACKS = [
    "<script>alert(1)</script>",
    "<script>alert(1)",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<p onclick=alert(1) style='position:fixed'>a</p>",
    "<a href='https://x.example' onclick='alert(1)'>a</a>",
    "<iframe src='https://x.example'></iframe>",
    "<object data=x></object><embed src=x>",
    "<style>@import 'x'</style>",
    "<math><mtext></p><style><img src onerror=alert(1)></style>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<template><img src=x onerror=alert(1)></template>",
    "![a](javascript:alert(1))",
    "<form action=x><input autofocus onfocus=alert(1)>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "`</code><script>alert(1)</script>`",
    "```\n</pre><script>alert(1)</script>\n```",
    "[a](https://x.example\"onmouseover=alert(1))",
    "<body onload=alert(1)>",
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_that_is_shown_can_act(attack: str) -> None:
    for answer in (attack, f"Before {attack} after", f"- {attack}", f"<div>\n{attack}\n</div>", f"**{attack}**"):
        for tag in _tags(to_html(answer)):
            assert tag.name not in ("script", "img", "svg", "style", "iframe", "object", "embed", "form", "input"), (
                answer
            )
            assert set(tag.attributes) <= {"href", "title", "rel"}, answer


@given(st.text(alphabet=st.sampled_from(list("<>/ab*_`[]()!|-#&;=\"'\n .1script:javhref")), max_size=80))
def test_any_text_is_shown_safely_and_ranked_by_something(text: str) -> None:
    for tag in _tags(to_html(text)):
        assert tag.name != "script"
        assert set(tag.attributes) <= {"href", "title", "rel", "start"}
    assert plain_text(text).strip() or not text.strip()


@pytest.mark.parametrize(
    "piece", ["[", "![", "*a ", "**a ", "<a ", '<a x="', "`a``b", "[a](", "|a", "> ", "<!--", "~~a"]
)
def test_an_answer_made_to_be_slow_is_not(piece: str) -> None:
    start = time.perf_counter()
    plain_text(piece * (25_000 // len(piece)))
    assert time.perf_counter() - start < 10


class _Tag:
    def __init__(self, name: str, attributes: list[str]) -> None:
        self.name, self.attributes = name, attributes


def _tags(html: str) -> list[_Tag]:
    """Every element, as a browser's parser would have it."""
    from selectolax.lexbor import LexborHTMLParser

    body = LexborHTMLParser(html).body
    assert body is not None
    return [_Tag(str(node.tag), list(node.attributes)) for node in body.traverse() if node.tag != "body"]
