"""Answers in the representation that the client asks for."""

from services.stats.replies.answer import BOUNDS, COLUMNS, Answer
from services.stats.replies.reply import Reply, ReplyDep

__all__ = ["BOUNDS", "COLUMNS", "Answer", "Reply", "ReplyDep"]
