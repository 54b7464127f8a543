"""langchain-tests' own integration suite for chat models, pointed at the proxy. Runs in the frameworks' environment."""

from __future__ import annotations

import os
from typing import Any

from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests

URL, MODEL = os.environ["LEVELHEAD_URL"], os.environ["LEVELHEAD_MODEL"]
VISION = MODEL != "deepseek-flash"


class Suite(ChatModelIntegrationTests):
    @property
    def supports_image_inputs(self) -> bool:
        return False  # its tests fetch an image from the internet

    @property
    def has_tool_choice(self) -> bool:
        return MODEL != "claude-sonnet"  # which can't be forced to call one

    @property
    def structured_output_kwargs(self) -> dict[str, Any]:
        return {"method": "json_schema" if VISION else "function_calling"}


class TestChatCompletions(Suite):
    @property
    def chat_model_class(self) -> type[ChatOpenAI]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": MODEL, "base_url": f"{URL}/v1", "api_key": "sk-team", "stream_usage": True, "max_retries": 0}


class TestResponses(TestChatCompletions):
    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {**super().chat_model_params, "use_responses_api": True}


class TestMessages(Suite):
    @property
    def chat_model_class(self) -> type[ChatAnthropic]:
        return ChatAnthropic

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": MODEL, "base_url": URL, "api_key": "sk-team", "max_tokens": 2000, "max_retries": 0}
