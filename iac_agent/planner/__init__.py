"""From a request in people's words to typed, addressed edits; or a question; or a refusal."""
