"""Who turns passages into an answer, and what is it asked?"""

from elanus_demo.answer.choice import choose_answerers
from elanus_demo.answer.conversation import Conversation, Turn
from elanus_demo.answer.protocol import Answerer, AnswerError, AsyncAnswerer, Question

__all__ = [
    "AnswerError",
    "Answerer",
    "AsyncAnswerer",
    "Conversation",
    "Question",
    "Turn",
    "choose_answerers",
]
