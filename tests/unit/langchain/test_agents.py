"""Agents of langchain 1.x and graphs of LangGraph over the retriever, with a checkpointer."""

from typing import Annotated, Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRequest, dynamic_prompt
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.tools import create_retriever_tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages

from langchain_elanus import BM25, ElanusEmbeddings, ElanusReranker, ElanusVectorStore
from support.langchain_models import ToolCallingModel

TEXTS = {
    "keys": "Rotate the signing key every ninety days.",
    "backup": "Backups run at night.",
    "billing": "Invoices are sent on the first of the month.",
}


@pytest.fixture
def store() -> ElanusVectorStore:
    made = ElanusVectorStore(ElanusEmbeddings(model="hash"), uri=":memory:", sparse=BM25("english"))
    made.add_texts(list(TEXTS.values()), [{"n": i} for i in range(3)], ids=list(TEXTS))
    return made


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_works_inside_create_agent(store: ElanusVectorStore, asynchronous: bool) -> None:
    tool = create_retriever_tool(
        store.as_retriever(search_type="bm25", k=1, compressor=ElanusReranker()),
        "search_docs",
        "Searches the manual.",
        response_format="content_and_artifact",
    )
    agent: Any = create_agent(ToolCallingModel(), [tool], checkpointer=InMemorySaver())

    async def ask(question: str, thread: str) -> list[Any]:
        asked = {"messages": [("user", question)]}
        session: Any = {"configurable": {"thread_id": thread}}
        state = (
            await agent.ainvoke(asked, session) if asynchronous else agent.invoke(asked, session)
        )
        messages: list[Any] = state["messages"]
        return messages

    first = await ask("how often to rotate a key?", "1")
    assert first[-1].text == f"1: {TEXTS['keys']}"
    (found,) = [m for m in first if isinstance(m, ToolMessage)]
    assert [d.id for d in found.artifact] == ["keys"]
    second = await ask("when are invoices sent?", "1")
    assert [(m.id, m.text) for m in second[: len(first)]] == [(m.id, m.text) for m in first]
    assert second[-1].text == f"2: {TEXTS['billing']}"
    assert (await ask("when do backups run?", "2"))[-1].text == f"1: {TEXTS['backup']}"


def test_works_inside_middleware_of_an_agent(store: ElanusVectorStore) -> None:
    retriever = store.as_retriever(k=1)
    prompts: list[str] = []

    @dynamic_prompt
    def with_context(request: ModelRequest) -> str:
        found = retriever.invoke(request.state["messages"][-1].text)
        prompts.append("\n".join(d.page_content for d in found))
        return prompts[-1]

    class Echo(ToolCallingModel):
        """Answers with the system prompt."""

        def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
            given = [ToolMessage(messages[0].text, tool_call_id="1")]
            return super()._generate([*messages[1:], *given], *args, **kwargs)

    agent: Any = create_agent(Echo(), [], middleware=[with_context])
    state = agent.invoke({"messages": [("user", "when are invoices sent?")]})
    assert state["messages"][-1].text == f"1: {TEXTS['billing']}"
    assert prompts == [TEXTS["billing"]]


class State(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    found: list[Document]


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_works_inside_langgraph(store: ElanusVectorStore, asynchronous: bool) -> None:
    retriever = store.as_retriever(search_type="hybrid", k=1)

    def retrieve(state: State) -> dict[str, Any]:
        return {"found": retriever.invoke(state["messages"][-1].text)}

    async def aretrieve(state: State) -> dict[str, Any]:
        return {"found": await retriever.ainvoke(state["messages"][-1].text)}

    def answer(state: State) -> dict[str, Any]:
        asked = sum(isinstance(m, HumanMessage) for m in state["messages"])
        return {"messages": [AIMessage(f"{asked}: {state['found'][0].page_content}")]}

    graph = StateGraph(State)
    graph.add_node("retrieve", aretrieve if asynchronous else retrieve)
    graph.add_node("answer", answer)
    graph.add_edge(START, "retrieve")
    graph.add_edge("retrieve", "answer")
    graph.add_edge("answer", END)
    app: Any = graph.compile(checkpointer=InMemorySaver())
    session: Any = {"configurable": {"thread_id": "1"}}
    said = []
    for question in ("rotate which key?", "invoices?"):
        asked = {"messages": [HumanMessage(question)]}
        state = await app.ainvoke(asked, session) if asynchronous else app.invoke(asked, session)
        said.append(state["messages"][-1].text)
    assert said == [f"1: {TEXTS['keys']}", f"2: {TEXTS['billing']}"]
    # The checkpointer kept the documents too, as they were found.
    kept = app.get_state(session).values["found"]
    assert kept == [Document(id="billing", page_content=TEXTS["billing"], metadata={"n": 2})]
