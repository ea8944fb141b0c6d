"""The summary of a job, and whether it was asked for. A frozen copy: it stays when the table changes."""

import peewee


def up(migrator, db):  # noqa: ANN001, ANN201
    asked = peewee.BooleanField(default=False, constraints=[peewee.SQL("DEFAULT 0")])
    text = peewee.TextField(default="", constraints=[peewee.SQL("DEFAULT ''")])
    migrator.migrate(
        migrator.add_column("job", "summarise", asked, allow_not_null=True),
        migrator.add_column("job", "summary", text, allow_not_null=True),
    )
