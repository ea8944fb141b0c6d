"""What lasts, on real files: every verb, a full disk, a second owner, an older and a newer folder."""

import os
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import peewee
import pytest
from playhouse.schema_diff import diff_models

from storage import schema
from storage.errors import DiskFull, FolderInUse, FolderTooNew, StorageError
from storage.records import FrameRecord, JobRecord
from storage.store import Store

ROOT = Path(__file__).parent.parent


def job(job_id="a1", **changes) -> JobRecord:
    first = JobRecord(
        id=job_id,
        status="queued",
        video_path="/videos/lake.mp4",
        video_name="lake.mp4",
        video_size=5_000_000_000,
        video_mtime_ns=1_700_000_000_123_456_789,
        provider="builtin",
        model="scene-facts",
        digest="d1",
        load_options={"dtype": "float32"},
        tags=("boat", "red, round sign", "⛵ “emoji”"),
        prompt="What is there?",
        prompt_sha256="p1",
        sampling={"interval": [1, 30], "start_us": 0, "end_us": None, "max_frames": None},
        frames_total=10,
        created_at=1000.5,
    )
    return replace(first, **changes)


def frame(time_us=0, job_id="a1", **changes) -> FrameRecord:
    first = FrameRecord(
        job_id=job_id,
        index=time_us // 1000,
        time_us=time_us,
        state="answered",
        tags={"boat": 0.25, "red, round sign": None},
        caption="a “lake”\n",
        facts={"brightness": 0.5, "colours": {"blue": 0.7}, "codes": []},
        raw="yes\x00",
    )
    return replace(first, **changes)


# settings


@pytest.mark.parametrize(
    "value", [None, True, 0, 1.5, "text “quoted” 🙂", [1, [2]], {"a": {"b": [None, 0.1]}}]
)
def test_a_setting_comes_back_as_it_was_set(store, value):
    store.set_setting("key", value)
    assert store.setting("key", "default") == value


def test_a_setting_that_was_never_set_is_the_default_and_the_last_one_set_stands(store):
    assert store.setting("key", "default") == "default"
    store.set_setting("key", 1)
    store.set_setting("key", 2)
    assert store.setting("key") == 2


def test_what_is_no_json_is_refused(store):
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.set_setting("key", float("nan"))
    assert store.setting("key") is None


# jobs


def test_a_job_comes_back_as_it_was_added(store):
    store.add_job(job())
    assert store.job("a1") == job()
    assert store.job("b2") is None


def test_a_file_name_that_is_no_utf8_survives(store):
    name = os.fsdecode(b"/videos/caf\xe9.mp4")
    store.add_job(job(video_path=name, video_name=name))
    assert store.job("a1").video_path == name
    assert store.jobs_using(name) == 1


def test_jobs_are_listed_newest_first_by_status_and_up_to_a_limit(store):
    for number, status in enumerate(["completed", "queued", "failed", "queued"]):
        store.add_job(job(f"{number}", status=status, created_at=float(number)))
    assert [each.id for each in store.jobs()] == ["3", "2", "1", "0"]
    assert [each.id for each in store.jobs("queued")] == ["3", "1"]
    assert [each.id for each in store.jobs(limit=2)] == ["3", "2"]
    assert store.next_queued().id == "1"


def test_nothing_queued_is_none(store):
    store.add_job(job(status="running"))
    assert store.next_queued() is None


def test_a_job_moves_only_from_an_expected_status(store):
    store.add_job(job())
    moved = store.move_job("a1", ("queued", "paused"), "running", started_at=5.0)
    assert moved == job(status="running", started_at=5.0) == store.job("a1")
    assert store.move_job("a1", ("queued", "paused"), "running", started_at=6.0) is None
    assert store.job("a1").started_at == 5.0
    assert store.move_job("b2", ("queued",), "running") is None


def test_only_one_of_many_threads_moves_a_job(store):
    store.add_job(job())
    start, winners = threading.Barrier(8), []

    def take():
        start.wait()
        if store.move_job("a1", ("queued",), "running"):
            winners.append(threading.get_ident())

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(winners) == 1


def test_update_changes_other_fields_and_never_the_status(store):
    store.add_job(job())
    assert store.update_job("a1", video_sha256="ff", error="x") == job(video_sha256="ff", error="x")
    assert store.update_job("a1") == job(video_sha256="ff", error="x")
    assert store.update_job("b2", error="x") is None
    with pytest.raises(ValueError, match="move_job"):
        store.update_job("a1", status="running")


def test_deleting_a_job_takes_its_frames_and_nobody_elses(store):
    for job_id in ("a1", "b2"):
        store.add_job(job(job_id))
        store.add_frame(frame(0, job_id), 0.1)
    assert store.delete_job("a1") is True
    assert store.delete_job("a1") is False
    assert store.frames("a1") == []
    assert len(store.frames("b2")) == 1
    assert store.jobs_using("/videos/lake.mp4") == 1


