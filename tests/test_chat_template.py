"""Broken chat templates: none takes away a model that serves, holds a thread, or fills the memory."""

import json
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import jinja2.filters
import pytest

from engine.backends import provider
from engine.backends.base import Finished, Message
from engine.backends.chat_template import ChatTemplate, RefusedConversation, refuse_broken
from engine.cancel import CancelToken
from engine.engine import Engine
from engine.errors import Cancelled, ModelError
from engine.events.switching import SwitchFinished
from engine.settings import GenerationSettings, LoadOptions
from tests import running
from tests.fixtures.write_gguf import TINY, write_pair
from tests.running import WAIT, engine_over

HI = [{"role": "user", "content": "x"}]
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
DOUBLING = (
    "{% set n = namespace(t='x') %}{% for i in range(40) %}{% set n.t = n.t OP n.t %}{% endfor %}{{ n.t }}"
)
LONG = "x" * 10_000

BROKEN = {
    "{% for m in messages %}": "does not compile: .* in line 1",
    "{{ messages | nosuchfilter }}": "does not compile: No filter named 'nosuchfilter', in line 1",
    "{% endfor %}\n{{": "does not compile",
    "x" * 200_001: "has 200,001 characters, which none needs",
    "{% for a in messages %}" * 30
    + "{% endfor %}" * 30: "does not compile: too many statically nested blocks",
    ENDLESS: "did not end within 0.5 seconds",
    "{% macro f(n) %}{{ f(n) if n else f(n) }}{% endmacro %}{% for i in range(9999) %}"
    "{% for j in range(9999) %}{% if j %}{% endif %}{% endfor %}{% endfor %}": "did not end",
    "{{ 'x' * 1000000000 }}": "writes more than 20 million characters",
    "{{ 1000000000 * 'x' }}": "writes more than 20 million characters",
    "{{ [1, 2] * 1000000000 }}": "writes more than 20 million characters",
    "{% for i in range(100000) %}{{ 'xxxxxxxxxx' * 1000 }}{% endfor %}": "writes more than",
    "{% set a %}{% for i in range(4000) %}" + LONG + "{% endfor %}{% endset %}": "writes more than",
    "{% macro a() %}{% for i in range(4000) %}"
    + LONG
    + "{% endfor %}{% endmacro %}{{ a() }}": "writes more than",
    DOUBLING.replace("OP", "+"): "writes more than",
    DOUBLING.replace("OP", "~"): "writes more than",
    "{% set n = namespace(t=9) %}{% for i in range(60) %}{% set n.t = n.t * n.t %}{% endfor %}": "writes",
    "{{ 'a'|center(19999999)|upper|lower|length }}" * 30: "writes more than",
    DOUBLING.replace("n.t OP n.t", "[n.t, n.t]"): "writes more than|did not end",
    **dict.fromkeys(
        (
            "{{ 'a'.ljust(60000000) }}",
            "{{ 'a'.zfill(60000000) }}",
            "{{ 'a'.center(width=60000000) }}",
            "{{ '%60000000d' % 1 }}",
            "{{ '%*d' % (60000000, 1) }}",
            "{{ '%.60000000f' | format(1) }}",
            "{{ '{:>60000000}'.format(1) }}",
            "{{ '{:>{}}'.format(1, '60000000') }}",
            "{{ ('{0:>99999}' * 1000000).format(1) }}",
            "{{ ('{0:>9999}' * 9000).format(1) }}",
            "{{ ('%99999d' * 900) | format(*([1] * 900)) }}",
            "{{ ('{0}' * 9000).format('x' * 100000) }}",
            "{{ '{a:60000000}'.format_map({'a': 1}) }}",
            "{{ 'a' | center(60000000) }}",
            "{{ 'a' | indent(60000000) }}",
            "{{ ('\n' * 1000000) | indent(1000) }}",
            "{{ ['a'] | map('center', 60000000) | first }}",
            "{{ 'a' | batch(6000000, 1) | list }}",
            "{{ 'a' | slice(6000000) | list }}",
            "{{ [1] | tojson(indent=60000000) }}",
            "{{ ('a' * 10000000).replace('a', 'aaaa') }}",
            "{{ ('a' * 10000000) | replace('a', 'aaaa') }}",
            "{{ ('a' * 10000).join(['b'] * 10000) }}",
            "{{ (['b'] * 10000) | join('a' * 10000) }}",
            "{{ ['x' * 1000000] * 1000 }}",
            "{{ (['x' * 1000000] * 1000) | string }}",
            "{{ (['x' * 1000000] * 1000) | tojson }}",
            "{{ ('\t' * 10000).expandtabs(10000) }}",
            "{{ (5).to_bytes(60000000, 'big') }}",
            "{{ 'x'.encode() * 60000000 }}",
        ),
        "writes more than 20 million characters",
    ),
}


