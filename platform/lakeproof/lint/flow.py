"""Follows values through functions, to tell a `first` of sorted rows from a `first` of any."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from lakeproof.lint import rules
from lakeproof.lint.finding import Found
from lakeproof.lint.methods import Methods
from lakeproof.lint.names import FUNCTIONS, Module, Place, Scope, scope_of
from lakeproof.lint.values import EXPRESSIONS, KINDS, NAMESPACES, UNKNOWN, Value, joined

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakeproof.lint.strings import Strings

MOST_CALLS = 6
"""How deep calls are followed."""


class Flow:
    """Looks at functions with what is known of their arguments, and collects what is found, by module.

    Args:
        strings: Looks at SQL in strings.
    """

    def __init__(self, strings: Strings) -> None:
        self.found: dict[Module, set[Found]] = {}
        self.strings = strings
        self._returned: dict[tuple[ast.AST, tuple[tuple[str, Value], ...]], Value] = {}
        self._seen: set[ast.AST] = set()

    def enter(self, place: Place, given: Mapping[str, Value] | None = None, depth: int = 0) -> Value:
        """Look at a definition, and return what it gives.

        Args:
            place: The definition.
            given: Its arguments, by name; by default rows in any order, as inputs come.
            depth: How many calls led here.
        """
        node, scope = place.node, scope_of(place)
        self._seen.add(node)
        names: dict[str, Value] = {}
        for one in _parameters(node):
            kind = KINDS.get(_annotated(scope, one.annotation), "unknown")
            names[one.arg] = Value(kind, ordered=False) if given is None else given.get(one.arg, Value(kind))
        known = (node, tuple(names.items()))
        if known not in self._returned:
            said = Value(KINDS.get(_annotated(scope, getattr(node, "returns", None)), "unknown"))
            self._returned[known] = said  # of what uses itself, nothing more is known
            walk = _Walk(self, place.module, scope, names, depth)
            parts = [node.value] if isinstance(node, ast.Assign | ast.AnnAssign) else node.body
            values = [walk.visit(part) for part in parts if part is not None]
            self._returned[known] = joined([*(walk.returned if isinstance(node, FUNCTIONS) else values), said])
        return self._returned[known]

    def enter_rest(self, places: Sequence[Place]) -> None:
        """Look at what no call led to, of whose arguments nothing is known."""
        for place in places:
            if place.node not in self._seen:
                self.enter(place, {})


def _parameters(node: ast.AST) -> list[ast.arg]:
    """Return the parameters of a function; nothing else has any."""
    return [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs] if isinstance(node, FUNCTIONS) else []


def _annotated(scope: Scope, annotation: ast.expr | None) -> str:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        annotation = ast.parse(annotation.value, mode="eval").body
    return (scope.dotted(annotation) or "") if annotation is not None else ""


class _Walk(ast.NodeVisitor):
    """Goes through one definition, statement by statement; each part gives what is known of its value."""

    def __init__(self, flow: Flow, module: Module, scope: Scope, names: Mapping[str, Value], depth: int) -> None:
        self.flow, self.module, self.scope, self.depth = flow, module, scope, depth
        self.names = dict(names)
        self.returned: list[Value] = []
        self._methods = Methods(self._tell, self._sql)

    def generic_visit(self, node: ast.AST) -> Value:
        """Look at all parts of what has no rule of its own: it is any of them, or made of all."""
        return joined([self.visit(child) for child in ast.iter_child_nodes(node)])

    # Statements.

    def visit_Return(self, node: ast.Return) -> Value:
        """Remember what is returned."""
        self.returned.append(self.visit(node.value) if node.value is not None else UNKNOWN)
        return UNKNOWN

    def visit_Assign(self, node: ast.Assign) -> Value:
        """Remember what a name stands for from here on."""
        given: Value = self.visit(node.value)
        for target in node.targets:
            self._assign(target, given)
        return UNKNOWN

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Value:
        """As an assignment without an annotation."""
        if node.value is not None:
            self._assign(node.target, self.visit(node.value))
        return UNKNOWN

    def visit_withitem(self, node: ast.withitem) -> Value:
        """As an assignment."""
        given: Value = self.visit(node.context_expr)
        if node.optional_vars is not None:
            self._assign(node.optional_vars, given)
        return UNKNOWN

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> Value:
        """Look at what is defined within a function, with the names that it sees there."""
        inner = _Walk(self.flow, self.module, self.scope, self.names, self.depth)
        for one in node.body:
            inner.visit(one)
        self.names[node.name] = joined(inner.returned)
        return UNKNOWN

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - the base class calls it so
    visit_ClassDef = visit_FunctionDef  # noqa: N815 - the base class calls it so

    # Expressions.

    def visit_Name(self, node: ast.Name) -> Value:
        """Return what a name stands for here, or outside of the function."""
        return self.names[node.id] if node.id in self.names else self._outside(node)

    def visit_Attribute(self, node: ast.Attribute) -> Value:
        """Return what an attribute of a value is."""
        if self.scope.dotted(node) is not None:
            return self._outside(node)
        held: Value = self.visit(node.value)
        if held.kind == "expr" and node.attr in NAMESPACES:
            return Value("namespace", held.ordered, held.pending)
        return held if held.kind == "path" else UNKNOWN

    def visit_Subscript(self, node: ast.Subscript) -> Value:
        """Return a column, or columns, of a frame."""
        self.visit(node.slice)
        held: Value = self.visit(node.value)
        parts = node.slice.elts if isinstance(node.slice, ast.List | ast.Tuple) else [node.slice]
        columns = all(isinstance(one, ast.Constant) and isinstance(one.value, str) for one in parts)
        return held if held.kind == "frame" and columns else UNKNOWN

    def visit_Lambda(self, node: ast.Lambda) -> Value:
        """Return what it would give."""
        given: Value = self.visit(node.body)
        return given

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> Value:
        """Return what each part of it is."""
        self._generators(node.generators)
        given: Value = self.visit(node.elt)
        return given

    visit_SetComp = visit_ListComp  # noqa: N815 - the base class calls it so
    visit_GeneratorExp = visit_ListComp  # noqa: N815 - the base class calls it so

    def visit_DictComp(self, node: ast.DictComp) -> Value:
        """Return what each value of it is."""
        self._generators(node.generators)
        given: Value = self.visit(node.value)
        return given

    def visit_NamedExpr(self, node: ast.NamedExpr) -> Value:
        """As an assignment, which is a value, too."""
        given: Value = self.visit(node.value)
        self._assign(node.target, given)
        return given

    def visit_Call(self, node: ast.Call) -> Value:
        """Return what a call gives."""
        given = [self.visit(one.value if isinstance(one, ast.Starred) else one) for one in node.args]
        named = {one.arg: self.visit(one.value) for one in node.keywords}
        if (dotted := self.scope.dotted(node.func)) is not None:
            return self._function(node, dotted, given, named)
        if not isinstance(node.func, ast.Attribute):
            held: Value = self.visit(node.func)
            return held
        held = self.visit(node.func.value)
        if node.func.attr == "pipe" and node.args and (to := self.scope.dotted(node.args[0])) is not None:
            return self._function(node, to, [held, *given[1:]], named)
        return self._methods.result(node, node.func, held, [*given, *named.values()])

    def _generators(self, generators: Sequence[ast.comprehension]) -> None:
        for one in generators:
            self._assign(one.target, self.visit(one.iter))
            for test in one.ifs:
                self.visit(test)

    def _assign(self, target: ast.expr, given: Value) -> None:
        self.names.update((name.id, given) for name in ast.walk(target) if isinstance(name, ast.Name))

    def _outside(self, node: ast.expr) -> Value:
        """Return what is known of a value that a module holds."""
        dotted = self.scope.dotted(node)
        place = self.scope.place(dotted) if dotted is not None else None
        if place is None or isinstance(place.node, (ast.ClassDef, *FUNCTIONS)) or self.depth >= MOST_CALLS:
            return UNKNOWN
        return self.flow.enter(place, {}, self.depth + 1)

    def _function(
        self, call: ast.Call, dotted: str, given: Sequence[Value], named: Mapping[str | None, Value]
    ) -> Value:
        values, (package, _, name) = [*given, *named.values()], dotted.rpartition(".")
        if dotted in KINDS:  # made here, row by row, in the order of the text; or of rows that have theirs
            return Value(KINDS[dotted], joined(values).ordered)
        if dotted == "duckdb.connect":
            return Value("connection")
        if package in {"duckdb", "polars"} and name in {"sql", "query", "execute", "from_query"}:
            statement = call.args[-1:] if name == "query" else call.args[:1]
            return Value("frame" if package == "polars" else "relation", self._sql(statement))
        if package == "polars":
            return self._polars(call, name, values)
        place = self.scope.place(dotted)
        if place is None or not isinstance(place.node, FUNCTIONS) or self.depth >= MOST_CALLS:
            return UNKNOWN
        names = [one.arg for one in _parameters(place.node)]
        bound = dict(zip(names, given, strict=False)) | {name: one for name, one in named.items() if name}
        return self.flow.enter(place, bound, self.depth + 1)

    def _polars(self, call: ast.Call, name: str, values: Sequence[Value]) -> Value:
        """Return what a function of Polars gives: a frame of frames, or an expression."""
        frames = [value for value in values if value.kind == "frame"]
        if name.startswith(("read_", "scan_", "from_")):
            return Value("frame", ordered=False)
        if frames and name != "lit":
            return Value("frame", all(value.ordered for value in frames))
        pending = joined(values).pending
        if name in EXPRESSIONS and call.args:
            line = call.func.end_lineno or call.lineno
            pending = (*pending, Found(line, f"pl.{name} takes any of several rows", rules.SORT_FIRST))
        return Value("expr", ordered=False, pending=pending)

    def _tell(self, *found: Found) -> None:
        self.flow.found.setdefault(self.module, set()).update(found)

    def _sql(self, given: Sequence[ast.expr], known: str = "", within: str = "{}") -> bool:
        """Look at SQL in a string, and return whether its rows come in an order; what is no text is not doubted."""
        node = given[0] if given else None
        if isinstance(node, ast.Name):
            node = self.flow.strings.assigned(self.module, node.id)
        if node is None:
            return True
        found, ordered = self.flow.strings.look(self.module, node, known, within)
        self._tell(*found)
        return ordered
