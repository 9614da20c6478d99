"""What of a language model is asked when it is prepared, so that a session can load it."""

import json

import gguf as gguf_library
import numpy
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from weights import WeightsError, folder
from weights.loadable import check_loadable

WEIGHTS = "model.safetensors"


@pytest.fixture
def tiny(tmp_path):
    words = ["<unk>", "<s>", "</s>", *"abcdefghij"]
    backend = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=16,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path / "tiny")
    PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    ).save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


def edit(file, **changed):
    file.write_text(json.dumps({**json.loads(file.read_text()), **changed}))


def foreign(folder):
    edit(folder / "config.json", model_type="own", auto_map={"AutoConfig": "own.Config"})


def spoilt_by(**changed):
    return lambda folder: edit(folder / "config.json", **changed)


def without(*names):
    def change(folder):
        told = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(
            json.dumps({name: value for name, value in told.items() if name not in names})
        )

    return change


def truncated(folder):
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[: len(data) // 2])


def sharded(folder):
    index = {"metadata": {}, "weight_map": {"lm_head.weight": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def newer_tokenizer(folder):
    told = json.loads((folder / "tokenizer.json").read_text())
    told["model"]["type"] = "OfTomorrow"
    (folder / "tokenizer.json").write_text(json.dumps(told))


def wordy(folder):
    told = json.loads((folder / "tokenizer.json").read_text())
    told["model"]["vocab"]["beyond"] = 16
    (folder / "tokenizer.json").write_text(json.dumps(told))


def templated(text):
    return lambda folder: (folder / "chat_template.jinja").write_text(text)


@pytest.mark.parametrize(
    ("change", "prompt", "words"),
    [
        (foreign, "completion", ["config.json cannot be loaded", "custom code"]),
        (spoilt_by(num_hidden_layers=3), "completion", ["tensors are missing, as model.layers.2."]),
        (spoilt_by(intermediate_size=48), "completion", ["its weights cannot be loaded"]),
        (truncated, "completion", [WEIGHTS, "cut off or damaged"]),
        (
            sharded,
            "completion",
            ["names 'model-00002-of-00002.safetensors', which is not"],
        ),
        (without("model_type", "architectures"), "completion", ["config.json cannot be loaded"]),
        (spoilt_by(model_type="lamma"), "completion", ["config.json cannot be loaded", "lamma"]),
        (spoilt_by(model_type="t5"), "completion", ["t5 is an encoder and a decoder"]),
        (spoilt_by(model_type="vit"), "completion", ["no language model of model_type 'vit'"]),
        (
            spoilt_by(quantization_config={"quant_method": "gptq", "bits": 4}),
            "completion",
            ["its weights cannot be loaded", "GPTQ"],
        ),
        (
            spoilt_by(quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True}),
            "completion",
            ["its weights cannot be loaded", "bitsandbytes"],
        ),
        (newer_tokenizer, "completion", ["its tokenizer cannot be loaded"]),
        (wordy, "completion", ["its weights know 16", "as 'beyond'"]),
        (lambda _: None, "chat", ["there is no chat template"]),
        (templated("{{ raise_exception('no') }}"), "chat", ["its chat template"]),
        (templated("{% if %}"), "chat", ["its chat template cannot be loaded"]),
    ],
)
def test_a_folder_that_cannot_be_loaded_is_refused_in_one_line(tiny, change, prompt, words):
    change(tiny)
    with pytest.raises(WeightsError) as caught:
        check_loadable(tiny, {"source": "folder", "prompt": prompt})
    said = str(caught.value)
    assert said.startswith(f"{tiny}: ") and "\n" not in said
    assert [word for word in words if word not in said] == [], said


def test_a_special_word_that_no_prompt_has_may_lie_beyond_the_weights(tiny):
    """As that of images in the smallest Gemma 3, which has none."""
    told = json.loads((tiny / "tokenizer.json").read_text())
    image = {"id": 16, "content": "<image>", "special": True}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    told["added_tokens"].append(image | flags)
    (tiny / "tokenizer.json").write_text(json.dumps(told))
    templated("{{ messages[0]['content'] }}")(tiny)
    check_loadable(tiny, {"source": "folder", "prompt": "chat"})


def test_a_template_that_is_not_asked_for_may_fail(tiny):
    templated("{% if %}")(tiny)
    check_loadable(tiny, {"source": "folder", "prompt": "completion"})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"model_type": "t5"}, "t5 is an encoder and a decoder"),
        ({"model_type": "bart"}, "bart is an encoder and a decoder"),
        ({"model_type": "bert"}, "BertLMHeadModel is an encoder here"),
        ({"model_type": "bert", "is_decoder": True}, None),
        # The switch is there by inheritance, and nothing reads it.
        ({"model_type": "gpt_neox"}, None),
    ],
)
def test_an_encoder_is_no_language_model(tiny, fields, words):
    """Of the architecture alone: its weights are seeded."""
    shape = {"vocab_size": 16, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    told = AutoConfig.for_model(**fields).to_dict() | (shape if words is None else {})
    (tiny / "config.json").write_text(json.dumps(told))
    if words is None:
        check_loadable(tiny, {"source": "init", "prompt": "completion"})
        return
    with pytest.raises(WeightsError, match=words):
        check_loadable(tiny, {"source": "init", "prompt": "completion"})


def gguf(path):
    """The tokenizer and weights of a llama of one layer, as llama.cpp's own writer writes them."""
    writer = gguf_library.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_block_count(1)
    writer.add_feed_forward_length(32)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    words = ["<unk>", "<s>", "</s>", *map("<0x{:02X}>".format, range(256)), "▁", *"abc"]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(words)
    writer.add_token_scores([0.0] * len(words))
    writer.add_token_types([2, 3, 3, *[6] * 256, *[1] * 4])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    random = numpy.random.default_rng(0)
    shapes = {"token_embd": (len(words), 32), "output": (len(words), 32), "output_norm": (32,)}
    shapes |= {f"blk.0.attn_{name}": (32, 32) for name in ("q", "k", "v", "output")}
    shapes |= {f"blk.0.ffn_{name}": (32, 32) for name in ("gate", "up", "down")}
    shapes |= {"blk.0.attn_norm": (32,), "blk.0.ffn_norm": (32,)}
    for name, shape in shapes.items():
        tensor = random.standard_normal(shape).astype(numpy.float32)
        writer.add_tensor(f"{name}.weight", tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_a_gguf_file_works_by_its_path_and_in_its_folder(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    gguf(home / "model.gguf")
    for number, path in enumerate((home / "model.gguf", home)):
        out = tmp_path / str(number)
        out.mkdir()
        entry = {"source": "folder", "path": str(path), "prompt": "completion"}
        record = folder.prepare(entry, out)
        assert record["weights"] == "weights" and list(record["sha256"]) == ["model.gguf"]
        check_loadable(out / "weights", entry)
    assert [p.name for p in home.iterdir()] == ["model.gguf"]
    with pytest.raises(WeightsError, match=r"'model.gguf' has sha256 .* expected 000"):
        folder.prepare({**entry, "sha256": {"model.gguf": "0" * 64}}, tmp_path / "0")
    gguf(home / "other.gguf")
    with pytest.raises(WeightsError, match=r"the path of one: model\.gguf, other\.gguf"):
        folder.prepare({**entry, "path": str(home)}, tmp_path / "0")


def test_a_file_that_is_no_gguf_is_refused(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"")
    with pytest.raises(WeightsError, match="no GGUF; give the folder"):
        folder.prepare({"path": str(tmp_path / "model.bin")}, tmp_path)
