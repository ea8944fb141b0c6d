"""Whether the library made a job. A frozen copy: it stays when the table changes."""

import peewee


def up(migrator, db):  # noqa: ANN001, ANN201
    made = peewee.BooleanField(default=False, constraints=[peewee.SQL("DEFAULT 0")])
    migrator.migrate(migrator.add_column("job", "from_library", made, allow_not_null=True))
