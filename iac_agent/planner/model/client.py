"""One chat completion over the `openai` package, with every vendor error translated.

Source: https://platform.openai.com/docs/api-reference/chat; Azure OpenAI's differences: https://learn.microsoft.com/azure/ai-services/openai
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from iac_agent.errors import ModelFailed

Message = dict[str, Any]


@dataclass(frozen=True)
class Access:
    """How a model is reached. `base_url` ends in /v1; with `azure_api_version` it is an Azure OpenAI endpoint. `timeout` in seconds for
    one answer of at most `max_tokens`.
    """

    model: str
    base_url: str = ""
    api_key: str = ""
    azure_api_version: str = ""
    timeout: float = 60.0
    retries: int = 3
    max_tokens: int = 4000


@dataclass
class Usage:
    """Tokens spent and rounds made."""

    prompt: int = 0
    completion: int = 0
    rounds: int = 0

    def add(self, prompt: int, completion: int) -> None:
        self.prompt, self.completion, self.rounds = self.prompt + prompt, self.completion + completion, self.rounds + 1


@dataclass(frozen=True)
class Call:
    """A tool call; `arguments` is None when they were no JSON object."""

    id: str
    name: str
    arguments: dict[str, Any] | None
    raw: str


@dataclass(frozen=True)
class Reply:
    """What the model answered. `cut` when it ran out of tokens."""

    text: str
    calls: tuple[Call, ...] = ()
    cut: bool = False
    message: Message = field(default_factory=dict)


class ModelClient:
    """A model on one server. What the server turns down once, it is not asked for again: structured outputs, a temperature, the old name
    of the token limit.
    """

    def __init__(self, access: Access) -> None:
        import openai

        self.access = access
        self.usage = Usage()
        self._strict = True
        self._options: dict[str, Any] = {"max_tokens": access.max_tokens, "temperature": 0}
        common: dict[str, Any] = {"api_key": access.api_key or "none", "timeout": access.timeout, "max_retries": access.retries}
        if access.azure_api_version:
            self._client: Any = openai.AzureOpenAI(azure_endpoint=access.base_url, api_version=access.azure_api_version, **common)
        else:
            self._client = openai.OpenAI(base_url=access.base_url or None, **common)

    def chat(self, messages: list[Message], tools: Callable[..., list[dict[str, Any]]]) -> Reply:
        """One round. `tools(strict=...)` gives the tools as structured outputs, or as plain ones for a server that takes no others.

        Raises ModelFailed.
        """
        with translated(self.access):
            done = self._create(messages, tools)
        usage = getattr(done, "usage", None)
        self.usage.add(getattr(usage, "prompt_tokens", 0) or 0, getattr(usage, "completion_tokens", 0) or 0)
        choices = getattr(done, "choices", None)
        if not isinstance(choices, list) or not choices or getattr(choices[0], "message", None) is None:
            raise ModelFailed(
                "the model server answered without a message", hint="Check planner.base_url: it must speak the chat completions API."
            )
        message = choices[0].message
        calls = tuple(_calls(message))
        kept: Message = {"role": "assistant", "content": message.content or ""}
        if calls:
            kept["tool_calls"] = [{"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.raw}} for c in calls]
        return Reply(str(message.content or ""), calls, choices[0].finish_reason == "length", kept)

    def _create(self, messages: list[Message], tools: Callable[..., list[dict[str, Any]]]) -> Any:
        import openai

        while True:
            try:
                return self._client.chat.completions.create(
                    model=self.access.model, messages=messages, tools=tools(strict=self._strict), tool_choice="auto", **self._options
                )
            except (openai.BadRequestError, openai.UnprocessableEntityError) as problem:
                if not self._asks_for_less(str(problem)):
                    raise

    def _asks_for_less(self, refusal: str) -> bool:
        """Leave out what a server's 400 or 422 says it does not take; False when there is nothing left to leave out.

        Source: https://platform.openai.com/docs/guides/reasoning (max_completion_tokens, no temperature)
        """
        if "max_tokens" in refusal and "max_tokens" in self._options:
            self._options["max_completion_tokens"] = self._options.pop("max_tokens")
        elif "temperature" in refusal and "temperature" in self._options:
            del self._options["temperature"]
        elif self._strict and not _is_too_long(refusal):
            self._strict = False
        else:
            return False
        return True


def _is_too_long(refusal: str) -> bool:
    return "context" in refusal.lower() or "token" in refusal.lower()


def _calls(message: Any) -> Iterator[Call]:
    for position, call in enumerate(message.tool_calls or []):
        function = getattr(call, "function", None)
        raw = str(getattr(function, "arguments", "") or "")
        try:
            arguments = json.loads(raw)
        except ValueError:
            arguments = None
        name = str(getattr(function, "name", "") or "")
        yield Call(
            str(call.id or f"call_{position}"),
            name,
            arguments if isinstance(arguments, dict) else None,
            raw if isinstance(arguments, dict) else "{}",
        )


@contextmanager
def translated(access: Access) -> Iterator[None]:
    """Errors of the `openai` package as ModelFailed that says what to do."""
    import openai

    where = access.base_url or "the OpenAI API"
    try:
        yield
    except openai.AuthenticationError as problem:
        raise ModelFailed(f"{where} refused the key", hint="Set the variable that planner.api_key_env names.") from problem
    except openai.PermissionDeniedError as problem:
        raise ModelFailed(f"{where} does not allow this key to use {access.model}", hint="Choose another planner.model.") from problem
    except openai.NotFoundError as problem:
        raise ModelFailed(f"{where} knows no model {access.model}", hint="Check planner.model and planner.base_url.") from problem
    except openai.RateLimitError as problem:
        raise ModelFailed(
            f"{where} is over its rate limit or quota, after {access.retries} retries", hint="Wait, or raise planner.retries."
        ) from problem
    except openai.BadRequestError as problem:
        hint = "Lower planner.context_tokens." if _is_too_long(str(problem)) else "Check that the model supports tool calls."
        raise ModelFailed(f"{where} rejected the request: {_first(problem)}", hint=hint) from problem
    except openai.APITimeoutError as problem:
        raise ModelFailed(f"{where} did not answer within {access.timeout:g} s", hint="Raise planner.timeout.") from problem
    except openai.APIConnectionError as problem:
        raise ModelFailed(
            f"cannot reach {where}", hint="Check planner.base_url and the network; the built-in planner works without it."
        ) from problem
    except openai.APIError as problem:
        raise ModelFailed(f"{where} failed: {_first(problem)}", hint="Try again later.") from problem
    except (ValueError, TypeError, AttributeError) as problem:
        raise ModelFailed(f"{where} answered something that is no chat completion: {_first(problem)}") from problem


def _first(problem: Exception) -> str:
    return (str(problem).strip().splitlines() or ["no details"])[0][:200]
