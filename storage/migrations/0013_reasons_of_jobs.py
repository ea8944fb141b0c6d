"""Finding paused jobs by why they are. A frozen copy: it stays when the table changes."""


def up(migrator, db):  # noqa: ANN001, ANN201
    migrator.migrate(migrator.add_index("job", ("status", "reason")))
