"""Watched folders, the files in them, and a place in the queue for each job. A frozen copy."""

import peewee


def up(migrator, db):  # noqa: ANN001, ANN201
    class LibraryFolder(peewee.Model):
        path = peewee.TextField(unique=True)
        recursive = peewee.BooleanField()
        pattern = peewee.TextField()
        asked = peewee.JSONField()
        created_at = peewee.DoubleField()

        class Meta:
            database = db
            table_name = "library_folder"

    class LibraryFile(peewee.Model):
        folder = peewee.ForeignKeyField(LibraryFolder, on_delete="CASCADE", index=False)
        path = peewee.TextField()
        name = peewee.TextField()
        size = peewee.BigIntegerField()
        mtime_ns = peewee.BigIntegerField()
        seen_at = peewee.DoubleField()
        sha256 = peewee.TextField()
        state = peewee.TextField()
        reason = peewee.TextField()
        job_id = peewee.TextField(index=True)
        duration_us = peewee.BigIntegerField()
        found = peewee.JSONField()

        class Meta:
            database = db
            table_name = "library_file"
            indexes = ((("folder", "path"), True), (("folder", "state", "path"), False))

    db.create_tables([LibraryFolder, LibraryFile], safe=False)
    place = peewee.DoubleField(default=0.0, constraints=[peewee.SQL("DEFAULT 0")])
    migrator.migrate(migrator.add_column("job", "queue_place", place, allow_not_null=True))
    db.execute_sql("UPDATE job SET queue_place = created_at")
    migrator.migrate(
        migrator.add_index("job", ("status", "queue_place")), migrator.add_index("job", ("video_sha256",))
    )
