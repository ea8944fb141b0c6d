"""Names and tags of the library by any three letters in a row. A frozen copy: it stays as it is.

Triggers keep it. The tags of a file are kept as JSON; here each stands in a line of its own, as it is read.
"""

TAGS = "(SELECT coalesce(group_concat(value, char(10)), '') FROM json_each({}found))"
INDEX = (
    "CREATE VIRTUAL TABLE library_search USING fts5(name, tags, tokenize='trigram')",
    "CREATE TRIGGER library_file_added AFTER INSERT ON library_file BEGIN "
    f"INSERT INTO library_search(rowid, name, tags) VALUES (new.id, new.name, {TAGS.format('new.')}); END",
    "CREATE TRIGGER library_file_gone AFTER DELETE ON library_file BEGIN "
    "DELETE FROM library_search WHERE rowid = old.id; END",
    "CREATE TRIGGER library_file_changed AFTER UPDATE OF name, found ON library_file "
    "WHEN old.name IS NOT new.name OR old.found IS NOT new.found BEGIN "
    f"UPDATE library_search SET name = new.name, tags = {TAGS.format('new.')} WHERE rowid = new.id; END",
    f"INSERT INTO library_search(rowid, name, tags) SELECT id, name, {TAGS.format('')} FROM library_file",
)


def up(migrator, db):  # noqa: ANN001, ANN201
    for statement in INDEX:
        db.execute_sql(statement)
