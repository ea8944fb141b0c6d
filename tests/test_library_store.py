"""Watched folders, their files and the order of the queue, on a real database."""

import contextlib
import importlib
import shutil
import sqlite3
from dataclasses import replace

import pytest
from test_store import frame, job

from storage import job_queue, schema
from storage.connections import Connections
from storage.library import Seen
from storage.store import Store

ASKED = {"tags": "boat", "prompt": "", "interval": 2.0, "options": {}}
NOW = 1_000.0


@pytest.fixture
def library(store):
    return store.library


@pytest.fixture
def folder(library):
    return library.add_folder("/films", True, "", ASKED, NOW)


def seen(*names, size=10, mtime_ns=5):
    return [Seen(f"/films/{name}", size, mtime_ns) for name in names]


def names(files):
    return [file.name for file in files]


def test_a_folder_comes_back_as_it_was_added_and_changes_when_it_is_added_again(library, folder):
    before = library.folder(folder)
    assert (before.path, before.recursive, before.pattern, dict(before.asked)) == ("/films", True, "", ASKED)
    assert library.add_folder("/films", False, "*.mov", ASKED | {"tags": "sun"}, NOW + 1) == folder
    after = library.folder(folder)
    assert (after.recursive, after.pattern, after.asked["tags"]) == (False, "*.mov", "sun")
    assert after.created_at == NOW
    assert library.folders() == [after]


def test_a_forgotten_folder_takes_its_files_with_it(library, folder):
    library.take(folder, seen("a.mp4"), NOW)
    assert library.delete_folder(folder)
    assert library.folder(folder) is None and library.count() == 0
    assert not library.delete_folder(folder)


def test_files_are_kept_once_and_are_found_by_name_tag_state_and_folder(library, folder):
    other = library.add_folder("/more", True, "", ASKED, NOW)
    library.take(folder, seen("b.mp4", "a.mp4"), NOW)
    library.take(folder, seen("a.mp4"), NOW + 1)
    library.take(other, [Seen("/more/50%_c.mp4", 1, 1)], NOW)
    assert names(library.files()) == ["a.mp4", "b.mp4", "50%_c.mp4"]
    assert names(library.files(search="B.MP")) == ["b.mp4"]
    assert names(library.files(search="50%_")) == ["50%_c.mp4"]
    assert names(library.files(search="%")) == ["50%_c.mp4"]
    library.change_files([library.files(search="b.mp4")[0].id], state="done", found=["red boat"])
    assert names(library.files(search="red boat")) == ["b.mp4"]
    assert names(library.files(state="done")) == ["b.mp4"]
    assert names(library.files(folder_id=other)) == ["50%_c.mp4"]
    assert names(library.files(limit=1, offset=1)) == ["b.mp4"]
    assert (library.count(), library.count(search="a.mp4"), library.count(state="new")) == (3, 1, 2)
    assert library.counts() == {folder: {"done": 1, "new": 1}, other: {"new": 1}}


@pytest.mark.parametrize("search", ["Hündin", "雪", "a 50%_", 'say "so"', "c:\\"])
def test_a_tag_is_found_by_what_it_says_whatever_letters_it_has(library, folder, search):
    library.take(folder, seen("x.mp4", "y.mp4"), NOW)
    first, second = (file.id for file in library.files())
    library.change_files([first], found=["Hündin", "雪", "a 50%_ sale", 'say "so"', "c:\\"])
    library.change_files([second], found=["boat", "a 50 sale"])
    assert names(library.files(search=search)) == ["x.mp4"]


@pytest.mark.parametrize(
    "search", ["ÜBER", "über d", "BOAT\n", 'so"', "***", "AND", "\0", "\0\0\0", "\udcff lake"]
)
def test_a_search_is_a_text_in_whatever_letters_and_never_an_error(library, folder, search):
    library.take(folder, seen("x.mp4", "y.mp4"), NOW)
    library.change_files([library.files()[0].id], found=["Über den See", 'say "so"', "a boat"])
    found = names(library.files(search=search))
    assert found == (["x.mp4"] if search in ("ÜBER", "über d", 'so"') else [])
    assert library.count(search=search) == len(found)


