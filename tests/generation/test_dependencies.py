"""What a function needs of the code around it, and what it does not. Each program is run here: its
target makes eight of four."""

import pytest

from generation.program import extract_program

TASK = 'import re\n\n\ndef target(x):\n    """Doc."""\n'


COMPLETIONS = {
    "memo mutated below": (
        " return memo[x]\n\nmemo = {}\nfor i in range(9):\n    memo[i] = 2*i\nprint(memo)\n"
    ),
    "sieve func below": (
        " return T[x]\n\nT = []\ndef fill():\n    for i in range(9):\n        T.append(2*i)\n"
        "fill()\n"
    ),
    "target attr": " target.n += 2\n    return x * target.n\ntarget.n = 0\n",
    "star": " return 2*x*int(cos(0))\n\nfrom math import *\n",
    "try import": (
        " return 2*x*np\n\ntry:\n    import numpyxx as np\nexcept ImportError:\n    np = 1\n"
    ),
    "lambda in completion": "\ntarget = lambda x: 2*x\n",
    "semi": " return two*x\nimport math; two = 2; print(target(1), input())\n",
    "nested helpers": (
        " return a(x)\n\ndef a(x): return b(x)\ndef b(x): return C().m(x)\n"
        "class C(D if 0 else object):\n    def m(self, x): return Z*x\nZ = 2\n"
        "print(a(input()))\n"
    ),
    "aug below": " return K*x\n\nK = 1\nK += 1\n",
    "walrus": " return K*x\n\nif (K := 2) > 1:\n    pass\n",
    "del": " return K*x\n\nK = J = 2\ndel J\n",
    "globals": " return globals()['hidden'](x)\n\ndef hidden(x): return 2*x\n",
    "async helper": (
        " import asyncio\n    return asyncio.run(go(x))\n\nasync def go(x):\n    return 2*x\n"
        "asyncio.run(nothing())\n"
    ),
    "typealias": " y: Alias = 2*x\n    return y\n\nAlias = int\n",
    "match": (
        " match x:\n        case Pt(a=1): return 2*x\n        case _: return 2*x\n\n"
        "class Pt: a = 1\n"
    ),
    "conditional helper": (
        " return h(x)\n\nif True:\n    def h(x): return 2*x\nelse:\n    h = None\n"
    ),
    "global counter in helper": (
        " return inc(x)\n\ncount = 2\ndef inc(x):\n    global count\n    return count*x\n"
        "print(inc(3))\n"
    ),
    "marker in docstring": " '''</s>\n    ```\n    <|x|>'''\n    return 2*x\n",
    "DONE const": " s = [2]\n    return x * s\\\n[DONE]\n\nDONE = 0\n",
    "py2 print below": " return 2*x\n\nprint target(2)\n",
    "type alias stmt/unicode": " π = 2\n    return π*x\n",
    "trailing backslash": " return 2*x\n\\\n",
    "null": " return 2*x\n\x00\x00\n",
    "surrogate": " return 2*x\n\ud800\n",
    "helper of same name as param": " n = x\n    return 2*n\n\nn = int(input())\n",
    "helper below twice": " return h(x)\n\ndef h(x): return 2*x\n\ndef h(x): return 1/0\n",
    "later helper defs": " return K2*x\n\nfrom typing import List\nK2: int = 2\n",
    "property class below": (
        " return Acc(x).double\n\nclass Acc:\n    def __init__(self, x): self.x = x\n"
        "    @property\n    def double(self): return 2*self.x\n\nacc = Acc(input())\n"
    ),
    "import in if": " return 2*x*int(os.path.exists('/'))\n\nif not False:\n    import os\n",
}
CHATS = {
    "setrecursion above": (
        "```python\nimport sys\nsys.setrecursionlimit(10000)\ndef target(x):\n    return 2*x\n```"
    ),
    "default arg const above": "```python\nK = 2\ndef target(x, k=K):\n    return k*x\n```",
    "singledispatch": (
        "```python\nfrom functools import singledispatch\n@singledispatch\ndef target(x):\n"
        "    raise NotImplementedError\n@target.register(int)\ndef _(x):\n    return 2*x\n"
        "@target.register(str)\ndef _(x):\n    return 3\n```"
    ),
    "lambda": "```python\ntarget = lambda x: 2*x\n```",
    "dataclass": (
        "```python\nfrom dataclasses import dataclass\n@dataclass\nclass P:\n    x: 'Q'\n"
        "class Q: pass\ndef target(x: 'P') -> int:\n    return 2*x\n```"
    ),
    "enum/TypeVar": (
        "```python\nfrom typing import TypeVar\nT = TypeVar('T')\ndef target(x: T) -> T:\n"
        "    return 2*x\n```"
    ),
    "rebind swap": "```python\nA, B = 1, 2\nA, B = B, A\ndef target(x):\n    return A*x\n```",
    "with": (
        "```python\nimport contextlib\nwith contextlib.suppress(Exception):\n    K = 2\n"
        "def target(x):\n    return K*x\n```"
    ),
    "target calls main name": (
        "```python\ndef main():\n    n = int(input())\n    print(target(n))\ndef target(x):\n"
        "    return 2*x\nmain()\n```"
    ),
    "prompt helper overridden": (
        "```python\nimport re\ndef helper(x):\n    return 2*x\ndef target(x):\n"
        "    return helper(x)\n```"
    ),
    "nbsp": "Sure!\n\n\xa0\n```python\ndef target(x):\n    return 2*x\n```",
    "html": "<pre><code>\ndef target(x):\n    return 2*x\n</code></pre>\n",
    "tool": "<|python_tag|>def target(x):\n    return 2*x\n<|eom_id|>",
    "think": (
        "<think>\nLet me see: def target(x): what's (it\n```python\ndef target(x):\n"
        "    return 3*x\n```\nwrong\n</think>\n```python\ndef target(x):\n    return 2*x\n```"
    ),
    "repl": "```pycon\n>>> def target(x):\n...     return 2*x\n...\n>>> target(2)\n4\n```",
    "bom": "\ufeffdef target(x):\n    return 2*x\n",
    "latex": "\\begin{code}\ndef target(x):\n    return 2*x\n\\end{code}",
    "[PYTHON]": (
        "[PYTHON]\ndef target(x):\n    return 2*x\n[/PYTHON]\n[TESTS]\nassert 0\n[/TESTS]"
    ),
    "assistant tag": (
        "<|im_start|>assistant\n```python\ndef target(x):\n    return 2*x\n```<|im_end|>"
    ),
    "<s> begin": "<s>```python\ndef target(x):\n    return 2*x\n```</s>",
    "heading": "### Solution\ndef target(x):\n    return 2*x\n### Explanation\nIt (is\n",
    "bold line": "**Code**:\n\n```python\ndef target(x):\n    return 2*x\n```",
    "fence w/ code": "```python def target(x):\n    return 2*x\n```",
    "fence oneline": "```python\ndef target(x): return 2*x```",
    "str marker": (
        "```python\ndef target(x):\n    y = '</s>' + \"<|im_end|>\" + '```'\n    return 2*x\n```"
    ),
    "jupyter": (
        "```python\n%matplotlib inline\n!pip install x\ndef target(x):\n    return 2*x\n```"
    ),
    "tab body": "```python\ndef target(x):\n\treturn 2*x\n```",
    "two lists": (
        "* Solution:\n\n    ```python\n    def target(x):\n        return 2*x\n    ```\n"
    ),
    "list and helper": (
        "1. Imports:\n\n   ```python\n   import math\n   ```\n2. Code:\n   ```python\n"
        "   def target(x):\n       return math.floor(2)*x\n   ```\n"
    ),
    "nested quote": "> > ```python\n> > def target(x):\n> >     return 2*x\n> > ```\n",
    "quote list": "> 1. ```python\n>    def target(x):\n>        return 2*x\n>    ```\n",
}


