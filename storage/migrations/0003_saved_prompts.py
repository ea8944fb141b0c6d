"""Tag lists and questions by name. A frozen copy: it stays as it is when the table changes."""

import peewee


def up(migrator, db):  # noqa: ANN001, ANN201
    class SavedPrompt(peewee.Model):
        name = peewee.TextField(primary_key=True)
        tags = peewee.JSONField()
        prompt = peewee.TextField()
        saved_at = peewee.DoubleField()

        class Meta:
            database = db
            table_name = "saved_prompt"

    db.create_tables([SavedPrompt], safe=False)
