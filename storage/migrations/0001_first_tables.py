"""The first tables. A frozen copy: it stays as it is when the tables change."""

import peewee


def up(migrator, db):  # noqa: ANN001, ANN201
    class Setting(peewee.Model):
        key = peewee.TextField(primary_key=True)
        value = peewee.JSONField(null=True)

        class Meta:
            database = db
            table_name = "setting"

    class Job(peewee.Model):
        id = peewee.TextField(primary_key=True)
        status = peewee.TextField(index=True)
        video_path = peewee.TextField(index=True)
        video_name = peewee.TextField()
        video_size = peewee.BigIntegerField()
        video_mtime_ns = peewee.BigIntegerField()
        provider = peewee.TextField()
        model = peewee.TextField()
        digest = peewee.TextField()
        load_options = peewee.JSONField()
        tags = peewee.JSONField()
        prompt = peewee.TextField()
        prompt_sha256 = peewee.TextField()
        sampling = peewee.JSONField()
        frames_total = peewee.IntegerField()
        created_at = peewee.DoubleField(index=True)
        codes = peewee.BooleanField()
        uploaded = peewee.BooleanField()
        video_sha256 = peewee.TextField()
        duration_us = peewee.BigIntegerField()
        frames_done = peewee.IntegerField()
        frames_failed = peewee.IntegerField()
        cursor_us = peewee.BigIntegerField(null=True)
        compute_seconds = peewee.DoubleField()
        started_at = peewee.DoubleField(null=True)
        ended_at = peewee.DoubleField(null=True)
        reason = peewee.TextField()
        error = peewee.TextField()

        class Meta:
            database = db
            table_name = "job"
            indexes = ((("digest", "prompt_sha256"), False),)

    class FrameAnswer(peewee.Model):
        job = peewee.ForeignKeyField(Job, on_delete="CASCADE", index=False)
        place = peewee.IntegerField()
        time_us = peewee.BigIntegerField()
        state = peewee.TextField()
        tags = peewee.JSONField()
        caption = peewee.TextField()
        facts = peewee.JSONField()
        error = peewee.TextField()
        raw_text = peewee.TextField()
        has_picture = peewee.BooleanField()

        class Meta:
            database = db
            table_name = "frame_answer"
            indexes = ((("job", "time_us"), True),)

    class VideoHash(peewee.Model):
        path = peewee.TextField(primary_key=True)
        size = peewee.BigIntegerField()
        mtime_ns = peewee.BigIntegerField()
        sha256 = peewee.TextField()

        class Meta:
            database = db
            table_name = "video_hash"

    db.create_tables([Setting, Job, FrameAnswer, VideoHash], safe=False)