def test_what_is_searched_follows_what_is_known_of_a_file(library, folder):
    library.take(folder, seen("x.mp4"), NOW)
    (file,) = library.files(search="x.m")
    library.change_files([file.id], found=["red boat"])
    assert library.count(search="boat") == 1
    library.take(folder, seen("x.mp4", size=11), NOW)
    assert library.count(search="boat") == 0 and library.count(search="x.mp4") == 1
    library.delete_files([file.id])
    assert library.count(search="x.mp4") == 0
    library.take(folder, seen("z.mp4"), NOW)
    library.delete_folder(folder)
    assert library.count(search="z.mp4") == 0


@pytest.mark.parametrize(
    ("name", "search"),
    [
        ("Ärzte.mp4", "ä"),
        ("ärzte.mp4", "ÄR"),
        ("a\u0308rzte.mp4", "Är"),  # as a Mac writes it
        ("Ärzte.mp4", "A\u0308RZTE"),
        ("été.mp4", "É"),
        ("СОБАКА.mp4", "с"),
        ("собака.mp4", "СО"),
        ("собака.mp4", "СОБАКА"),
        ("мои\u0306 пёс.mp4", "Й П"),
        ("Straße.mp4", "SS"),
        ("STRASSE.mp4", "aß"),
        ("STRASSE.mp4", "straße"),
        ("ΟΔΟΣ.mp4", "οδος"),
        ("ος.mp4", "ΟΣ"),
        ("ᲗᲑᲘᲚᲘᲡᲘ.mp4", "თბ"),
        ("ﬁlm.mp4", "FI"),
        ("İstanbul.mp4", "istanbul"),
        ("istanbul.mp4", "İSTANBUL"),
        ("ISTANBUL.mp4", "ıst"),
        ("kapı.mp4", "KAPI"),
        ("kapı.mp4", "pi"),
        ("Müller.mp4", "mull"),
        ("Mu\u0308ller.mp4", "MULLER"),
        ("Muller.mp4", "müller"),
        ("Việt Nam.mp4", "viet"),
        ("Αθήνα.mp4", "ΑΘΗΝΑ"),
        ("lake\udcff.mp4", "KE\ufffd."),  # no UTF-8
    ],
)
def test_neither_case_nor_the_way_of_writing_a_letter_counts_in_any_script(library, folder, name, search):
    library.take(folder, seen(name, "q.mov", "r.mov"), NOW)
    tagged = library.files(search="q.mov")[0]
    library.change_files([tagged.id], found=["boat", name.removesuffix(".mp4")])
    expected = [name] if search.endswith(".") else sorted([name, "q.mov"])
    assert sorted(names(library.files(search=search))) == expected
    assert library.count(search=search) == len(expected)


@pytest.mark.parametrize(("name", "search"), [("мой.mp4", "мои"), ("がく.mp4", "かく"), ("किताब.mp4", "कतब")])
def test_where_a_mark_makes_another_letter_it_counts(library, folder, name, search):
    library.take(folder, seen(name), NOW)
    assert names(library.files(search=search)) == [] and names(library.files(search=name)) == [name]


def test_names_in_a_folder_of_before_are_found_without_their_accents(tmp_path, monkeypatch):
    """Also where a start is killed in the middle of making them anew."""
    data = tmp_path / "data"
    with monkeypatch.context() as before:
        before.setattr(schema, "MIGRATIONS", migrations_to(tmp_path, "0012_changed_hashes.py"))
        older = Store.open(data)
        folder_id = older.library.add_folder("/films", True, "", {}, NOW)
        older.library.take(folder_id, seen("İstanbul.mp4", "b.mp4"), NOW)
        older.close()
    with contextlib.closing(sqlite3.connect(data / "haven.db")) as old, old:
        old.execute(
            "INSERT INTO library_search(library_search, rowid, words) "
            "SELECT 'delete', file_id, words FROM library_word"
        )
        old.execute("UPDATE library_word SET words = replace(words, 'istanbul', 'i\u0307stanbul')")
        old.execute("INSERT INTO library_search(rowid, words) SELECT file_id, words FROM library_word")
    killed = Connections(data / "haven.db")
    killed.database.connect()
    killed.database.begin()
    for statement in importlib.import_module("storage.migrations.0014_words_without_accents").WORDS[:1]:
        killed.database.execute_sql(statement)
    shutil.copytree(data, tmp_path / "left")  # with what was changed and not committed
    killed.database.rollback()
    killed.close()
    store = Store.open(tmp_path / "left")
    assert names(store.library.files(search="istanbul")) == ["İstanbul.mp4"]
    assert store.library.count(search="b.mp4") == 1
    store.close()


