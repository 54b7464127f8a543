"""CrewAI: a planner and a writer, each a slot of its own. LEVELHEAD_URL is the proxy's /v1."""

import os

os.environ.setdefault("CREWAI_DISABLE_TELEMETRY", "true")
os.environ.setdefault("OTEL_SDK_DISABLED", "true")

from bill import show, spent
from crewai import LLM, Agent, Crew, Task

URL = os.environ.get("LEVELHEAD_URL", "http://127.0.0.1:8100/v1")


def agent(slot: str, goal: str) -> Agent:
    key = os.environ.get("LEVELHEAD_KEY", "any")
    llm = LLM(model=f"auto/{slot}", provider="openai", base_url=URL, api_key=key)
    return Agent(role=slot, goal=goal, backstory="Part of a small team.", llm=llm)


planner, writer = agent("planner", "Plan the work"), agent("writer", "Carry out the plan")
plan = Task(
    description="Plan how to announce that billing moves to the new ledger on Friday.",
    expected_output="three steps",
    agent=planner,
)
text = Task(description="Write the announcement.", expected_output="two sentences", agent=writer, context=[plan])

before = spent(URL)
print(Crew(agents=[planner, writer], tasks=[plan, text]).kickoff())
show(URL, before)
