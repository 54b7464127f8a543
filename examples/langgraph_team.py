"""LangGraph: a planner node and a writer node, each a slot of its own. LEVELHEAD_URL is the proxy's /v1."""

import os
from typing import TypedDict

from bill import show, spent
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph

URL = os.environ.get("LEVELHEAD_URL", "http://127.0.0.1:8100/v1")


class State(TypedDict):
    task: str
    plan: str
    text: str


def ask(slot: str, instructions: str, said: str) -> str:
    model = ChatOpenAI(model=f"auto/{slot}", base_url=URL, api_key=os.environ.get("LEVELHEAD_KEY", "any"))
    return str(model.invoke([("system", instructions), ("user", said)]).content)


graph = StateGraph(State)
graph.add_node("plan_it", lambda state: {"plan": ask("planner", "Plan the work in three steps.", state["task"])})
graph.add_node("write_it", lambda state: {"text": ask("writer", "Carry out the plan.", state["plan"])})
graph.add_edge(START, "plan_it")
graph.add_edge("plan_it", "write_it")
graph.add_edge("write_it", END)

before = spent(URL)
task = "Announce that billing moves to the new ledger on Friday."
print(graph.compile().invoke({"task": task, "plan": "", "text": ""})["text"])
show(URL, before)
