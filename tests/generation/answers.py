"""Ways in which models write down one right answer, and ways to have none."""

import ast
import re
import textwrap

from generation.workloads.functions import FunctionTask


def arguments(task: FunctionTask) -> str:
    """The names of the target's arguments, as in a call."""
    (define,) = (
        node
        for node in ast.parse(task.prompt + "    pass\n").body
        if getattr(node, "name", None) == task.entry_point
    )
    return ", ".join(argument.arg for argument in define.args.args)


def parts(task: FunctionTask, solution: str) -> dict[str, str]:
    """The texts that the styles are made of.

    `body` is the function's, `code` the whole function; `split` is a body that leaves the work to
    `work`, a function of its own that needs an import, a constant, a table and a class.
    """
    begin = re.search(rf"^def {task.entry_point}\b", task.prompt, re.MULTILINE).start()
    given = arguments(task)
    before = task.prompt[begin:].split('"""')[0].split("'''")[0].strip("\n ") + "\n"
    # One of the problems imports something above its docstring.
    signature, _, more = before.partition("\n")
    signature, solution = signature + "\n", more + solution.strip("\n") + "\n"
    work = (
        "import functools as _tools\n\n"
        "_TABLE = {}\n"
        "_TABLE['all'] = slice(None)\n\n"
        "class _Kept(_tools.partial):\n    pass\n\n"
        f"def _work({given}):\n{solution}\n"
        "_ALL = [*_TABLE]\n"
    )
    split = f"    [_] = _ALL\n    return _Kept(_work)({given})\n"
    code = task.prompt[begin:].rstrip() + "\n" + solution
    return {
        "name": task.entry_point,
        "helpers": task.prompt[:begin],
        "signature": signature,
        "prompt": task.prompt[begin:].rstrip() + "\n",
        "body": solution,
        "code": code,
        "short": signature + solution,
        "split": split,
        "work": work,
        "split_code": signature + split,
        "listed": textwrap.indent(signature + solution, "   "),
        "quoted": textwrap.indent(signature + solution, "> ", lambda line: True),
        "deep": textwrap.indent(signature + solution, "    "),
        "method": textwrap.indent(
            signature.replace("(", "(self, ", 1)
            + solution.replace(f"{task.entry_point}(", f"self.{task.entry_point}("),
            "    ",
        ),
        "crlf": (signature + solution).replace("\n", "\r\n"),
        "rest": solution.lstrip(),
        "deco": "def _deco(f):\n    return _tools.wraps(f)(lambda *a: f(*a))\n\n",
        "given": given,
    }