@pytest.mark.parametrize("search", ["red boat", "nowhere"])
def test_a_search_looks_at_no_file_one_by_one(store, library, folder, search):
    """SQLite says how it finds them: by the index of letters, then by number."""
    query, values = library._chosen(search, "", 0).sql()
    plan = store._connections.database.execute_sql(f"EXPLAIN QUERY PLAN {query}", values).fetchall()
    steps = [step[-1] for step in plan]
    assert any("library_search VIRTUAL TABLE INDEX" in step for step in steps), steps
    assert not any("SCAN" in step and "library_search" not in step for step in steps), steps


@pytest.mark.parametrize("search", ["e", "do"])
def test_a_search_of_a_letter_or_two_goes_through_their_texts_and_not_through_the_files(
    store, library, folder, search
):
    query, values = library._chosen(search, "", 0).sql()
    plan = store._connections.database.execute_sql(f"EXPLAIN QUERY PLAN {query}", values).fetchall()
    assert [step[-1] for step in plan if "SCAN" in step[-1]] == ["SCAN library_word"]


@pytest.mark.parametrize("search", ["u00", ",", "[", '"', "\\", "\n"])
def test_how_tags_are_kept_is_not_searched(library, folder, search):
    library.take(folder, seen("x.mp4"), NOW)
    library.change_files([file.id for file in library.files()], found=["Hündin", "雪"])
    assert library.files(search=search) == [] and library.count(search=search) == 0


def test_a_file_that_has_changed_is_new_again_and_its_job_is_named(library, folder):
    library.take(folder, seen("a.mp4", "b.mp4"), NOW)
    ids = [file.id for file in library.files()]
    library.change_files(ids, state="done", job_id="j1", sha256="s", reason="why", duration_us=9, found=["t"])
    assert library.take(folder, seen("a.mp4", size=11), NOW + 5) == ["j1"]
    changed, same = library.files()
    assert (changed.state, changed.size, changed.seen_at) == ("new", 11, NOW + 5)
    assert (changed.job_id, changed.sha256, changed.reason, changed.found) == ("", "", "", ())
    assert (same.state, same.job_id, same.found) == ("done", "j1", ("t",))
    assert library.uses("j1") and not library.uses("j2")


def test_a_file_that_is_back_is_looked_into_again(library, folder):
    library.take(folder, seen("a.mp4"), NOW)
    library.change_files([library.files()[0].id], state="gone")
    assert library.paths_after(folder, "", 10) == []
    library.take(folder, seen("a.mp4"), NOW + 1)
    assert library.files()[0].state == "new"


def test_a_file_of_the_same_size_keeps_its_job_until_its_content_is_known(library, folder):
    library.take(folder, seen("a.mp4"), NOW)
    library.change_files([library.files()[0].id], state="queued", job_id="j1")
    assert library.take(folder, seen("a.mp4", mtime_ns=6), NOW + 5) == []
    file = library.files()[0]
    assert (file.state, file.job_id, file.mtime_ns) == ("new", "j1", 6)