def sourced(text: str) -> str:
    return text if len(text) < 40 else f"{text[:36]}..."


@pytest.mark.parametrize("source", BROKEN, ids=sourced)
def test_a_template_that_is_broken_or_never_ends_is_a_message(source):
    with pytest.raises(ModelError, match=BROKEN[source]) as refused:
        ChatTemplate(source, TOKENS, "The template of a boat", longest_seconds=0.5).render(HI)
    assert str(refused.value).startswith("The template of a boat ")
    assert "Pick another model" in str(refused.value)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{{ raise_exception('only users.') }}", "refuses this conversation: only users.$"),
        ("{{ 10 ** 10 ** 10 }}", "may not use"),
        ("{{ messages[0].nothing.at.all }}", "nothing"),
        ("{{ messages.append(1) }}", "append"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "refuses"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recursion"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ messages + 1 }}", "refuses"),
        ("{{ range(1000000) }}", "Range too big"),
    ],
)
def test_a_template_can_refuse_and_reaches_nothing_outside(source, why):
    with pytest.raises(RefusedConversation, match=why):
        ChatTemplate(source, TOKENS).render(HI)


def test_what_templates_expect_is_there():
    source = (
        "{{ bos_token }}{% if tools is not none or documents is not none %}!{% endif %}"
        "{% for m in messages %}{% if m.role == 'system' %}{% continue %}{% endif %}"
        "{% generation %}{{ m | tojson }}{% endgeneration %}{% endfor %}"
        "{{ strftime_now('%Y') | length }}{% if add_generation_prompt %}>{% endif %}"
    )
    turns = [{"role": "system", "content": "no"}, {"role": "user", "content": "<é>"}]
    assert ChatTemplate(source, TOKENS).render(turns) == '<s>{"role": "user", "content": "<é>"}4>'


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("{{ '%05d %s' % (42, 'é') }}{{ '%s' | format(7) }}{{ 7 % 4 }}", "00042 é73"),
        ("{{ '{:>5}|{a}'.format('x', a=1) }}{{ 'a'.ljust(3) }}{{ 'a' | center(3) }}", "    x|1a   a "),
        ("{{ ['a', 1] | map('string') | join(', ') }}{{ '-'.join(['b'] | map('upper')) }}", "a, 1B"),
        (
            "{{ 'aba' | replace('a', 'c') }}{{ 'aba'.replace('a', 'd', 1) }}{{ 'a\nb' | indent(2) }}",
            "cbcdbaa\n  b",
        ),
        ("{{ {'a': [1, 'é']} | tojson(indent=2) }}", '{\n  "a": [\n    1,\n    "é"\n  ]\n}'),
        ("{{ [1, 2, 3] | batch(2) | list }}{{ [1, 2] | sum }}{{ messages | length }}", "[[1, 2], [3]]31"),
        ("{% filter upper %}a{{ none }}{{ [1] }}{% endfilter %}{{ nothing | default('d') }}", "ANONE[1]d"),
    ],
)
def test_what_is_watched_writes_what_it_always_wrote(source, written):
    assert ChatTemplate(source, TOKENS).render(HI) == written


def test_nothing_of_a_template_runs_while_it_is_compiled(monkeypatch):
    ran = []
    monkeypatch.setitem(jinja2.filters.FILTERS, "center", lambda value, width: ran.append(width))
    template = ChatTemplate("{{ 'a' | center(9) | upper | length }}{# of its own #}", TOKENS)
    assert ran == []
    template.render(HI)
    assert ran == [9]


def test_compiling_has_an_end():
    source = "{% if messages %}{{ messages[0].content | trim }}{% endif %}" * 3000
    with pytest.raises(ModelError, match=r"Boats did not end within 0\.25 seconds\. Pick another model"):
        ChatTemplate(source, TOKENS, "Boats", longest_seconds=0.05)


