"""Watched folders, their videos, the queue and the disk, as HTML. Escapes all that it shows.

As in `cards`, the fragments are complete and without state, so that the browser only touches what differs.
"""

from collections.abc import Sequence
from html import escape
from pathlib import PurePath

from engine.errors import InvalidInput
from engine.events.jobs import RESUMABLE, JobView
from engine.library.views import DiskUse, FilesPage, FileView, FolderView, QueueView
from engine.video.request import AnalysisRequest
from ui import wording
from ui.asking import Asked, beyond
from ui.download_cards import button

SHOWN_JOBS = 12  # of the queue
SHOWN_TAGS = 6
STATES = {"new": "Found", "done": "Analysed", "bad": "Set aside", "gone": "Not there any more"}
DELETED = "Its analysis was deleted"
NO_SUMMARY = "Analysed, without its summary"
MOVES = (("first", "First", "to the front"), ("up", "↑", "up"), ("down", "↓", "down"))


def folders(watched: Sequence[FolderView]) -> str:
    """Each watched folder: what is asked, what is in it, what goes wrong, and what can be done."""
    if not watched:
        return (
            '<p class="library-empty">No folder is watched yet. Name one above, say what to look for, and '
            "press Watch: its videos are analysed one after the other, and so are those that come later.</p>"
        )
    return f'<ul class="folders">{"".join(map(_folder, watched))}</ul>'


def found(folder: FolderView, ended: bool) -> str:
    """What is said when a folder, or a single video, was looked through because a person asked for it."""
    name = wording.printable(PurePath(folder.folder).name or folder.folder)
    if folder.trouble:
        return f"{name} is watched. {folder.trouble}"
    if not ended:
        return f"{name} is being looked through. What is found stands below, and is analysed by itself."
    there = _there(folder)
    if not there:
        return f"{name} is watched. There is no video in it yet; those that come are found by themselves."
    videos = "1 video is" if there == 1 else f"{there:,} videos are"
    waiting = folder.files["new"] + folder.files["queued"]
    rest = f", {waiting:,} still to be analysed" if waiting else ""
    return f"{name} is watched. {videos} in it{rest}."


def queue(view: QueueView) -> str:
    """What runs and waits, in order, and what can be done with all of it."""
    rows = "".join(_queued(job, place) for place, job in enumerate(view.jobs[:SHOWN_JOBS]))
    more = view.running + view.waiting - min(len(view.jobs), SHOWN_JOBS)
    rest = f'<p class="quiet queue-more">and {more:,} more</p>' if more > 0 else ""
    held = '<p class="hint held" role="status">New videos wait until all is resumed.</p>' if view.held else ""
    listed = f'<ol class="queue" aria-label="Queue">{rows}</ol>{rest}' if rows else ""
    return f'<div class="queue-head"><p>{_queue_words(view)}</p>{_queue_acts(view)}</div>{held}{listed}'


def files(page: FilesPage, watched: Sequence[FolderView], searching: bool) -> str:
    """A page of the videos, and how to get to the others."""
    if page.files:
        roots = {folder.folder_id: folder.folder for folder in watched}
        rows = "".join(_file(file, roots.get(file.folder_id, "")) for file in page.files)
        return f'<ul class="videos" aria-label="Videos">{rows}</ul>{_pager(page)}'
    if page.total:
        return _pager(page)
    if searching:
        said = "No video has this in its name or among its tags."
    elif not watched:
        said = "The videos of watched folders stand here."
    elif all(folder.looked for folder in watched):
        said = "No videos yet. They appear by themselves when they are put into a watched folder."
    else:
        said = "Looking…"
    return f'<div class="nothing"><p>{said}</p></div>'


def disk(use: DiskUse | None) -> str:
    """What pictures and uploads take, and how to give it back."""
    if use is None:
        return '<p class="quiet">Counting…</p>'
    rows = (
        ("thumbnails", "Small pictures of frames", use.thumbnails),
        ("uploads", "Videos that were dropped on the page", use.uploads),
        ("previews", "Copies for the browser", use.previews),
    )
    drawn = "".join(_disk_row(*row) for row in rows)
    return (
        f'<ul class="disk">{drawn}</ul><p class="quiet">{wording.size(use.free)} are free. Answers stay when '
        "these are cleared; what an analysis under way needs is left alone.</p>"
    )