def test_a_file_that_the_system_says_has_changed_is_new_again_and_its_hash_is_forgotten(
    store, library, folder
):
    (before,) = (replace(one, changed_ns=1) for one in seen("a.mp4"))
    library.take(folder, [before], NOW)
    library.change_files([library.files()[0].id], state="done", job_id="j1")
    store.set_video_hash(before.path, before.size, before.mtime_ns, "s")
    assert library.take(folder, [before], NOW + 1) == []
    assert library.files()[0].state == "done" and store.video_hash(before.path, 10, 5) == "s"
    assert library.take(folder, [replace(before, changed_ns=2)], NOW + 1) == []
    file = library.files()[0]
    assert (file.state, file.job_id, file.changed_ns) == ("new", "j1", 2)
    assert store.video_hash(before.path, 10, 5) is None


def test_a_file_is_changed_only_as_long_as_it_is_as_it_was(library, folder):
    library.take(folder, seen("a.mp4"), NOW)
    old = library.files()[0]
    library.renew_folder(folder, NOW + 1)
    assert not library.change_file(old, state="queued")
    now = library.files()[0]
    assert library.change_file(now, state="queued") and not library.change_file(now, state="done")
    assert library.files()[0].state == "queued"
    library.delete_folder(folder)
    assert not library.change_file(replace(now, state="queued"), state="done")


def test_a_job_of_a_file_that_is_gone_is_used_by_none(library, folder):
    library.take(folder, seen("a.mp4"), NOW)
    library.change_files([library.files()[0].id], state="gone", job_id="j1")
    assert not library.uses("j1")


def test_a_look_that_finds_nothing_new_writes_nothing(store, library, folder):
    def changes():
        database = store._connections.database
        return store._connections.write(lambda: database.execute_sql("SELECT total_changes()").fetchone()[0])

    library.take(folder, seen("a.mp4"), NOW)
    before = changes()
    assert library.take(folder, seen("a.mp4"), NOW + 9) == []
    assert changes() == before
    library.take(folder, seen("b.mp4"), NOW + 9)
    assert changes() > before


def test_what_has_settled_is_given_by_path(library, folder):
    library.take(folder, seen("b.mp4"), NOW)
    library.take(folder, seen("a.mp4"), NOW + 5)
    assert library.next_new(folder, NOW + 1).name == "b.mp4"
    first = library.next_new(folder, NOW + 5)
    assert first.name == "a.mp4"
    assert library.next_new(folder, NOW + 5, after=first.path).name == "b.mp4"
    assert library.next_new(folder, NOW - 1) is None


def test_a_name_that_is_no_text_is_kept_as_its_bytes(library, folder):
    strange = "lake\udcff.mp4"
    library.take(folder, seen(strange), NOW)
    library.take(folder, seen(strange), NOW)
    assert names(library.files()) == [strange]


def test_files_are_found_by_what_their_jobs_have_become(store, library, folder):
    library.take(folder, seen("a.mp4", "b.mp4"), NOW)
    first, second = library.files()
    store.add_job(job("a1", status="completed"))
    store.add_job(job("b1", status="running"))
    library.change_files([first.id], state="queued", job_id="a1")
    library.change_files([second.id], state="queued", job_id="b1")
    assert names(library.with_job(folder, ("queued",), ("completed",), 10)) == ["a.mp4"]
    assert names(library.with_job(folder, ("queued",), ("running", "completed"), 10)) == ["a.mp4", "b.mp4"]
    assert library.with_job(folder, ("done",), ("completed",), 10) == []


# The queue


def queued(store, *ids):
    for at, job_id in enumerate(ids):
        store.add_job(job(job_id, created_at=100.0 + at, queue_place=100.0 + at))


def order(store):
    return [one.id for one in store.queue.waiting()]


def test_jobs_wait_in_the_order_in_which_they_came(store):
    queued(store, "a", "b", "c")
    assert order(store) == ["a", "b", "c"]
    assert store.next_queued().id == "a"
    assert [one.id for one in store.queue.waiting(limit=1, offset=1)] == ["b"]


@pytest.mark.parametrize(
    ("job_id", "steps", "then"),
    [
        ("c", -1, "acbd"),
        ("c", 1, "abdc"),
        ("c", None, "cabd"),
        ("a", -1, "abcd"),
        ("d", 1, "abcd"),
        ("a", 2, "bcad"),
        ("d", None, "dabc"),
    ],
)
def test_a_job_moves_by_places(store, job_id, steps, then):
    queued(store, *"abcd")
    assert store.queue.place(job_id, steps)
    assert order(store) == list(then)
    assert store.next_queued().id == then[0]


