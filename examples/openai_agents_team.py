"""openai-agents: a planner and a writer, each a slot of its own. LEVELHEAD_URL is the proxy's /v1."""

import asyncio
import os

from agents import Agent, OpenAIChatCompletionsModel, Runner, set_tracing_disabled
from bill import show, spent
from openai import AsyncOpenAI

URL = os.environ.get("LEVELHEAD_URL", "http://127.0.0.1:8100/v1")
client = AsyncOpenAI(base_url=URL, api_key=os.environ.get("LEVELHEAD_KEY", "any"))
set_tracing_disabled(True)  # or its traces go to OpenAI


def agent(slot: str, instructions: str) -> Agent:
    model = OpenAIChatCompletionsModel(model=f"auto/{slot}", openai_client=client)
    return Agent(name=slot, instructions=instructions, model=model)


async def main() -> None:
    before = spent(URL)
    planner = agent("planner", "Plan the work in three steps.")
    writer = agent("writer", "Carry out the plan in two sentences.")
    plan = await Runner.run(planner, "Announce that billing moves to the new ledger on Friday.")
    text = await Runner.run(writer, plan.final_output)
    print(text.final_output)
    show(URL, before)


asyncio.run(main())