def test_a_long_conversation_is_written_whole():
    source = "{% for m in messages %}{{ '<' + m.role + '>' }}{{ m.content ~ eos_token }}{% endfor %}"
    turns = [{"role": "user", "content": "word " * 100_000}]
    turns += [{"role": "assistant", "content": "a"}] * 2000
    assert len(ChatTemplate(source, TOKENS).render(turns)) == 500_010 + 2000 * 16


class Telling(list):
    """Turns that cancel a run when a template begins to go through them."""

    cancel: CancelToken

    def __iter__(self):
        self.cancel.cancel("enough")
        return super().__iter__()


def test_an_endless_template_stops_at_once_when_its_run_is_cancelled():
    turns = Telling(HI)
    turns.cancel = CancelToken()
    template = ChatTemplate("{% for m in messages %}{% endfor %}" + ENDLESS, {}, longest_seconds=WAIT)
    with pytest.raises(Cancelled, match="enough"):
        template.render(turns, turns.cancel)


def test_a_trace_that_somebody_else_has_set_is_set_again():
    def trace(*_: object) -> None:
        return None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with pytest.raises(ModelError):
            ChatTemplate(ENDLESS, {}, longest_seconds=0.1).render(HI)
        assert sys.gettrace() is trace
    finally:
        sys.settrace(before)


def test_one_that_only_refuses_a_short_question_is_not_called_broken():
    refuse_broken("{{ raise_exception('a system turn must come first') }}", "It")
    with pytest.raises(ModelError, match="It does not compile"):
        refuse_broken("{{", "It")


# with real models


def with_template(target: Path, source: str) -> Path:
    folder = Path(shutil.copytree(TINY, target))
    (folder / "chat_template.jinja").write_text(source)
    return folder


def put(shelf: Path, name: str, source: str) -> None:
    """A model of both kinds with this template."""
    write_pair(shelf, with_template(shelf / f"{name}_folder", source), name)


GOOD = (TINY / "chat_template.jinja").read_text()
# fails at the second question only, when the model has long been loaded
LATER = "{% if messages | length > 1 %}WHAT{% endif %}" + GOOD
SHELF = {
    "good": GOOD,
    "uncompilable": "{% for message in messages %}",
    "endless": ENDLESS,
    "huge": "{% for i in range(100000) %}{{ 'x' * 100000 }}{% endfor %}",
    "refusing": "{{ raise_exception('I never answer') }}",
    "late": LATER.replace("WHAT", ENDLESS),
    "late_refusing": LATER.replace("WHAT", "{{ raise_exception('one question a day') }}"),
}
KINDS = {"llamacpp": "{}", "transformers": "{}_folder"}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory) -> Path:
    shelf = tmp_path_factory.mktemp("shelf")
    for name, source in SHELF.items():
        put(shelf, name, source)
    return shelf


@pytest.fixture(scope="module")
def engine(shelf, tmp_path_factory) -> Iterator[Engine]:
    with engine_over(shelf, tmp_path_factory.mktemp("data")) as engine:
        yield engine


def switched(engine: Engine, kind: str, name: str) -> SwitchFinished:
    return running.switched(engine, kind, KINDS[kind].format(name))