def test_jobs_with_the_same_place_can_be_moved_past_each_other(store):
    for at, job_id in enumerate("abc"):
        store.add_job(job(job_id, created_at=100.0 + at, queue_place=7.0))
    assert store.queue.place("c", -1)
    assert order(store) == ["a", "c", "b"]
    assert store.queue.place("b", None)
    assert order(store) == ["b", "a", "c"]


def test_moving_to_and_fro_for_ever_never_runs_out_of_places(store):
    queued(store, *"abc")
    for _ in range(80):  # twice as often as a float can be halved
        assert store.queue.place("c", -1)
        assert store.queue.place("b", -1)
    assert sorted(order(store)) == ["a", "b", "c"]
    before = order(store)
    assert store.queue.place(before[2], -1)
    assert order(store) == [before[0], before[2], before[1]]


def test_only_what_waits_is_moved(store):
    queued(store, "a", "b")
    store.move_job("b", ("queued",), "running")
    assert not store.queue.place("b", None)
    assert not store.queue.place("no such job", None)


def test_all_jobs_of_a_status_change_together_and_no_others(store):
    queued(store, "a", "b", "c", "d")
    store.move_job("c", ("queued",), "paused", reason="model")
    store.move_job("d", ("queued",), "running")
    assert store.queue.move_all(("queued",), "paused", reason="user") == 2
    assert (store.queue.count("paused"), store.queue.count("paused", "model")) == (3, 1)
    assert store.queue.move_all(("paused",), "queued", "user", reason="") == 2
    assert order(store) == ["a", "b"]
    assert store.job("c").status == "paused" and store.job("d").status == "running"


def test_paused_jobs_are_found_by_why_they_are_and_go_on_together(store, monkeypatch):
    monkeypatch.setattr(job_queue, "AT_ONCE", 2)
    for at, job_id in enumerate("abcdef"):
        options = {"quantization": "4bit"} if job_id == "b" else {}
        store.add_job(
            job(job_id, queue_place=float(at), digest="d2" if at == 2 else "d", load_options=options)
        )
    for job_id, reason in zip("abcde", ("model", "model", "model", "server", "user"), strict=True):
        store.move_job(job_id, ("queued",), "paused", reason=reason, error="so it is")
    assert store.queue.paused("server") == ["d"] and store.queue.paused("disk") == []
    assert store.queue.paused_for_model("d") == {"a": {}, "b": {"quantization": "4bit"}}
    store.move_job("f", ("queued",), "running")
    store.queue.queue_again([*"cadf", "gone"])
    assert order(store) == ["a", "c", "d"]
    assert {(one.reason, one.error) for one in store.queue.waiting()} == {("", "")}
    assert store.job("f").status == "running"


@pytest.mark.parametrize(
    "ask", [lambda queue: queue.paused("disk"), lambda queue: queue.count("paused", "disk")]
)
def test_why_jobs_are_paused_is_answered_by_an_index_alone(store, ask):
    """As often as a job ends: a hundred thousand others may be paused."""
    asked = []
    store._connections.read(lambda: store._connections.database.connection().set_trace_callback(asked.append))
    ask(store.queue)
    query = next(sql for sql in asked if "SELECT" in sql)
    plan = store._connections.read(
        lambda: store._connections.database.execute_sql(f"EXPLAIN QUERY PLAN {query}").fetchall()
    )
    steps = [step[-1] for step in plan]
    assert any("status=? AND reason=?" in step for step in steps), steps
    assert not any("SCAN" in step for step in steps), steps


def test_jobs_about_the_same_content_are_found_newest_first(store):
    alike = {"video_sha256": "s", "digest": "d", "prompt_sha256": "p"}
    for at, job_id in enumerate("ab"):
        store.add_job(job(job_id, created_at=float(at), **alike))
    store.add_job(job("c", **{**alike, "digest": "other"}))
    assert [one.id for one in store.queue.alike("s", "d", "p")] == ["b", "a"]
    assert store.queue.alike("", "d", "p") == []
    assert set(store.queue.jobs(["a", "zz"])) == {"a"}
    assert store.queue.jobs([]) == {}


