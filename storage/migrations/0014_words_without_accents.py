"""Names and tags of the library without accents, as they are searched now. A frozen copy: it stays as it is.

`library_words` makes them, and the index of letters is made anew of them.
"""

WORDS = (
    "UPDATE library_word SET words = "
    "(SELECT library_words(name, found) FROM library_file WHERE library_file.id = library_word.file_id)",
    "INSERT INTO library_search(library_search) VALUES ('rebuild')",
)


def up(migrator, db):  # noqa: ANN001, ANN201
    for statement in WORDS:
        db.execute_sql(statement)