def asked(engine: Engine, session: str = ""):
    answer = engine.chats.send(session, "What colour is this?")
    assert answer.wait(WAIT)
    return answer


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("uncompilable", "does not compile"),
        ("endless", "did not end within 2 seconds"),
        ("huge", "writes more than 20 million characters"),
        ("refusing", "I never answer|writes no user's turn"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_model_with_a_broken_template_is_refused_and_the_old_one_serves_on(engine, shelf, kind, name, why):
    assert switched(engine, kind, "good").success
    before = engine.status()
    refused = switched(engine, kind, name)
    assert not refused.success
    assert why.split("|")[0] in refused.message or why.split("|")[-1] in refused.message
    if name != "refusing":  # which is found by the model itself, once it is loaded
        assert str(shelf) in refused.message
    assert refused.interruption_seconds == 0
    now = engine.status()
    assert (now.provider, now.model) == (before.provider, before.model)
    assert asked(engine).draft.state == "done"


@pytest.mark.parametrize("kind", KINDS)
def test_a_template_that_fails_in_the_middle_of_a_chat_fails_that_turn_only(engine, kind):
    for name, why in (("late", "did not end within 2 seconds"), ("late_refusing", "one question a day")):
        assert switched(engine, kind, name).success
        first = asked(engine)
        assert first.draft.state == "done"
        second = asked(engine, first.session_id)
        assert second.draft.state == "failed"
        assert why in second.draft.error
        kept = engine.chats.conversation(first.session_id).messages
        assert [message.state for message in kept] == ["done", "done", "done", "failed"]
        assert asked(engine).draft.state == "done"  # another chat, on the same model


@pytest.mark.parametrize("kind", KINDS)
def test_stopping_ends_a_template_that_never_does(shelf, kind, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(shelf / "cache"))
    source = provider(kind)
    entry = next(one for one in source.models(shelf) if one.name == KINDS[kind].format("late"))
    backend = source.load(entry, LoadOptions(), lambda share, what: None, CancelToken())
    backend._prompts._template._longest_seconds = WAIT
    cancel, ended = CancelToken(), []
    said = [Message("user", "One"), Message("assistant", "two"), Message("user", "three")]
    short = GenerationSettings(max_new_tokens=1, temperature=0)
    thread = threading.Thread(target=lambda: ended.extend(backend.stream(said, short, cancel)))
    thread.start()
    while not in_template(thread):
        assert thread.is_alive()
        time.sleep(0.005)
    cancel.cancel("enough")
    thread.join(WAIT)
    assert [type(end) for end in ended] == [Finished]
    assert ended[0].reason == "cancelled"
    answered = list(backend.stream(said[:1], short, CancelToken()))
    assert answered[-1].reason == "length"
    backend.close()


def in_template(thread: threading.Thread) -> bool:
    frame = sys._current_frames().get(thread.ident)
    while frame is not None:
        if frame.f_code.co_filename == "<template>":
            return True
        frame = frame.f_back
    return False


# where the template is missing, or is none


@pytest.mark.parametrize("template", [None, "", 7])
def test_a_gguf_without_a_template_is_refused_before_anything_is_loaded(tmp_path, template, monkeypatch):
    import gguf

    def write(self: gguf.GGUFWriter, source: str) -> None:
        if template is not None:
            add = self.add_uint32 if isinstance(template, int) else self.add_string
            add("tokenizer.chat_template", template)

    monkeypatch.setattr(gguf.GGUFWriter, "add_chat_template", write)
    write_pair(tmp_path, name="mute")
    source = provider("llamacpp")
    with pytest.raises(ModelError, match=r"mute\.gguf has no chat template.* Pick a chat model"):
        source.validate(source.models(tmp_path)[0], LoadOptions())


SPOILED = {
    "no text": ({"chat_template.jinja": b"\xff\xfe\xff"}, "is no text"),
    "broken in the settings": (
        {"chat_template.jinja": None, "tokenizer_config.json": {"chat_template": "{% if %}"}},
        r"tokenizer_config\.json does not compile",
    ),
    "broken among several": (
        {
            "chat_template.jinja": None,
            "tokenizer_config.json": {"chat_template": [{"name": "default", "template": "{% if %}"}]},
        },
        r"tokenizer_config\.json does not compile",
    ),
    "broken in the older place": (
        {"chat_template.jinja": None, "chat_template.json": {"chat_template": "{% if %}"}},
        r"chat_template\.json does not compile",
    ),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_template_is_checked_wherever_a_folder_has_it(tmp_path, name):
    files, why = SPOILED[name]
    folder = Path(shutil.copytree(TINY, tmp_path / "shelf" / "copy"))
    for file, content in files.items():
        if content is None:
            (folder / file).unlink()
        elif isinstance(content, bytes):
            (folder / file).write_bytes(content)
        else:
            known = json.loads((folder / file).read_text()) if (folder / file).exists() else {}
            (folder / file).write_text(json.dumps(known | content))
    source = provider("transformers")
    (entry,) = [one for one in source.models(tmp_path / "shelf") if one.name == "copy"]
    with pytest.raises(ModelError, match=why):
        source.validate(entry, LoadOptions())