# An older data folder


def migrations_to(tmp_path, newest: str):
    """A copy of the migrations up to that one."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    for script in schema.MIGRATIONS.glob("*.py"):
        if script.name <= newest:
            (folder / script.name).write_text(script.read_text())
    return folder


def test_a_column_that_is_added_filled_in_deletes_no_answers(tmp_path, monkeypatch):
    """SQLite makes the table anew for it; dropping the old one must not delete what refers to it."""
    store = Store.open(tmp_path / "data")
    store.add_job(job())
    store.add_frame(frame(), 0.1)
    store.close()
    folder = migrations_to(tmp_path, "9")
    (folder / "9000_add_mood.py").write_text(
        "import peewee\n"
        "def up(migrator, db):\n"
        "    migrator.migrate(migrator.add_column('job', 'mood', peewee.TextField(default='calm')))\n"
    )
    monkeypatch.setattr(schema, "MIGRATIONS", folder)
    store = Store.open(tmp_path / "data")
    assert store.frames("a1") == [frame()]
    assert store.delete_job("a1"), "foreign keys are on again"
    assert store.frames("a1") == []
    store.close()


def test_the_files_of_an_older_folder_are_found_by_name_and_tag(tmp_path, monkeypatch):
    data = tmp_path / "data"
    data.mkdir()
    connections = Connections(data / "haven.db")
    with monkeypatch.context() as before:
        before.setattr(schema, "MIGRATIONS", migrations_to(tmp_path, "0008_jobs_of_the_library.py"))
        connections.write_alone(lambda: schema.bring_up_to_date(connections.database, data))
    connections.close()
    with contextlib.closing(sqlite3.connect(data / "haven.db")) as old, old:
        old.execute("INSERT INTO library_folder VALUES (1, '/films', 1, '', '{}', 1.0)")
        old.execute(
            "INSERT INTO library_file VALUES (1, 1, ?, 'a.mp4', 10, 5, 1.0, 's', 'done', '', '', 9, ?)",
            ["/films/a.mp4", '["red boat", "sun"]'],
        )
    store = Store.open(data)
    assert (
        names(store.library.files(search="D BOA")) == names(store.library.files(search="a.mp4")) == ["a.mp4"]
    )
    assert store.library.count(search="boat, sun") == 0
    assert names(store.library.files(search="BO")) == ["a.mp4"]
    assert store.library.take(1, [Seen("/films/a.mp4", 10, 5, changed_ns=7)], NOW) == []
    (file,) = store.library.files()
    assert (file.state, file.changed_ns) == ("done", 7), "nobody had looked at that before: it is no change"
    store.close()


def test_jobs_of_an_older_folder_wait_in_the_order_in_which_they_were_made(tmp_path, monkeypatch):
    data = tmp_path / "data"
    data.mkdir()
    connections = Connections(data / "haven.db")
    with monkeypatch.context() as before:
        before.setattr(schema, "MIGRATIONS", migrations_to(tmp_path, "0003_saved_prompts.py"))
        connections.write_alone(lambda: schema.bring_up_to_date(connections.database, data))
    connections.close()
    with contextlib.closing(sqlite3.connect(data / "haven.db")) as old, old:
        kinds = {row[1]: row[2] for row in old.execute("PRAGMA table_info(job)")}
        for job_id, made in (("late", 2.0), ("early", 1.0)):
            plain = {name: "[]" if kind in ("TEXT", "JSON") else 0 for name, kind in kinds.items()}
            row = {**plain, "id": job_id, "status": "queued", "created_at": made}
            marks = ", ".join("?" * len(row))
            old.execute(f"INSERT INTO job ({', '.join(row)}) VALUES ({marks})", list(row.values()))
    store = Store.open(data)
    assert [(one.id, one.queue_place) for one in store.queue.waiting()] == [("early", 1.0), ("late", 2.0)]
    store.close()
