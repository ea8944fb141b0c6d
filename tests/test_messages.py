"""Messages as HTML: what a model or a person writes never becomes markup, a link or a script."""

import time
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from engine.events.chat import MessageView, SessionView
from ui import messages
from ui.light_markdown import inline, light_markdown

TAGS = {"p", "ul", "ol", "li", "pre", "code", "strong", "a"}
VOID = {"img", "path"}
EVIL = [
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    "<svg/onload=alert(1)>",
    "[click](javascript:alert(1))",
    "![x](http://evil.example/x.png)",
    "<javascript:alert(1)>",
    '**<b onclick="x">**bold** `<i>` <a href="javascript:x">0:15</a>',
    "```html\n<script>alert(1)</script>\n```",
    "```<script>\n</code></pre><script>alert(1)</script>",
    "- <script>x</script>\n1. <img src=x onerror=y>",
    "# <h1 onmouseover=x>",
    '" onmouseover="alert(1)',
    "' autofocus onfocus='alert(1)",
    '0:15"><script>alert(1)</script>',
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<!-- --!><script>x</script>",
    "`a` <style>*{display:none}</style> ``b`` **",
    "\x00<\x00script>alert(1)</script>",
]


class Reader(HTMLParser):
    """Collects tags, attributes and text, and checks that what opens closes."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.open, self.said = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.said.append(data)

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data!r}")


def view(role="assistant", text="red", state="done", **more):
    given = {
        "message_id": 5, "images": (), "error": "", "notice": "", "provider": "fake", "model": "tiny",
        "settings": {"max_new_tokens": 64}, "finish_reason": "stop", "usage": {}, "created_at": 1.0,
    }  # fmt: skip
    return MessageView(role=role, text=text, state=state, **{**given, **more})


@pytest.mark.parametrize("text", EVIL)
def test_an_answer_is_never_more_than_a_few_harmless_tags(text):
    found = Reader(light_markdown(text))
    assert set(found.tags) <= TAGS
    for tag, name, value in found.attributes:
        assert (tag, name) in {("a", "class"), ("a", "href"), ("a", "data-seek"), ("p", "class"),
                               ("li", "class"), ("li", "value")}  # fmt: skip
        if name in ("href", "data-seek"):
            assert float(value.removeprefix("#")) >= 0


@pytest.mark.parametrize("text", EVIL)
@pytest.mark.parametrize("place", ["text", "model", "error", "notice"])
@pytest.mark.parametrize("role", ["user", "assistant"])
def test_no_part_of_a_message_becomes_markup(text, place, role):
    shown = view(role, state="failed")
    found = Reader(messages.newest_turn([replace(shown, **{place: text})]))
    assert not set(found.tags) & {"script", "style", "svg", "h1", "i", "img"}
    assert not [name for _, name, _ in found.attributes if name.startswith("on")]


@pytest.mark.parametrize("text", EVIL)
def test_no_title_of_a_chat_becomes_markup(text):
    session = SessionView("a1", text, 1.0, 1.0)
    found = Reader(messages.session_list([session], "a1", "", time.time()))
    assert not set(found.tags) & {"script", "style", "h1", "img"}
    assert not [name for _, name, _ in found.attributes if name.startswith("on")]
    assert ("button", "title", text.replace("\x00", "\ufffd")) in found.attributes or "\x00" in text


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("plain", "<p>plain</p>"),
        ("two\nlines\n\nand more", "<p>two\nlines</p><p>and more</p>"),
        ("a **bold** word", "<p>a <strong>bold</strong> word</p>"),
        ("a **bold `code` word**", "<p>a <strong>bold <code>code</code> word</strong></p>"),
        ("not closed **yet", "<p>not closed **yet</p>"),
        ("2****3", "<p>2****3</p>"),
        ("`a ** b` and **c**", "<p><code>a ** b</code> and <strong>c</strong></p>"),
        ("``a ` b``", "<p><code>a ` b</code></p>"),
        ("one ` tick", "<p>one ` tick</p>"),
        ("# Title\ntext", '<p class="heading">Title</p><p>text</p>'),
        ("#tag", "<p>#tag</p>"),
        ("- a\n- b", '<ul><li class="depth-0">a</li><li class="depth-0">b</li></ul>'),
        ("2. a\n   - b", '<ol><li class="depth-0" value="2">a</li><li class="depth-1">b</li></ol>'),
        ("```py\nx < 1\n```\nend", "<pre><code>x &lt; 1</code></pre><p>end</p>"),
        ("```\nstill written", "<pre><code>still written</code></pre>"),
        ("", ""),
    ],
)
def test_light_markdown(text, html):
    assert light_markdown(text) == html


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("at 0:15 it", ["15"]),
        ("(1:02:03)", ["3723"]),
        ("from 0:11.2 to 12:05.", ["11.2", "725"]),
        ("90:00", ["5400"]),
        ("16:9 and 1:2:3 and 0:60", []),
        ("1:75:00", []),
        ("::1 10:15:20:25 a0:15 0:15b", []),
        ("`0:15`", []),
    ],
)
def test_a_time_becomes_a_link_into_the_video(text, seconds):
    found = Reader(inline(text))
    assert [value for _, name, value in found.attributes if name == "data-seek"] == seconds
    assert "".join(found.said) == text.replace("`", "")


@pytest.mark.parametrize("piece", ["**a ", "`a", "``` ", "* ", "0:1", "<", "**", "` `` ", "#\n", " "])
def test_a_long_answer_takes_time_in_proportion(piece):
    began = time.process_time()
    light_markdown(piece * (200_000 // len(piece)))
    assert time.process_time() - began < 5


def test_what_an_answer_took_is_said():
    usage = {"prompt_tokens": 400, "completion_tokens": 46, "seconds": 2.0, "context_length": 8192}
    assert messages.usage_line(view(usage=usage)) == "446 of 8,192 tokens · 23 tokens/s"
    assert messages.usage_line(view(usage={"prompt_tokens": 0, "completion_tokens": 0})) == ""
    assert messages.usage_line(view(usage={**usage, "context_length": 0, "seconds": 0.0})) == "446 tokens"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            view(state="failed", text="", error="The server is gone."),
            ["No answer.", "The server is gone.", "Retry"],
        ),
        (view(state="stopped"), ["Stopped.", "Retry", "red"]),
        (view(finish_reason="length"), ["Ended at the limit of 64 new tokens", "Answer again"]),
        (view(notice="The oldest turn was left out."), ["The oldest turn was left out.", "tiny"]),
        (view(state="answering", text="", model=""), ["Waiting for the model"]),
        (view(state="answering", text=""), ["tiny is reading"]),
        (view("user", images=("/pictures/a/b.png",)), ["Edit", "/pictures/a/b.png"]),
    ],
)
def test_a_message_says_how_it_stands(message, said):
    shown = messages.newest_turn([message])
    assert [part for part in said if part not in shown] == []


def test_only_the_newest_answer_can_be_asked_for_again():
    assert 'data-do="regenerate"' not in messages.conversation([view(state="failed")])


def test_a_model_that_does_not_see_says_why_no_picture_can_be_added():
    assert messages.picture_refusal("tiny", True) == ""
    assert messages.picture_refusal("tiny", False).startswith("tiny reads text only.")
    assert "pick another provider" in messages.hint("builtin") and messages.hint("openai") == ""
