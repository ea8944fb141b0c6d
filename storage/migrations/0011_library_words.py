"""Names and tags of the library in whatever case and script. A frozen copy: it stays as it is.

What is searched is kept as a text of its own, folded, which `library_words` makes: a function that every
connection of Haven's has. Three letters in a row are found by index; fewer by going through these texts
alone, which takes no index and no JSON.
"""

WORDS = (
    "DROP TRIGGER library_file_added",
    "DROP TRIGGER library_file_gone",
    "DROP TRIGGER library_file_changed",
    "DROP TABLE library_search",
    "CREATE TABLE library_word(file_id INTEGER PRIMARY KEY, words TEXT NOT NULL)",
    "CREATE VIRTUAL TABLE library_search USING fts5(words, content='library_word', content_rowid='file_id', "
    "tokenize='trigram case_sensitive 1')",
    "CREATE TRIGGER library_word_added AFTER INSERT ON library_word BEGIN "
    "INSERT INTO library_search(rowid, words) VALUES (new.file_id, new.words); END",
    "CREATE TRIGGER library_word_gone AFTER DELETE ON library_word BEGIN "
    "INSERT INTO library_search(library_search, rowid, words) VALUES ('delete', old.file_id, old.words); END",
    "CREATE TRIGGER library_file_added AFTER INSERT ON library_file BEGIN "
    "INSERT INTO library_word VALUES (new.id, library_words(new.name, new.found)); END",
    "CREATE TRIGGER library_file_gone AFTER DELETE ON library_file BEGIN "
    "DELETE FROM library_word WHERE file_id = old.id; END",
    "CREATE TRIGGER library_file_changed AFTER UPDATE OF name, found ON library_file "
    "WHEN old.name IS NOT new.name OR old.found IS NOT new.found BEGIN "
    "DELETE FROM library_word WHERE file_id = new.id; "
    "INSERT INTO library_word VALUES (new.id, library_words(new.name, new.found)); END",
    "INSERT INTO library_word SELECT id, library_words(name, found) FROM library_file",
)


def up(migrator, db):  # noqa: ANN001, ANN201
    for statement in WORDS:
        db.execute_sql(statement)
