"""Tasks that need no network, and tell arms apart: each asks for one ability."""

from .registry import list_tasks, load_task
from .task import Task

__all__ = ["Task", "list_tasks", "load_task"]
