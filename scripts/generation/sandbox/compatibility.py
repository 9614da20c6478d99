"""Which tests can judge here, told from their text: what they do beyond calling must cross too."""

import ast
import builtins
from collections.abc import Iterator

# What a test may replace: it reaches the program, see `streams`.
_CARRIED = ("builtins.input", "sys.stdin", "sys.stdout", "sys.stderr")
_PATCHERS = ("patch", "monkeypatch")
# What the program gave must not be run by the side that judges it.
_RUNS = "runs what it is given"
_IN_PROCESS = {
    **dict.fromkeys(("pickle.load", "pickle.loads", "marshal.load", "marshal.loads"), _RUNS),
    **dict.fromkeys(("shelve.open", "yaml.load", "importlib.import_module"), _RUNS),
    **dict.fromkeys(("eval", "exec", "__import__"), _RUNS),
    "inspect.getsource": "reads the program's source",
    "inspect.getsourcelines": "reads the program's source",
    "os.fork": "starts a process",
    "os.system": "starts a process",
    "subprocess": "starts a process",
    "multiprocessing.Process": "starts a process",
    "multiprocessing.Pool": "starts a process",
    "ProcessPoolExecutor": "starts a process",
    "os.putenv": "changes the environment",
    "os.chdir": "changes the working directory",
    "tracemalloc": "measures the memory of its own process",
    **dict.fromkeys(
        ("warnings.catch_warnings", "assertWarns", "assertLogs", "pytest.warns"),
        "watches its own process",
    ),
    **dict.fromkeys(
        ("decimal.getcontext", "decimal.setcontext", "decimal.localcontext", "ContextVar"),
        "has a context of its own process",
    ),
}


def incompatibility(test: str) -> str | None:
    """Why this test, `def check(candidate)`, cannot judge in the sandbox; None if it can.

    Tests run in a process of their own: what they change there, the program does not see.
    """
    try:
        tree = ast.parse(test)
    except (SyntaxError, ValueError) as error:
        return f"its test is not Python: {error}"
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    if "check" not in names:
        return "its test defines no check(candidate)"
    return next(_incompatibilities(tree), None)


def _incompatibilities(tree: ast.Module) -> Iterator[str]:
    modules = {"builtins", "sys", "os", "time", "random", "datetime", "math"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.asname or alias.name for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _call(_dotted(node.func), node)
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.Delete):
            targets = [node.target] if isinstance(node, ast.AugAssign) else node.targets
            for target in targets:
                place = target.value if isinstance(target, ast.Subscript) else target
                name = _dotted(place)
                if "." in name and name.partition(".")[0] in modules and name not in _CARRIED:
                    yield _replaces(name)


def _call(name: str, node: ast.Call) -> Iterator[str]:
    parts = name.split(".")
    if any(part in _PATCHERS for part in parts):
        first = node.args[0] if node.args else None
        what = first.value if isinstance(first, ast.Constant) else _dotted(first)
        if parts[-1] == "object" and len(node.args) > 1 and isinstance(node.args[1], ast.Constant):
            what = f"{what}.{node.args[1].value}"
        if what not in _CARRIED:
            yield _replaces(str(what))
    for known, does in _IN_PROCESS.items():
        # A method may be called as a builtin is.
        last = parts[-1] == known and not hasattr(builtins, known)
        if name == known or name.startswith(known + ".") or last:
            yield f"its test {does} ({name})"


def _replaces(name: str) -> str:
    return f"its test changes {name} in its own process, which the program does not see"


def _dotted(node) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""
