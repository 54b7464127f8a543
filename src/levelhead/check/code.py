"""Code by what it does, as far as that can be read without running it: layout and local names don't matter."""

from __future__ import annotations

import ast
import re
from collections import Counter

_MOST = 100_000  # characters: beyond that it isn't parsed
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/|#[^\n]*|--[^\n]*", re.S)
_TOKEN = re.compile(r"\w+|[^\w\s]")


def same_code(first: str, second: str, language: str = "") -> float:
    """0..1: 1 where both are the same program up to layout, comments, docstrings and local names.

    Python is compared by its syntax tree, any other language by its tokens.
    """
    if max(len(first), len(second)) <= _MOST and language in ("", "py", "python", "python3"):
        trees = _normal(first), _normal(second)
        if trees[0] is not None and trees[1] is not None:
            return 1.0 if trees[0] == trees[1] else _overlap(trees[0], trees[1])
    one, other = _COMMENT.sub(" ", first), _COMMENT.sub(" ", second)
    return 1.0 if _TOKEN.findall(one) == _TOKEN.findall(other) else _overlap(one, other)


def _overlap(first: str, second: str) -> float:
    """Jaccard over tokens with their counts, kept away from 1: the same words may make another program."""
    one, other = Counter(_TOKEN.findall(first)), Counter(_TOKEN.findall(second))
    either = sum((one | other).values())
    return 0.5 * sum((one & other).values()) / either if either else 0.0


def _normal(code: str) -> str | None:
    """The tree as text, local names numbered in the order they appear; None where it doesn't parse."""
    try:
        tree = ast.parse(code)
        return ast.dump(_Renamer().visit(tree), annotate_fields=False)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


class _Renamer(ast.NodeTransformer):
    """Renames what is bound inside functions, drops docstrings and annotations."""

    def __init__(self) -> None:
        self._scopes: list[dict[str, str]] = []

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        first = node.body[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            node.body = node.body[1:] or [ast.Pass()]
        node.returns = None
        free = {n for inner in ast.walk(node) if isinstance(inner, ast.Global | ast.Nonlocal) for n in inner.names}
        named = {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)} if self._scopes else set()
        stored = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        order = [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and n.id in (stored | named) - free]
        arguments = [a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)]
        local = dict.fromkeys([*arguments, *order])
        self._scopes.append({name: f"v{len(self._scopes)}_{at}" for at, name in enumerate(local)})
        self.generic_visit(node)
        self._scopes.pop()
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        node.arg = self._renamed(node.arg)
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._renamed(node.id)
        return node

    def _renamed(self, name: str) -> str:
        return next((scope[name] for scope in reversed(self._scopes) if name in scope), name)
