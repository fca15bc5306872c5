"""The planner that asks a language model, over any OpenAI-compatible server."""
