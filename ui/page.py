"""The page: the bar, one tab a file, and what ties them together when it opens or the model changes."""

import gradio as gr

from ui import api, bar, chat, jobs, library, models, video, video_layout
from ui.house import House

# Seconds between two looks of Gradio's queue for something to do. It looks every millisecond otherwise, which
# takes 8 % of a core from an idle machine, and from a model at work; a question waits for a whole rest.
QUEUE_REST = 0.005


def build_page(house: House) -> gr.Blocks:
    """The whole page for one engine; what is on it belongs to its tabs."""
    with gr.Blocks(
        title="Haven",
        fill_width=True,
        analytics_enabled=False,
        # An upload that no job took is swept away after a day; what a job took lies in the data folder.
        delete_cache=(3600, 86_400),
    ) as page:
        top = bar.build()
        with gr.Tabs(elem_id="haven-tabs"):
            with gr.Tab("Video", id="video", elem_id="haven-tab-video"):
                video_tab = video_layout.build()
            with gr.Tab("Chat", id="chat", elem_id="haven-tab-chat"):
                chat_tab = chat.build()
            with gr.Tab("Library", id="library", elem_id="haven-tab-library"):
                library_tab = library.build()
            with gr.Tab("Models", id="models", elem_id="haven-tab-models"):
                models_tab = models.build()
            with gr.Tab("Jobs", id="jobs", elem_id="haven-tab-jobs"):
                jobs_tab = jobs.build()
        bar.wire(top, house)
        video.wire(video_tab, house, flipped=top.chip)
        chat.wire(chat_tab, house)
        models.wire(models_tab, house, top)
        library.wire(library_tab, house, video_tab)
        jobs.wire(jobs_tab, house, video_tab)
        bar.load_with(page, top, house)
        video.load_with(page, video_tab, house)
        api.wire(house)
    page.queue(default_concurrency_limit=None)
    page._queue.sleep_when_free = QUEUE_REST
    return page
