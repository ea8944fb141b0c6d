"""Category and description of the tags of a job. A frozen copy: it stays as it is when the table changes."""

import peewee


def up(migrator, db):  # noqa: ANN001, ANN201
    details = peewee.JSONField(default={}, constraints=[peewee.SQL("DEFAULT '{}'")])
    migrator.migrate(migrator.add_column("job", "tag_details", details, allow_not_null=True))
