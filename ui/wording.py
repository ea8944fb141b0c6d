"""Figures as people read them: times, sizes, rates and states. Knows no widget and no HTML.

Numbers are rounded here and nowhere else; exact ones stay in the data, for exports and for hovering.
"""

import time

STATES = {
    "queued": "Waiting",
    "running": "Running",
    "paused": "Paused",
    "cancelling": "Stopping",
    "cancelled": "Cancelled",
    "completed": "Finished",
    "completed_with_errors": "Finished, some frames failed",
    "failed": "Failed",
    "interrupted": "Interrupted",
}
PAUSED_FOR = {
    "user": "Paused",
    "model": "Waits for its model",
    "disk": "Waits for room on the disk",
    "server": "Waits for the model's server",
    "database": "Waits until the data folder can be written",
}


NO_BREAK = "\N{NO-BREAK SPACE}"  # before a unit


def printable(text: str) -> str:
    """`text` as it can be sent: a file name may hold bytes that are no UTF-8, which stand as ? then."""
    return text.encode("utf-8", "replace").decode("utf-8")


def clock(seconds: float, digits: int = 1) -> str:
    """A moment in a video as a player shows it, with one digit or more after the point: 0:15.2, 1:02:03.0."""
    parts = 10**digits  # of a second
    minutes, rest = divmod(round(max(seconds, 0.0) * parts), 60 * parts)
    hours, minutes = divmod(minutes, 60)
    shown = f"{rest // parts:02d}.{rest % parts:0{digits}d}"
    return f"{hours}:{minutes:02d}:{shown}" if hours else f"{minutes}:{shown}"


def length(seconds: float) -> str:
    """How long a video is: 0:24, 1:02:03."""
    return clock(round(seconds)).split(".")[0]


def duration(seconds: float) -> str:
    """A stretch of waiting: 0.4 s, 15 s, 2 min 5 s, 1 h 10 min."""
    if seconds < 1:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest and minutes < 10 else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def size(count: int) -> str:
    """Bytes in decimal units, as disks and models are sold: 850 kB, 1.6 GB."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.1f} {unit}" if unit == "GB" else f"{amount:.0f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def speed(bytes_per_second: float) -> str:
    """Of a download: 850 kB/s, 1.3 MB/s, 12 MB/s."""
    if 1e6 <= bytes_per_second < 9.95e6:
        return f"{bytes_per_second / 1e6:.1f} MB/s"
    return f"{size(round(bytes_per_second))}/s"


def rate(frames_per_second: float) -> str:
    """4.2 frames/s; a slow model in seconds a frame, since 0.1 frames/s says little."""
    if frames_per_second >= 100:
        return f"{frames_per_second:.0f} frames/s"
    if frames_per_second >= 1:
        return f"{frames_per_second:.1f} frames/s"
    return f"{1 / frames_per_second:.1f} s a frame" if frames_per_second > 0 else "0 frames/s"


def share(part: float, digits: int = 0) -> str:
    """Of a whole, from 0 to 1: 89 %, 66.7 %."""
    return f"{part * 100:.{digits}f}{NO_BREAK}%"


def frames(count: int) -> str:
    """1 frame, 60 frames, 12,000 frames."""
    return "1 frame" if count == 1 else f"{count:,} frames"


def state(status: str, reason: str = "") -> str:
    """The state of a job in words; a paused one says what it waits for, a finished one what it lacks."""
    if status == "paused":
        return PAUSED_FOR.get(reason, "Paused")
    if status == "completed_with_errors" and reason == "summary":
        return "Finished, without its summary"
    return STATES.get(status, status)


def when(moment: float, now: float) -> str:
    """When a job was made, as short as is clear: 14:05 today, 19 Nov 14:05 this year, else with the year."""
    then, today = time.localtime(moment), time.localtime(now)
    if then[:3] == today[:3]:
        return time.strftime("%H:%M", then)
    day = time.strftime("%d %b", then).lstrip("0")
    if then.tm_year == today.tm_year:
        return f"{day} {time.strftime('%H:%M', then)}"
    return f"{day} {then.tm_year}"


def requests(number: int) -> str:
    """`1 request`, `1,200 requests`."""
    return "1 request" if number == 1 else f"{number:,} requests"


def roughly(number: int) -> str:
    """With two figures, for what is only an estimate: `130,000`."""
    return f"{round(number, min(0, 2 - len(str(number)))):,}"
