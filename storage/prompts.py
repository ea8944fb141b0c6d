"""Tag lists and questions that are kept by name, behind a few verbs. Knows nothing of what they mean."""

from storage.connections import Connections
from storage.records import PromptRecord
from storage.rows import prompt_record
from storage.tables import Tables


class PromptStore:
    """Every verb may be called from any thread; raises as `Store` does."""

    def __init__(self, connections: Connections, tables: Tables) -> None:
        self._connections = connections
        self._table = tables.saved_prompt

    def all(self) -> list[PromptRecord]:
        """By name, capital and small letters alike."""
        query = self._table.select()
        found = self._connections.read(lambda: [prompt_record(row) for row in query.dicts()])
        return sorted(found, key=lambda one: (one.name.casefold(), one.name))

    def named(self, name: str) -> PromptRecord | None:
        return self._connections.read(lambda: self._named(name))

    def save(self, record: PromptRecord) -> PromptRecord | None:
        """Keep it; gives the one of that name that it takes the place of."""
        table = self._table
        changed = {"tags": list(record.tags), "prompt": record.prompt, "saved_at": record.saved_at}

        def save() -> PromptRecord | None:
            before = self._named(record.name)
            table.insert(name=record.name, **changed).on_conflict(
                conflict_target=[table.name], update=changed
            ).execute()
            return before

        return self._connections.write(save)

    def delete(self, name: str) -> bool:
        """False where there is none."""
        query = self._table.delete().where(self._table.name == name)
        return self._connections.write(query.execute) > 0

    def _named(self, name: str) -> PromptRecord | None:
        query = self._table.select().where(self._table.name == name)
        return next(map(prompt_record, query.dicts()), None)
