"""The console: web pages for analysts and model owners, rendered here and kept live with htmx."""
