"""The look that Gradio is given: system fonts, two greys, one accent. The rest is in assets/haven.css."""

import gradio as gr

SYSTEM_FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif"]
MONO_FONTS = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]


def theme() -> gr.themes.Base:
    """Colours come from the same custom properties as ours, so that light and dark are said once."""
    base = gr.themes.Base(
        primary_hue="blue",
        neutral_hue="slate",
        spacing_size="sm",
        radius_size="md",
        text_size="sm",
        font=SYSTEM_FONTS,
        font_mono=MONO_FONTS,
    )
    return base.set(**_both(_COLOURS), **_SHAPES)


_COLOURS = {
    "body_background_fill": "var(--haven-page)",
    "body_text_color": "var(--haven-text)",
    "body_text_color_subdued": "var(--haven-quiet)",
    "background_fill_primary": "var(--haven-page)",
    "background_fill_secondary": "var(--haven-field)",
    "block_background_fill": "transparent",
    "block_border_color": "transparent",
    "block_label_background_fill": "transparent",
    "block_label_text_color": "var(--haven-text)",
    "block_title_text_color": "var(--haven-text)",
    "block_info_text_color": "var(--haven-quiet)",
    "border_color_primary": "var(--haven-line)",
    "border_color_accent": "var(--haven-accent)",
    "color_accent": "var(--haven-accent)",
    "color_accent_soft": "var(--haven-accent-soft)",
    "input_background_fill": "var(--haven-field)",
    "input_background_fill_focus": "var(--haven-field)",
    "input_border_color": "var(--haven-field-line)",
    "input_border_color_focus": "var(--haven-accent)",
    "input_border_color_hover": "var(--haven-field-line)",
    "input_placeholder_color": "var(--haven-quiet)",
    "button_primary_background_fill": "var(--haven-primary)",
    "button_primary_background_fill_hover": "var(--haven-primary-hover)",
    "button_primary_border_color": "transparent",
    "button_primary_text_color": "#ffffff",
    "button_secondary_background_fill": "var(--haven-button)",
    "button_secondary_background_fill_hover": "var(--haven-button-hover)",
    "button_secondary_border_color": "transparent",
    "button_secondary_text_color": "var(--haven-text)",
    "panel_background_fill": "transparent",
    "checkbox_background_color": "var(--haven-field)",
    "checkbox_border_color": "var(--haven-quiet)",
    "checkbox_label_background_fill": "transparent",
    "checkbox_label_border_color": "transparent",
}
_SHAPES = {
    "block_border_width": "0px",
    "block_shadow": "none",
    "block_padding": "0",
    "block_radius": "8px",
    "block_label_text_size": "13px",
    "block_title_text_size": "13px",
    "block_title_text_weight": "500",
    "input_border_width": "1px",
    "input_padding": "8px 10px",
    "input_radius": "6px",
    "input_shadow": "none",
    "input_shadow_focus": "none",
    "input_text_size": "14px",
    "button_large_padding": "8px 16px",
    "button_medium_padding": "7px 14px",
    "button_small_padding": "5px 10px",
    "button_large_radius": "6px",
    "button_large_text_size": "14px",
    "button_large_text_weight": "600",
    "button_secondary_shadow": "none",
    "layout_gap": "16px",
}


def _both(colours: dict[str, str]) -> dict[str, str]:
    """The same for light and dark; a property that has no dark form stands once."""
    known = set(gr.themes.Base.set.__code__.co_varnames)
    dark = {f"{name}_dark": value for name, value in colours.items() if f"{name}_dark" in known}
    return {**colours, **dark}