def test_what_a_dead_process_left_running_is_settled_and_named(store):
    for number, status in enumerate(["running", "cancelling", "queued", "paused", "completed"]):
        store.add_job(job(f"{number}", status=status, created_at=float(number)))
    assert [(each.id, each.status) for each in store.interrupt_running()] == [
        ("0", "interrupted"),
        ("1", "cancelled"),
    ]
    assert [each.status for each in store.jobs()][:3] == ["completed", "paused", "queued"]
    assert store.interrupt_running() == []


def test_earlier_speed_counts_completed_jobs_of_the_same_shape_alone(store):
    assert store.earlier_speed("d1", "p1") is None
    shapes = [
        {"frames_done": 30, "compute_seconds": 10.0, "status": "completed"},
        {"frames_done": 10, "compute_seconds": 10.0, "status": "completed_with_errors"},
        {"frames_done": 1000, "compute_seconds": 1.0, "status": "cancelled"},
        {"frames_done": 1000, "compute_seconds": 1.0, "status": "completed", "digest": "d2"},
        {"frames_done": 1000, "compute_seconds": 1.0, "status": "completed", "prompt_sha256": "p2"},
        {"frames_done": 0, "compute_seconds": 0.0, "status": "completed"},
    ]
    for number, changes in enumerate(shapes):
        store.add_job(job(f"{number}", **changes))
    assert store.earlier_speed("d1", "p1") == (2.0, 2)


# frames


def test_a_frame_comes_back_as_it_was_added_and_moves_the_jobs_cursor(store):
    store.add_job(job())
    assert store.add_frame(frame(0), 0.5) is True
    assert store.add_frame(frame(2000, state="failed", error="no answer", has_picture=False), 0.25) is True
    assert store.frames("a1") == [
        frame(0),
        frame(2000, state="failed", error="no answer", has_picture=False),
    ]
    kept = store.job("a1")
    assert (kept.cursor_us, kept.frames_done, kept.frames_failed) == (2000, 2, 1)
    assert kept.compute_seconds == 0.75


def test_a_frame_that_is_there_already_changes_nothing(store):
    store.add_job(job())
    store.add_frame(frame(0), 0.5)
    before = store.job("a1")
    assert store.add_frame(frame(0, caption="another"), 0.5) is False
    assert store.job("a1") == before
    assert store.frames("a1") == [frame(0)]


def test_a_frame_of_a_job_that_was_deleted_is_not_kept(store):
    assert store.add_frame(frame(0), 0.5) is False


def test_frames_are_read_in_time_order_from_a_time_on_and_from_the_end(store):
    store.add_job(job())
    for time_us in (3000, 1000, 2000):
        store.add_frame(frame(time_us), 0.1)
    assert [each.time_us for each in store.frames("a1")] == [1000, 2000, 3000]
    assert [each.time_us for each in store.frames("a1", after_us=1000)] == [2000, 3000]
    assert [each.time_us for each in store.frames("a1", limit=2, newest_first=True)] == [3000, 2000]
    assert [each.time_us for each in store.frames("a1", 1000, 1)] == [2000]
    assert [each.time_us for each in store.frames("a1", 1000, 9, newest_first=True)] == [3000, 2000]
    assert store.last_frame("a1").time_us == 3000
    assert store.last_frame("b2") is None


# hashes


def test_a_hash_holds_for_the_file_as_it_was(store):
    store.set_video_hash("/v", 10, 20, "ff")
    assert store.video_hash("/v", 10, 20) == "ff"
    assert store.video_hash("/v", 11, 20) is None
    assert store.video_hash("/v", 10, 21) is None
    store.set_video_hash("/v", 11, 21, "ee")
    assert store.video_hash("/v", 11, 21) == "ee"
    assert store.video_hash("/v", 10, 20) is None


def test_a_hash_is_told_from_that_of_another_file_with_the_same_size_and_date(store):
    store.set_video_hash("/v", 10, 20, "ff", changed_ns=30)
    assert store.video_hash("/v", 10, 20) == store.video_hash("/v", 10, 20, 30) == "ff"
    assert store.video_hash("/v", 10, 20, 31) is None
    store.set_video_hash("/v", 10, 20, "ee")
    assert store.video_hash("/v", 10, 20, 30) is None, "that of an older folder is made anew"


# threads, full disks, owners