def _folder(folder: FolderView) -> str:
    place, counts = escape(folder.folder), folder.files
    name = escape(PurePath(folder.folder).name or folder.folder)
    there = _there(folder)
    parts = [f"{there:,} {'video' if there == 1 else 'videos'}"]
    parts += [f"{counts['done']:,} analysed"] if counts.get("done") else []
    parts += [f"{counts['bad']:,} set aside"] if counts.get("bad") else []
    if folder.requests_per_frame:
        requests = wording.requests(folder.requests_per_frame)
        parts.append(f"{requests} a frame, about {wording.roughly(folder.tokens_per_frame)} tokens")
    facts = "Looking…" if not folder.looked else " · ".join(parts)
    trouble = f'<p class="trouble" role="status">{escape(folder.trouble)}</p>' if folder.trouble else ""
    identity, asked = str(folder.folder_id), _asked(folder)
    acts = button("scan", identity, "Look now", folder.folder)
    acts += button("forget", identity, "Forget", folder.folder, " data-sure='Really forget?'")
    return (
        f'<li class="folder" id="folder-{identity}"><span class="folder-text"><b title="{place}">{name}</b>'
        f'<span class="quiet" title="{place}">{place}</span>'
        f'<span class="quiet folder-asked" title="{asked}">{asked}</span>'
        f'<span class="quiet">{facts}</span></span>'
        f'<span class="folder-acts">{acts}</span>{trouble}</li>'
    )


def _there(folder: FolderView) -> int:
    """How many videos are in it."""
    return sum(count for state, count in folder.files.items() if state != "gone")


def _asked(folder: FolderView) -> str:
    asked = folder.asked
    tags = asked.get("tags") or ""
    words = tags if isinstance(tags, str) else ", ".join(map(str, tags))
    prompt = f"“{asked['prompt']}”" if asked.get("prompt") else ""
    pattern = folder.pattern or ""
    flat = "" if folder.recursive else "without the folders in it"
    return escape(" · ".join(part for part in (words, prompt, *_more(folder), pattern, flat) if part))


def _more(folder: FolderView) -> list[str]:
    try:
        asked = Asked.of(AnalysisRequest.of(folder.folder, **folder.asked))
    except InvalidInput:  # asked by an older Haven; what is in its way is said beside it
        return []
    otherwise = asked.fps or asked.times or asked.mode == "keyframes"
    return beyond(asked) if otherwise else [f"every {asked.interval:g}{wording.NO_BREAK}s", *beyond(asked)]


def _queue_words(view: QueueView) -> str:
    counts = (
        (view.running, "running"),
        (view.waiting, "waiting"),
        (view.paused, "paused"),
        (view.interrupted, "interrupted"),
    )
    said = ", ".join(f"<b>{count:,}</b> {word}" for count, word in counts if count)
    return said or '<span class="quiet">Nothing is waiting.</span>'


def _queue_acts(view: QueueView) -> str:
    active = view.running + view.waiting
    resumable = view.held or view.paused or view.interrupted
    acts = (
        ("pause_all", "Pause all", bool(active), "Nothing runs or waits", ""),
        ("resume_all", "Resume all", bool(resumable), "Nothing is paused", ""),
        (
            "cancel_all",
            "Cancel all",
            bool(active + view.paused),
            "Nothing runs or waits",
            " data-sure='Really cancel all?'",
        ),
    )
    drawn = "".join(
        f'<button type="button" class="small" data-act="{act}" data-job=""'
        f"{sure if can else f' disabled title={why!r}'}>{words}</button>"
        for act, words, can, why, sure in acts
    )
    return f'<span class="queue-acts">{drawn}</span>'


def _queued(job: JobView, place: int) -> str:
    name = escape(job.video)
    acts = button("pause", job.job_id, "Pause", job.video) + button("cancel", job.job_id, "Cancel", job.video)
    if job.status == "queued":
        moves = "".join(
            f'<button type="button" class="small" data-act="{act}" data-job="{escape(job.job_id)}" '
            f'aria-label="Move {name} {where}" title="Move {where}">{sign}</button>'
            for act, sign, where in MOVES
        )
        acts = moves + acts
    elif job.status == "cancelling":
        acts = ""
    return (
        f'<li class="queue-row {escape(job.status)}" id="queue-{escape(job.job_id)}">'
        f'<span class="queue-place">{place + 1}</span><b title="{name}">{name}</b>'
        f'<span class="quiet">{_progress(job)}</span><span class="queue-row-acts">{acts}</span></li>'
    )


