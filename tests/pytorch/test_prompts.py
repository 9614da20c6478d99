"""Prompts in tokens: exactly as many as asked, by tokenizers that differ in all that matters."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from generation.workloads import WORKLOADS, WorkloadError, read_tasks
from generation.workloads.longcode import HEAD, TAIL
from generation.workloads.nextline import LineTask, PosedLine

ROOT = Path(__file__).parents[2]
LENGTHS = (64, 127, 1024, 4300)
WORKFLOW = ROOT / ".venv" / "bin" / "python"


def made(path):
    """A file of the workflow, made by its own rule where it is missing."""
    if not (ROOT / path).is_file():
        # This environment has no snakemake; that of the workflow has.
        python = WORKFLOW if WORKFLOW.is_file() else sys.executable
        command = [python, "-m", "snakemake", "--cores", "1", path]
        subprocess.run(command, cwd=ROOT, check=True)
    return ROOT / path


def prepared(model):
    """The folder with a model's tokenizer."""
    ready = made(f"resources/models/{model}/model.json")
    return ready.parent / json.loads(ready.read_text())["weights"]


def smollm2():
    """Byte-pair encoding; adds nothing to a text."""
    return AutoTokenizer.from_pretrained(prepared("smollm2-135m-instruct"))


def minilm():
    """WordPiece; opens a text with [CLS] and closes it with [SEP], and is cut at a length."""
    return AutoTokenizer.from_pretrained(prepared("minilm"))


def bytes_with_beginning():
    """A token a byte, and an opening token as Llama's; nothing closes a text."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = {"<s>": 0, **{letter: number for number, letter in enumerate(alphabet, 1)}}
    backend = Tokenizer(models.BPE(vocab=words, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>")


@pytest.fixture(scope="module", params=[smollm2, minilm, bytes_with_beginning])
def any_tokenizer(request):
    return request.param()


@pytest.fixture(scope="module")
def tasks():
    return WORKLOADS["longcode"].load({"seed": 5, "characters": 60_000})


def test_a_longcode_prompt_has_exactly_as_many_tokens_as_asked(any_tokenizer, tasks):
    longcode = WORKLOADS["longcode"]
    for length in LENGTHS:
        for task in tasks[:8]:
            tokens = longcode.pose(task, "completion", length).tokens(any_tokenizer, 10**6)
            assert len(tokens) == length
            again = longcode.pose(task, "chat", length).tokens(any_tokenizer, length)
            assert again == tokens


def test_it_opens_as_the_tokenizer_opens_a_text_and_ends_with_the_question(any_tokenizer, tasks):
    whole = any_tokenizer(HEAD + "x = 1\n" + TAIL).input_ids
    tokens = WORKLOADS["longcode"].pose(tasks[0], "completion", 600).tokens(any_tokenizer, 10**6)
    assert tokens[:5] == whole[:5]
    end = any_tokenizer(TAIL, add_special_tokens=False).input_ids
    assert tokens[-len(end) :] == end
    # Special tokens stand at the beginning and nowhere else.
    opening = any_tokenizer(HEAD).input_ids
    special = set(any_tokenizer.all_special_ids) - {any_tokenizer.unk_token_id}
    assert not special & set(tokens[len(opening) :])


def test_between_them_stands_the_end_of_the_context(any_tokenizer, tasks):
    task = tasks[1]
    tokens = WORKLOADS["longcode"].pose(task, "completion", 600).tokens(any_tokenizer, 10**6)
    # The last lines of the context and the question, in the tokens of the text itself.
    lines = task.context.split("\n")
    text = "\n".join(lines[-4:])
    expected = any_tokenizer(text, add_special_tokens=False).input_ids
    end = any_tokenizer(TAIL, add_special_tokens=False).input_ids
    assert len(expected) > 5
    assert tokens[-len(end) - len(expected) + 2 : -len(end)] == expected[2:]


def test_no_more_of_a_context_is_encoded_than_gives_the_same_tokens(any_tokenizer, tasks):
    """A context four times as long gives the same prompt."""
    task = tasks[2]
    longer = LineTask(task.task_id, task.context * 4, task.answer, task.source)
    longcode = WORKLOADS["longcode"]
    one, four = (longcode.pose(t, "completion", 900) for t in (task, longer))
    assert one.tokens(any_tokenizer, 10**6) == four.tokens(any_tokenizer, 10**6)


@pytest.mark.parametrize(
    ("length", "room", "words"),
    [
        (5, 10**6, "a prompt of 5 tokens has no place for context"),
        (10**6, 10**7, "give more phases.longcode.characters"),
        (900, 899, "a prompt of 900 tokens (phases.longcode.prompt_tokens) is longer than the 899"),
    ],
)
def test_a_length_that_cannot_be_is_refused_in_one_line(any_tokenizer, tasks, length, room, words):
    posed = WORKLOADS["longcode"].pose(tasks[0], "completion", length)
    with pytest.raises(WorkloadError) as caught:
        posed.tokens(any_tokenizer, room)
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert str(caught.value).startswith("longcode/0: ")


def test_a_prompt_of_longbench_is_cut_in_the_middle(any_tokenizer, tasks):
    posed = PosedLine(tasks[0], "completion", "Begin. \n", "End.\n")
    whole = any_tokenizer(posed.text).input_ids
    assert posed.tokens(any_tokenizer, len(whole)) == whole
    cut = posed.tokens(any_tokenizer, 500)
    assert cut == whole[:250] + whole[-250:]


@pytest.mark.parametrize("style", ["completion", "chat"])
def test_prompts_of_humaneval_have_the_studys_sizes(style):
    """Mean tokens beyond 0-shot: 367 to 430 with two examples and 6 to 8 with a chain of thought by
    the study's tokenizers; about that here."""
    tokenizer = smollm2()
    tasks = read_tasks(made("resources/workloads/humaneval.jsonl"), WORKLOADS["humaneval-0shot"])
    mean = {}
    for how in ("0shot", "2shot", "cot"):
        workload = WORKLOADS[f"humaneval-{how}"]
        sizes = [
            len(workload.pose(task, style).tokens(tokenizer, 10**6)) for task in tasks.values()
        ]
        mean[how] = sum(sizes) / len(sizes)
    assert 367 * 0.9 < mean["2shot"] - mean["0shot"] < 430 * 1.1
    assert 5 < mean["cot"] - mean["0shot"] < 10
