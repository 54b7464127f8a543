"""pydantic-ai: a planner and a writer, each a slot of its own. LEVELHEAD_URL is the proxy's /v1."""

import os

from bill import show, spent
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

URL = os.environ.get("LEVELHEAD_URL", "http://127.0.0.1:8100/v1")
provider = OpenAIProvider(base_url=URL, api_key=os.environ.get("LEVELHEAD_KEY", "any"))


def agent(slot: str, instructions: str) -> Agent:
    return Agent(OpenAIChatModel(f"auto/{slot}", provider=provider), instructions=instructions)


before = spent(URL)
plan = agent("planner", "Plan the work in three steps.").run_sync(
    "Announce that billing moves to the new ledger on Friday."
)
text = agent("writer", "Carry out the plan in two sentences.").run_sync(plan.output)
print(text.output)
show(URL, before)