def _progress(job: JobView) -> str:
    words = wording.state(job.status, job.reason)
    return (
        f"{words}, {wording.share(job.progress)}"
        if job.status in ("running", "paused") and job.frames_done
        else words
    )


def _file(file: FileView, root: str) -> str:
    name, place = escape(file.video), escape(file.place)
    job = file.job
    kind = job.status if file.state == "queued" and job else f"is-{file.state}"
    length = wording.length(file.length) if file.length else ""
    model = escape(job.model) if job else ""
    return (
        f'<li class="video {escape(kind)}" id="video-{file.file_id}">{_picture(job)}'
        f'<span class="video-name"><b title="{name}">{name}</b>'
        f'<span class="quiet" title="{place}">{escape(_short(file.place, root))}</span></span>'
        f'<span class="video-state"><span><i class="dot"></i>{_state(file)}</span>{_reason(file)}</span>'
        f'<span class="chips">{_tags(file)}</span>'
        f'<span class="video-length">{length}</span>'
        f'<span class="video-model" title="{model}">{model}</span>'
        f'<span class="video-acts">{_acts(file)}</span></li>'
    )


def _short(place: str, root: str) -> str:
    """The folder of a file, from the watched one on."""
    parent = PurePath(place).parent
    if not root or not parent.is_relative_to(root):
        return str(parent)
    return str(PurePath(PurePath(root).name, parent.relative_to(root)))


def _picture(job: JobView | None) -> str:
    if job is None or job.latest is None or not job.latest.thumbnail:
        return '<span class="thumb none" aria-hidden="true"></span>'
    source = escape(job.latest.thumbnail)
    return f'<img class="thumb" src="{source}" alt="" width="64" height="36" loading="lazy">'


def _state(file: FileView) -> str:
    if file.state == "done" and file.job is not None and file.job.lacks_summary:
        return NO_SUMMARY
    if file.state != "queued":
        return STATES.get(file.state, file.state)
    return _progress(file.job) if file.job else DELETED


def _reason(file: FileView) -> str:
    said = escape(file.reason)
    return f'<span class="quiet video-reason" title="{said}">{said}</span>' if said else ""


def _tags(file: FileView) -> str:
    shown = "".join(f'<span class="chip">{escape(tag)}</span>' for tag in file.found[:SHOWN_TAGS])
    more = len(file.found) - SHOWN_TAGS
    return f'{shown}<span class="quiet">+{more}</span>' if more > 0 else shown


def _acts(file: FileView) -> str:
    job, acts = file.job, []
    if job is not None:
        acts.append(button("open", job.job_id, "Open", file.video))
        if job.lacks_summary or (file.state == "queued" and job.status in RESUMABLE):
            acts.append(button("resume", job.job_id, "Resume", file.video))
    again = file.state == "bad" or (job is None and file.state in ("queued", "done"))
    if again:
        acts.append(button("retry", str(file.file_id), "Try again", file.video))
    return "".join(acts)


def _pager(page: FilesPage) -> str:
    size = max(len(page.files), 1)
    first, last = page.offset + 1, page.offset + len(page.files)
    words = f"{first:,} to {last:,} of {page.total:,}" if page.files else f"{page.total:,} in all"
    before = _turn(max(page.offset - max(size, 50), 0), "Back", page.offset > 0)
    behind = _turn(last, "Next", bool(page.files) and last < page.total)
    if page.offset == 0 and last >= page.total:
        return f'<p class="pager quiet">{words}</p>'
    return f'<p class="pager">{before}<span class="quiet">{words}</span>{behind}</p>'


def _turn(offset: int, words: str, can: bool) -> str:
    off = "" if can else " disabled title='There are no more'"
    return f'<button type="button" class="small" data-page="{offset}"{off}>{words}</button>'


def _disk_row(kind: str, words: str, count: int) -> str:
    sure = " data-sure='Really clear?'" if count else " disabled title='There is nothing to clear'"
    clear = button("clear", kind, "Clear", words, sure)
    return f"<li><span>{words}</span><b>{wording.size(count)}</b>{clear}</li>"
