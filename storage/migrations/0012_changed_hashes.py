"""When the system said that a file changed last, as its hash was made. A frozen copy: it stays as it is."""

import peewee


def up(migrator, db):  # noqa: ANN001, ANN201
    changed = peewee.BigIntegerField(default=0, constraints=[peewee.SQL("DEFAULT 0")])
    migrator.migrate(migrator.add_column("video_hash", "changed_ns", changed, allow_not_null=True))
