"""What happens in Haven: models, videos, jobs. Knows neither Gradio nor SQL."""