def made(program):
    namespace = {}
    exec(compile(program.source, "<output>", "exec"), namespace)
    return namespace["target"](4)


@pytest.mark.parametrize("name", COMPLETIONS)
def test_a_completion_has_what_it_needs(name):
    assert made(extract_program(COMPLETIONS[name], TASK + "   ", TASK, "target", "completion")) == 8


@pytest.mark.parametrize("name", CHATS)
def test_a_chat_answer_has_what_it_needs(name):
    assert made(extract_program(CHATS[name], "Write it.", TASK, "target", "chat")) == 8


@pytest.mark.parametrize(
    "below",
    [
        "x = 1; \\\ny = 2\n",
        "if a:\n    pass\n" + "".join(f"elif a == {n}:\n    K = {n}\n" for n in range(900)),
        "K = " + "+".join(["1"] * 3000) + "\n",
        "K = " + "(" * 150 + ")" * 150 + "\n",
        "K = " + "-" * 5000 + "1\n",
        "@a" + ".b" * 3000 + "\ndef target(x): pass\n",
    ],
)
def test_no_text_is_too_deep_to_be_read(below):
    text = " return 2 * x\n\n" + below
    assert made(extract_program(text, TASK + "   ", TASK, "target", "completion")) == 8
    text = " return 2 * x if x == 4 else K\n\n" + below
    assert extract_program(text, TASK + "   ", TASK, "target", "completion").source.startswith(TASK)
