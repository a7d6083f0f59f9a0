"""Answers in the representation that the client asks for."""

from services.stats.replies.answer import BOUNDS, COLUMNS, PICTURES, PNG, SVG, Answer
from services.stats.replies.reply import Reply, ReplyDep

__all__ = ["BOUNDS", "COLUMNS", "PICTURES", "PNG", "SVG", "Answer", "Reply", "ReplyDep"]