def test_many_threads_write_and_read_at_once(store):
    store.add_job(job())
    trouble = []

    def work(first):
        try:
            for number in range(first, first + 25):
                store.add_frame(frame(number * 1000), 0.01)
                store.frames("a1", limit=5, newest_first=True)
        except StorageError as error:
            trouble.append(error)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(0, 200, 25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trouble == []
    assert store.job("a1").frames_done == 200
    assert len(store.frames("a1")) == 200


def test_a_full_disk_keeps_what_was_there_and_the_store_goes_on_when_there_is_room(store):
    store.add_job(job())
    store.add_frame(frame(0), 0.5)
    before = store.job("a1")

    def limit_pages(spare):
        database = store._connections.database
        database.pragma("max_page_count", database.pragma("page_count") + spare)

    store._connections.write_alone(lambda: limit_pages(1))
    with pytest.raises(DiskFull, match="is full"):
        store.add_frame(frame(1000, caption="x" * 100_000), 0.5)
    assert store.job("a1") == before
    assert store.frames("a1") == [frame(0)]

    store._connections.write_alone(lambda: limit_pages(1000))
    assert store.add_frame(frame(1000, caption="x" * 100_000), 0.5) is True
    assert store.job("a1").frames_done == 2


def test_a_closed_store_refuses_and_can_be_opened_again_with_everything_in_it(tmp_path):
    store = Store.open(tmp_path)
    store.add_job(job())
    store.close()
    store.close()
    with pytest.raises(StorageError, match="closed"):
        store.job("a1")
    with pytest.raises(StorageError, match="closed"):
        store.add_frame(frame(0), 0.1)
    again = Store.open(tmp_path)
    assert again.job("a1") == job()
    again.close()


def test_the_data_folder_is_for_its_owner_alone(store):
    assert store.folder.stat().st_mode & 0o077 == 0


def test_a_second_owner_is_refused_and_told_which_process_has_the_folder(store):
    with pytest.raises(FolderInUse, match=rf"process {os.getpid()}\b"):
        Store.open(store.folder)
    command = (
        "import sys; from pathlib import Path; from storage.store import Store; Store.open(Path(sys.argv[1]))"
    )
    other = subprocess.run(
        [sys.executable, "-c", command, str(store.folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert f"process {os.getpid()}" in other.stderr
    assert other.returncode == 1


def test_a_killed_owner_leaves_the_folder_free_and_what_it_acknowledged_in_it(tmp_path):
    command = (
        "import os, signal, sys; from pathlib import Path; from storage.store import Store;"
        "Store.open(Path(sys.argv[1])).set_setting('key', 7); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", command, str(tmp_path)], cwd=ROOT, timeout=60)
    store = Store.open(tmp_path)
    assert store.setting("key") == 7
    store.close()


def test_a_folder_that_is_a_file_says_so(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="file"):
        Store.open(tmp_path / "file")


def test_a_database_that_is_none_is_refused_and_left_as_it_was(tmp_path):
    (tmp_path / "haven.db").write_text("this is a letter " * 100)
    for _ in range(2):  # the first try let go of the folder
        with pytest.raises(StorageError, match="not a database"):
            Store.open(tmp_path)
    assert (tmp_path / "haven.db").read_text() == "this is a letter " * 100


# versions


@pytest.fixture
def newer_migrations(tmp_path, monkeypatch):
    """The scripts of a Haven that is one version further; used while `use()` was called last."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    for script in schema.MIGRATIONS.glob("*.py"):
        (folder / script.name).write_text(script.read_text())
    (folder / "9000_add_mood.py").write_text(
        "import peewee\n"
        "def up(migrator, db):\n"
        "    migrator.migrate(migrator.add_column('job', 'mood', peewee.TextField(default='calm')))\n"
    )
    return lambda: monkeypatch.setattr(schema, "MIGRATIONS", folder)


def columns(path):
    connection = sqlite3.connect(path)
    names = [row[1] for row in connection.execute("PRAGMA table_info(job)")]
    count = connection.execute("SELECT count(*) FROM job").fetchone()[0]
    connection.close()
    return names, count


def test_an_older_folder_is_upgraded_after_a_backup_and_then_refused_by_the_older_haven(
    tmp_path, newer_migrations, monkeypatch
):
    older = schema.MIGRATIONS
    data = tmp_path / "data"
    store = Store.open(data)
    store.add_job(job())
    store.close()
    assert not (data / "backups").exists()
    (data / "backups").mkdir()
    (data / "backups" / "haven-0001-killed.part").write_bytes(b"as far as a killed process came")

    newer_migrations()
    Store.open(data).close()
    names, count = columns(data / "haven.db")
    assert "mood" in names
    assert count == 1
    (backup,) = (data / "backups").iterdir()
    names, count = columns(backup)
    assert "mood" not in names
    assert count == 1

    monkeypatch.setattr(schema, "MIGRATIONS", older)
    before = (data / "haven.db").read_bytes()
    with pytest.raises(FolderTooNew, match="9000_add_mood"):
        Store.open(data)
    assert (data / "haven.db").read_bytes() == before


def test_a_migration_that_fails_leaves_the_folder_as_it_was(tmp_path, newer_migrations):
    Store.open(tmp_path / "data").close()
    newer_migrations()
    with (schema.MIGRATIONS / "9000_add_mood.py").open("a") as script:
        script.write("    migrator.migrate(migrator.drop_column('job', 'no such column'))\n")
    with pytest.raises((StorageError, ValueError)):
        Store.open(tmp_path / "data")
    assert "mood" not in columns(tmp_path / "data" / "haven.db")[0]


def test_the_migrations_make_the_tables_that_the_code_uses(store):
    models = store._tables.all()
    difference = store._connections.read(lambda: diff_models(store._connections.database, models))
    assert not difference, difference


def test_an_id_that_is_there_already_is_a_defect_and_not_a_full_disk(store):
    store.add_job(job())
    with pytest.raises(peewee.IntegrityError):
        store.add_job(job())
