"""Category and description of a tag: how people write them, and that they reach the model, the database, the
exports and a resumed analysis. An analysis of an older Haven, which knew names only, goes on."""

import sqlite3

import pytest
from fakes import FakeBackend

from engine.backends.base import FrameTask, LoadPlan
from engine.backends.yesno import question
from engine.cancel import CancelToken
from engine.errors import InvalidInput
from engine.loading import Candidate
from engine.prompts import prompt_to_save, tags_text
from engine.video.request import AnalysisRequest
from engine.video.tags import MAX_DESCRIPTION, MAX_TAG_LENGTH, Tag, descriptions_of, parse_tags, read_tags
from storage.store import Store
from tests.held import FRAMES, House, lake

DOG = Tag("dog", "animal", "any dog, also partly visible")
WRITTEN = 'animal: dog = "any dog, also partly visible"'


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        (WRITTEN, (DOG,)),
        (f"boat, {WRITTEN},\nlake", (Tag("boat"), DOG, Tag("lake"))),
        ("animal: dog, animal: cat", (Tag("dog", "animal"), Tag("cat", "animal"))),
        ('dog="brown"', (Tag("dog", "", "brown"),)),
        ('dog = "brown" , cat', (Tag("dog", "", "brown"), Tag("cat"))),
        ('sign: "stop, ahead" = "red, ""STOP"" on it"', (Tag("stop, ahead", "sign", 'red, "STOP" on it'),)),
        ('"stop: ahead" = "a sign"', (Tag("stop: ahead", "", "a sign"),)),
        ('"animal: dog"', (Tag("animal: dog"),)),
        ('dog = "two\nlines"', (Tag("dog", "", "two lines"),)),
        ('🐕: 🦮 = "a guide dog"', (Tag("🦮", "🐕", "a guide dog"),)),
        ("12:30, http://x, E=mc2, a = b", (Tag("12:30"), Tag("http://x"), Tag("E=mc2"), Tag("a = b"))),
        ("animal:, : dog", (Tag("animal:"), Tag(": dog"))),
        ("a: b: c", (Tag("b: c", "a"),)),
        ("animal: Dog, Animal: dog", (Tag("Dog", "animal"),)),
    ],
)
def test_a_tag_is_read_with_its_category_and_description(text, tags):
    assert read_tags(text) == tags
    assert parse_tags(text) == tuple(tag.name for tag in tags)


@pytest.mark.parametrize(
    "tag",
    [
        Tag("boat"),
        DOG,
        Tag("red, round", "sign", "with, commas"),
        Tag("note: this"),
        Tag('the "Anna"', "ship", '"Anna" on the bow'),
        Tag("E=mc2"),
        Tag("animal:"),
        Tag("12:30", "", "on a clock"),
    ],
)
def test_a_tag_that_is_written_reads_back_as_itself_wherever_it_stands(tag):
    assert read_tags(f"first, {tag.written}, last") == (Tag("first"), tag, Tag("last"))
    assert read_tags([tag.written]) == read_tags([tag.alone]) == (tag,)


def test_in_a_list_of_texts_each_is_one_tag_commas_and_all():
    assert read_tags([WRITTEN, "red, round", '"quoted", tag', '"as: it is"']) == (
        DOG,
        Tag("red, round"),
        Tag('"quoted", tag'),
        Tag("as: it is"),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'dog = "{"x" * (MAX_DESCRIPTION + 1)}"', f"'dog' has {MAX_DESCRIPTION + 1} characters"),
        (f"{'c' * (MAX_TAG_LENGTH + 1)}: dog", f"at most {MAX_TAG_LENGTH} characters"),
        ('dog = "brown" cat', "comma before 'cat'"),
        ('= "brown"', "'brown' describes no tag"),
        ("animal: Dog, pet: dog", "'dog' stands twice, as animal: Dog and as pet: dog"),
        ("dog, animal: dog", "'dog' stands twice, as dog and as animal: dog"),
        ('dog = "brown", dog = "black"', "'dog' stands twice"),
    ],
)
def test_what_cannot_be_a_tag_is_refused_with_what_to_do(text, said):
    with pytest.raises(InvalidInput, match=said):
        read_tags(text)


def test_five_hundred_described_tags_are_taken():
    tags = tuple(Tag(f"tag {n}", f"kind {n % 7}", f"what, {n}") for n in range(500))
    assert read_tags("\n".join(tag.written for tag in tags)) == tags


def test_a_description_is_part_of_the_question_and_a_category_is_not():
    task = FrameTask(("dog", "cat"), described=descriptions_of([DOG, Tag("cat", "animal")]))
    assert task.questions == (question("dog", DOG.description), question("cat"))
    assert DOG.description in question("dog", DOG.description)


def test_a_description_makes_another_question_of_the_same_name(tmp_path):
    plain, described = (AnalysisRequest.of(tmp_path, tags) for tags in ("dog", 'dog = "brown"'))
    assert plain.tags == described.tags == ("dog",)
    assert plain.prompt_sha256 != described.prompt_sha256


def test_a_saved_tag_list_keeps_what_is_known_of_its_tags():
    text = f'{WRITTEN}, "red, round", "note: this"'
    assert tags_text(prompt_to_save("pets", "", text).tags) == text


class Listening(FakeBackend):
    """Remembers what it was asked."""

    def look(self, frames, task, cancel):
        self.questions = task.questions
        return super().look(frames, task, cancel)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return lake(tmp_path_factory.mktemp("clips"))


class Kennel(House):
    """A house whose model remembers what it was asked."""

    def model(self, name):
        def load(progress, cancel):
            return Listening(model=name, digest=name, on_look=self._pass_gate, answers=self.answers)

        return Candidate("fake", name, {}, lambda cancel: LoadPlan(name, 1, 100), load)


def paused_job(folder, clip, tags) -> str:
    house = Kennel(folder)
    house.runner.start()
    gate = house.hold_at(4)
    job_id = house.submit(clip, tags=tags)
    assert gate.reached.wait(30)
    house.runner.pause(job_id)
    gate.open()
    house.wait_for(job_id, "paused")
    house.close()
    return job_id


def resumed(folder, job_id) -> tuple[object, tuple[str, ...]]:
    house = Kennel(folder)
    house.runner.start()
    house.runner.resume(job_id)
    job = house.wait_for(job_id, "completed")
    with house.slot.lease(CancelToken()) as backend:
        asked = backend.questions
    house.close()
    return job, asked


def test_category_and_description_are_kept_with_the_job_and_asked_after_a_resume(tmp_path, clip):
    job_id = paused_job(tmp_path, clip, f"boat, {WRITTEN}")
    job, asked = resumed(tmp_path, job_id)
    assert job.frames_done == FRAMES
    assert job.tags == ("boat", "dog")
    assert job.tag_details == {"dog": {"category": "animal", "description": DOG.description}}
    assert asked == (question("boat"), question("dog", DOG.description))


def test_an_analysis_of_a_haven_that_knew_names_only_opens_and_goes_on(tmp_path, clip):
    job_id = paused_job(tmp_path, clip, "boat, dog")
    older = sqlite3.connect(tmp_path / "haven.db", isolation_level=None)
    older.execute("ALTER TABLE job DROP COLUMN tag_details")
    assert older.execute("DELETE FROM schema_migration WHERE name LIKE '%tag_details%'").rowcount == 1
    older.close()
    store = Store.open(tmp_path)
    assert store.job(job_id).tag_details == {}
    store.close()
    job, asked = resumed(tmp_path, job_id)
    assert (job.frames_done, job.tags) == (FRAMES, ("boat", "dog"))
    assert asked == (question("boat"), question("dog"))