# Behind a prompt that ends in three of the body's four spaces.
COMPLETIONS = {
    "plain": " {rest}",
    "unterminated": " {rest}".rstrip("\n"),
    "fence": " {rest}```\nThis works because (as asked\n",
    "indented fence": " {rest}    ```\n\nThis works.\n",
    "fence of another kind": " {rest}~~~\nIt's done.\n",
    "end on the line": " {rest!}<|endoftext|>def more(",
    "end of a sentence": " {rest!}</s> And so on",
    "end of a turn": " {rest!} <|im_end|>\n<|im_start|>user\nThank you\n",
    "done": " {rest!} [DONE]\n[BEGIN]\ndef {name}(x):\n    pass\n",
    "instruction": " {rest!}[/PYTHON]\nand more\n",
    "comment at the end": " {rest!}  # END\n",
    "end behind an indent": " {rest}    <|endoftext|>",
    "fence on the line": " {rest!}```\nSo (it goes.\n",
    "prose below": " {rest}\nThis function's work (in short\n",
    "indented prose": " {rest}    This is how it's done:\n    by looping.\n\n",
    "example": " {rest}\nprint({name}(input()))\nassert False\n",
    "guard": ' {rest}\nif __name__ == "__main__":\n    raise SystemExit({name}())\n',
    "tests": " {rest}\nimport unittest\n\nclass T(unittest.TestCase):\n    x = 1 / 0\n",
    "truncated": " {rest}\n\ndef other(x:",
    "truncated below": " {rest}    print(",
    "again": " {rest}\ndef {name}(*args):\n    return None\n",
    "needs below": " {split}\n\n{work}".replace(" {split}", " {split_rest}"),
    "needs below, chat behind": " {split_rest}\n\n{work}```\nThat is it.\n",
    "needs below, example behind": " {split_rest}\n\n{work}\nprint({name}(input()))\n",
    "needs between prose": " {split_rest}\n\nHere's the helper (below\n\n{work}\nDone (so.\n",
    "overloads": "\n\nfrom typing import overload\n\n@overload\ndef {name}(*a: int) -> int: ...\n"
    "@overload\ndef {name}(*a: str) -> str: ...\n{short}",
    "conditional": "\nimport sys\nif sys.version_info < (3,):\n    x = 1\nelse:\n{deep}",
    "decorated": "\nimport functools as _tools\n\n{deco}@_deco\n{short}",
    "wrapped below": " {rest}\nimport functools as _tools\n\n{deco}{name} = _deco({name})\n",
    "another name": "\ndef _solve({given}):\n{body}\n{name} = _solve\n",
    "signature again": "\n{short}",
    "signature again at once": "{short}",
    "signature again, a blank": " {short}",
    "signature again, indented": " {deep_rest}",
    "whole again": "\n\n{code}",
    "whole again with helpers": "\n\n{helpers}{code}",
    "fence first": "```python\n{code}```\n",
    "fence behind a break": "\n```python\n{short}```\nHere you are.\n",
    "fence around the body": "\n```python\n{body}```\n",
    "pass, and then": " pass\n\n{short}",
    "stub": " raise NotImplementedError\n\n\n{short}",
    "CRLF": " {crlf_rest}\r\nprint(1)\r\n",
}
CHATS = {
    "fenced": "Sure:\n\n```python\n{code}```\n\nIt works.\n",
    "unterminated fence": "```python\n{code}",
    "no language": "```\n{code}```",
    "Python3": "```Python3\n{code}```",
    "a title": '```python title="a.py" {1,2}\n{code}```',
    "curly": "```{.python .x}\n{code}```",
    "blank before the language": "``` py\n{code}```",
    "tildes": "~~~python\n{code}~~~\nso\n",
    "four": "````python\n{code}````\nso\n",
    "around": "````markdown\nHere:\n\n```python\n{code}```\n\nDone.\n````\n",
    "in a list": "1. First:\n\n   ```python\n{listed}   ```\n\n2. Then (rest.\n",
    "in a list, at once": "- ```python\n  {short_2}  ```\nso\n",
    "numbered at once": "1. ```python\n{listed}   ```\n",
    "indented in a fence": "```python\n{deep}```\n",
    "indented by tabs": "\t```python\n{tabbed}\t```\n",
    "quoted": "> As asked:\n>\n> ```python\n{quoted}> ```\n\nThat is it.\n",
    "CRLF": "Sure:\r\n\r\n```python\r\n{crlf}```\r\nIt works.\r\n",
    "fence in the docstring": '```python\n{signature}    """So:\n\n    ```\n    x = 1\n    ```\n'
    '    """\n{body}```\n',
    "fence in the docstring's first column": '```python\n{signature}    """So:\n```python\nx = 1\n'
    '```\n    """\n{body}```\nDone.\n',
    "end on the line": "```python\n{short!}<|im_end|>\n",
    "fence on the line": "```python\n{short!}```\nIt's (done.\n",
    "end behind the fence": "```python\n{short}```<|im_end|>\n<|im_start|>user\n```python\nx\n```",
    "unfenced": "Here it is:\n\n{code}\nIt's (done.\n",
    "unfenced with imports": "Here it is:\n\n{work}\n{split_code}\nIt's (done.\n",
    "unfenced, imports below": "Here it is:\n\n{split_code}\n{work}\nIt's (done.\n",
    "unfenced, fence behind": "{code}```\nThis prints:\n```python\nprint({name}())\n```\n",
    "unfenced, fence before": "Run:\n```bash\npip install it\n```\nthen:\n{code}",
    "unfenced and indented": "Here it is:\n\n{deep}\nDone (so.\n",
    "needs below": "```python\n{split_code}\n\n{work}```\n",
    "needs above": "```python\n{work}\n\n{split_code}```\n",
    "needs in a block before": "First:\n```python\n{work}```\nThen:\n```python\n{split_code}```\n",
    "needs in a block behind": "So:\n```python\n{split_code}```\nwith:\n```python\n{work}```\n",
    "needs in prose, function in a block": "{work}\n```python\n{split_code}```\n",
    "needs in many": "```python\n{split_code}```\n```bash\nls\n```\n~~~\n{work_head}~~~\nand\n"
    "```python\n{work_tail}```\n",
    "example in a block": "```python\n{code}```\n```python\nprint({name}(input()))\n```\n",
    "example above": "```python\nimport nothing_of_that_name\nn = int(input())\n{code}```\n",
    "example in the block": "```python\n{code}\nprint({name}(input()))\nraise SystemExit\n```\n",
    "doctests": "```python\n{code}\nimport doctest\ndoctest.testmod()\n1 / 0\n```\n",
    "guard": '```python\n{code}\nif __name__ == "__main__":\n    main()\n```\n',
    "signature first": "To do:\n```python\n{signature}    ...\n```\nSo:\n```python\n{short}```\n",
    "prompt first": "You asked:\n```python\n{prompt}```\nSo:\n```python\n{short}```\n",
    "broken first": "```python\n{signature}    return (1,\n```\nSorry:\n```python\n{short}```\n",
    "another behind": "```python\n{code}```\nOr:\n```python\ndef {name}(*a):\n    return 0\n```\n",
    "text first": "```text\n{name}(1) -> 2\n```\n```python\n{code}```\n",
    "forgotten closing": "```bash\nls\n```python\n{code}```\n",
    "future": "```python\nfrom __future__ import annotations\n{code}```\n",
    "overloads": "```python\nimport typing as t\n\n@t.overload\ndef {name}(*a: int) -> int: ...\n"
    "{short}```",
    "conditional": "```python\ntry:\n    from nowhere import {name}\nexcept ImportError:\n{deep}"
    "```\n",
    "decorated": "```python\nimport functools as _tools\n{deco}@_deco\n{short}```\n",
    "method": "```python\nclass Solution:\n{method}```\n",
    "method with a call": "```python\nclass A:\n{method}\nprint(A().{name}(input()))\n```\n",
    "another name": "```python\ndef _solve({given}):\n{body}\n{name} = _solve\n```\n",
    "global": "```python\ndef _fill():\n    global _STEP\n    _STEP = 1\n\n_fill()\n\n{signature}"
    "    assert _STEP == 1\n{body}```\n",
    "body alone in a list": "1. The body is:\n   ```python\n{body_3}   ```\n",
    "body alone": "The body is:\n```python\n{body}```\n",
    "prose in the block": "```python\nHere's the code:\n{code}\nThat's all.\n```\n",
}
# None of these holds a right answer.
WRONG_COMPLETIONS = {
    "nothing": "",
    "blanks": "\n\n\n",
    "no body": "\n\nprint({name}())\n",
    "pass": " pass\n",
    "wrong": " return NotImplemented\n",
    "comment": " # {rest_commented}",
    "in a text": " '''\n{code_plain}'''\n",
    "in a text below": " return None\n\nx = r'''\n{code_plain}'''\n",
    "prompt again": "\n{prompt}",
    "signature again": "\n{signature}",
    "under a guard": '\n\nif __name__ == "__main__":\n{deep}',
    "within another": "\n\ndef main():\n{deep}",
    "never closed": " return (\n{rest}",
    "prose": " This function works as follows: it loops.\n",
    "behind the end": "<|endoftext|>{rest}",
    "needs what is nowhere": " {split_rest}",
    "corrected too late": " return NotImplemented\n\n\n{short}",
}
WRONG_CHATS = {
    "nothing": "",
    "prose": "I cannot do that (now.\n",
    "prompt": "```python\n{prompt}```\n",
    "stub": "```python\n{signature}    ...\n```\n",
    "wrong": "```python\n{signature}    return NotImplemented\n```\n",
    "comments": "```python\n{commented}```\n",
    "in a text": "```python\nx = r'''\n{code_plain}'''\n```\n",
    "in its docstring": "```python\n{signature}    r'''\n{code_plain}    '''\n```\n",
    "another name": "```python\n{renamed}```\n",
    "needs what is nowhere": "```python\n{split_code}```\n",
    "corrected too late": "```python\n{signature}    return NotImplemented\n```\n```\n{short}```\n",
}


def answer(style: str, task: FunctionTask, solution: str) -> str:
    """A style's text for a task."""
    known = parts(task, solution)
    deep = known["deep"]
    begin, work = known["work"].partition("def _work")[0], known["work"].partition("def _work")
    plain = known["code"].replace("'''", '"""')
    known |= {
        "split_rest": known["split"].lstrip(),
        "deep_rest": deep.lstrip(),
        "crlf_rest": known["body"].lstrip().replace("\n", "\r\n"),
        "tabbed": textwrap.indent(known["short"], "\t"),
        "short_2": textwrap.indent(known["short"], "  ").lstrip(),
        "body_3": textwrap.indent(known["body"], "   "),
        "rest!": known["rest"].rstrip(),
        "short!": known["short"].rstrip(),
        "work_head": begin,
        "work_tail": "".join(work[1:]),
        "code_plain": plain,
        "commented": textwrap.indent(known["code"], "# ", lambda line: True),
        "rest_commented": known["rest"].replace("\n", "\n    # "),
        "renamed": known["short"].replace(task.entry_point, "other"),
    }
    return re.sub(r"\{([a-z_0-9]+!?)\}", lambda match: known.get(match[1], match[0]), style)
