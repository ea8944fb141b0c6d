"""What lasts: SQLite tables behind verbs that take and return plain records. Knows nobody else in Haven."""
