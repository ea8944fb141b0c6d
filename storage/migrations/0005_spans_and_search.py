"""How spans are made, corrected and found. A frozen copy: it stays as it is when the tables change."""

import json

import peewee

CAPTIONS = (
    "CREATE VIRTUAL TABLE caption_search USING fts5(caption, content='frame_answer', content_rowid='id', "
    "tokenize='porter unicode61 remove_diacritics 2')",
    "CREATE TRIGGER caption_added AFTER INSERT ON frame_answer WHEN new.caption <> '' BEGIN "
    "INSERT INTO caption_search(rowid, caption) VALUES (new.id, new.caption); END",
    "CREATE TRIGGER caption_gone AFTER DELETE ON frame_answer WHEN old.caption <> '' BEGIN "
    "INSERT INTO caption_search(caption_search, rowid, caption) VALUES ('delete', old.id, old.caption); END",
    "CREATE TRIGGER caption_was AFTER UPDATE OF caption ON frame_answer WHEN old.caption <> '' BEGIN "
    "INSERT INTO caption_search(caption_search, rowid, caption) VALUES ('delete', old.id, old.caption); END",
    "CREATE TRIGGER caption_is AFTER UPDATE OF caption ON frame_answer WHEN new.caption <> '' BEGIN "
    "INSERT INTO caption_search(rowid, caption) VALUES (new.id, new.caption); END",
    "INSERT INTO caption_search(rowid, caption) SELECT id, caption FROM frame_answer WHERE caption <> ''",
)
TAGS = (
    "CREATE VIRTUAL TABLE tag_search USING fts5(tag, tokenize='porter unicode61 remove_diacritics 2')",
    "CREATE TRIGGER tag_added AFTER INSERT ON tag_peak "
    "WHEN NOT EXISTS (SELECT 1 FROM tag_peak WHERE tag = new.tag AND job_id <> new.job_id) BEGIN "
    "INSERT INTO tag_search(tag) VALUES (new.tag); END",
    "CREATE TRIGGER tag_gone AFTER DELETE ON tag_peak "
    "WHEN NOT EXISTS (SELECT 1 FROM tag_peak WHERE tag = old.tag) BEGIN "
    "DELETE FROM tag_search WHERE tag = old.tag; END",
)
AT_ONCE = 10_000  # answers that are read at a time


def up(migrator, db):  # noqa: ANN001, ANN201
    class Job(peewee.Model):
        id = peewee.TextField(primary_key=True)

        class Meta:
            database = db
            table_name = "job"

    class SpanSettings(peewee.Model):
        job = peewee.ForeignKeyField(Job, primary_key=True, on_delete="CASCADE")
        settings = peewee.JSONField()
        lowest = peewee.DoubleField()

        class Meta:
            database = db
            table_name = "span_settings"

    class SpanCorrection(peewee.Model):
        id = peewee.AutoField()
        video_sha256 = peewee.TextField(index=True)
        tag = peewee.TextField()
        old_start_us = peewee.BigIntegerField(null=True)
        old_end_us = peewee.BigIntegerField(null=True)
        new_start_us = peewee.BigIntegerField(null=True)
        new_end_us = peewee.BigIntegerField(null=True)
        made_at = peewee.DoubleField()

        class Meta:
            database = db
            table_name = "span_correction"

    class TagPeak(peewee.Model):
        tag = peewee.TextField()
        job = peewee.ForeignKeyField(Job, on_delete="CASCADE")
        peak = peewee.DoubleField()

        class Meta:
            database = db
            table_name = "tag_peak"
            primary_key = peewee.CompositeKey("tag", "job")
            without_rowid = True

    db.create_tables([SpanSettings, SpanCorrection, TagPeak], safe=False)
    for statement in (*CAPTIONS, *TAGS):
        db.execute_sql(statement)
    _fill_peaks(db)


def _fill_peaks(db):  # noqa: ANN001, ANN202
    last = -1
    while True:
        found = db.execute_sql(
            "SELECT id, job_id, tags FROM frame_answer WHERE id > ? ORDER BY id LIMIT ?", (last, AT_ONCE)
        ).fetchall()
        if not found:
            return
        peaks: dict[tuple[str, str], float] = {}
        for last, job, tags in found:  # noqa: B007 - the last one is where the next look begins
            for tag, sure in json.loads(tags).items():
                if sure:
                    peaks[tag, job] = max(sure, peaks.get((tag, job), 0.0))
        for (tag, job), peak in peaks.items():
            db.execute_sql(
                "INSERT INTO tag_peak(tag, job_id, peak) VALUES (?, ?, ?) ON CONFLICT(tag, job_id) "
                "DO UPDATE SET peak = excluded.peak WHERE excluded.peak > peak",
                (tag, job, peak),
            )
