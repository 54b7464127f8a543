"""A two-agent team in each of three frameworks, pointed at the proxy. Runs in the frameworks' environments."""

from __future__ import annotations

import sys

TASK = "Write one line about cats."


def openai_agents(url: str) -> None:
    from agents import (
        Agent,
        OpenAIChatCompletionsModel,
        OpenAIResponsesModel,
        Runner,
        function_tool,
        set_tracing_disabled,
    )
    from openai import AsyncOpenAI

    @function_tool
    def look_up(word: str) -> str:
        """Looks a word up."""
        return f"{word}: a small animal"

    set_tracing_disabled(True)
    client = AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-team")
    drafter = Agent(
        name="drafter", instructions="Draft.", tools=[look_up], model=OpenAIResponsesModel("auto/drafter", client)
    )
    critic = Agent(name="critic", instructions="Judge.", model=OpenAIChatCompletionsModel("auto/critic", client))
    draft = Runner.run_sync(drafter, TASK).final_output
    verdict = Runner.run_sync(critic, f"Judge this: {draft}").final_output
    assert draft, verdict


def pydantic_ai(url: str) -> None:
    from pydantic_ai import Agent
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.anthropic import AnthropicProvider
    from pydantic_ai.providers.openai import OpenAIProvider

    drafter = Agent(OpenAIChatModel("auto/drafter", provider=OpenAIProvider(base_url=f"{url}/v1", api_key="sk-team")))
    critic = Agent(AnthropicModel("auto/critic", provider=AnthropicProvider(base_url=url, api_key="sk-team")))

    @drafter.tool_plain
    def look_up(word: str) -> str:
        """Looks a word up."""
        return f"{word}: a small animal"

    draft = drafter.run_sync(TASK).output
    assert critic.run_sync(f"Judge this: {draft}").output


def crewai(url: str) -> None:
    from crewai import LLM, Agent, Crew, Process, Task

    def agent(slot: str) -> Agent:
        llm = LLM(model=f"openai/auto/{slot}", base_url=f"{url}/v1", api_key="sk-team")
        return Agent(role=slot, goal=f"be a {slot}", backstory=f"You are a {slot}.", llm=llm)

    drafter, critic = agent("drafter"), agent("critic")
    tasks = [
        Task(description=TASK, expected_output="one line", agent=drafter),
        Task(description="Judge the line.", expected_output="a verdict", agent=critic),
    ]
    assert Crew(agents=[drafter, critic], tasks=tasks, process=Process.sequential).kickoff().raw


TEAMS = {"openai-agents": openai_agents, "pydantic-ai": pydantic_ai, "crewai": crewai}

if __name__ == "__main__":
    TEAMS[sys.argv[1]](sys.argv[2])
    print("TEAM DONE")
