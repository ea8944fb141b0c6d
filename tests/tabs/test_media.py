"""Which files may be played or analysed: what was opened, and what was uploaded here."""

import pytest

from ui import media
from ui.media import Opened, OpenedVideos


def test_old_tokens_are_forgotten_and_used_ones_kept(clip):
    opened = OpenedVideos(most=2)
    first = opened.add(Opened(clip, "one"))
    second = opened.add(Opened(clip, "two"))
    assert opened.get(first).name == "one"
    opened.add(Opened(clip, "three"))
    assert opened.get(second) is None
    assert opened.get(first).name == "one"
    assert opened.get("") is None


def test_a_link_in_the_upload_folder_leads_nowhere_else(monkeypatch, tmp_path, clip):
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(uploads))
    (uploads / "link.mp4").symlink_to(clip)
    with pytest.raises(Exception, match="was not uploaded here"):
        media.given_video({"path": str(uploads / "link.mp4")})
    with pytest.raises(Exception, match="was not uploaded here"):
        media.given_video(str(uploads / "link.mp4"))
